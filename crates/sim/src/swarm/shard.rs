//! Some of the viewers, performed by one thread, a window of time at a time.

use std::collections::BinaryHeap;

use super::memo::Memo;
use super::post::{Letter, Post, What};
use super::source::Source;
use super::viewer::Viewer;
use crate::event::Micros;
use crate::plan::Plan;

/// What all viewers see; it changes between windows only.
pub(super) struct Scene<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: Source,
    pub(super) memo: Memo,
    pub(super) window_us: Micros,
    /// Even and odd viewers do not hear of each other.
    pub(super) parted: bool,
    /// The origin answers as it should, and since when.
    pub(super) sound: bool,
    pub(super) sound_since: Micros,
    /// Each core's store, and the largest segment.
    pub(super) memory_bytes: u64,
    pub(super) largest: u64,
}

impl Scene<'_> {
    pub(super) fn is_parted(&self, a: u32, b: u32) -> bool {
        self.parted && (a ^ b) & 1 == 1
    }
}

/// What a viewer has at hand while something happens to it.
pub(super) struct Desk<'a> {
    pub(super) now: Micros,
    pub(super) scene: &'a Scene<'a>,
    end: Micros,
    shard: u32,
    shards: u32,
    soon: &'a mut BinaryHeap<Letter>,
    post: &'a mut Post,
    out: &'a mut Vec<Letter>,
    hall: &'a mut Vec<Letter>,
    scratch: &'a mut Vec<u8>,
}

impl Desk<'_> {
    /// A message of this head and as many bytes as nobody will look at.
    pub(super) fn message(&mut self, head: &[u8], payload: u32) -> &[u8] {
        let end = head.len() + payload as usize;
        if self.scratch.len() < end {
            self.scratch.resize(end, 0);
        }
        self.scratch[..head.len()].copy_from_slice(head);
        &self.scratch[..end]
    }

    /// Something will happen to the viewer itself.
    pub(super) fn plan(&mut self, me: u32, seq: u32, after: Micros, what: What) {
        let letter = Letter { at: self.now + after, to: me, from: me, seq, what };
        if letter.at < self.end {
            self.soon.push(letter);
        } else {
            self.post.put(self.scene.window_us, letter);
        }
    }

    /// Something will happen to another viewer, in a later window.
    pub(super) fn post(&mut self, me: u32, seq: u32, to: u32, after: Micros, what: What) {
        let letter = Letter { at: (self.now + after).max(self.end), to, from: me, seq, what };
        if to % self.shards == self.shard {
            self.post.put(self.scene.window_us, letter);
        } else {
            self.out.push(letter);
        }
    }

    pub(super) fn tell_edge(&mut self, me: u32, seq: u32, what: What) {
        let at = (self.now + super::hall::WAY_US).max(self.end);
        self.hall.push(Letter { at, to: super::post::EDGE, from: me, seq, what });
    }
}

/// Some of the viewers.
pub(super) struct Shard {
    number: u32,
    shards: u32,
    pub(super) viewers: Vec<Option<Box<Viewer>>>,
    pub(super) post: Post,
    /// Letters to viewers of other shards, and to the edge.
    pub(super) out: Vec<Letter>,
    pub(super) hall: Vec<Letter>,
    soon: BinaryHeap<Letter>,
    scratch: Vec<u8>,
}

impl Shard {
    pub(super) fn new(number: u32, shards: u32, people: usize) -> Self {
        let mine = (people as u32).saturating_sub(number).div_ceil(shards) as usize;
        let mut viewers = Vec::new();
        viewers.resize_with(mine, || None);
        Self {
            number,
            shards,
            viewers,
            post: Post::default(),
            out: Vec::new(),
            hall: Vec::new(),
            soon: BinaryHeap::new(),
            scratch: Vec::new(),
        }
    }

    /// Performs all that happens in a window.
    pub(super) fn run(&mut self, window: u64, scene: &Scene<'_>) {
        let mut due = self.post.take(window);
        let mut letters = due.drain(..).peekable();
        while let Some(first) = letters.next() {
            let to = first.to;
            self.soon.push(first);
            while let Some(letter) = letters.next_if(|l| l.to == to) {
                self.soon.push(letter);
            }
            self.serve(to, window, scene);
        }
        drop(letters);
        self.post.give_back(due);
    }

    /// All that happens to one viewer in a window.
    fn serve(&mut self, to: u32, window: u64, scene: &Scene<'_>) {
        let at = (to / self.shards) as usize;
        let Some(mut viewer) = self.viewers.get_mut(at).map(Option::take) else { return self.soon.clear() };
        while let Some(letter) = self.soon.pop() {
            let mut desk = self.desk(letter.at, window, scene);
            match &mut viewer {
                Some(v) if !v.gone => v.happen(&mut desk, letter.what),
                None if matches!(letter.what, What::Arrive) => {
                    let mut v = Box::new(Viewer::new(to, &desk));
                    v.begin(&mut desk);
                    viewer = Some(v);
                }
                _ => {}
            }
        }
        if let Some(place) = self.viewers.get_mut(at) {
            *place = viewer;
        }
    }

    fn desk<'a>(&'a mut self, now: Micros, window: u64, scene: &'a Scene<'a>) -> Desk<'a> {
        Desk {
            now,
            scene,
            end: (window + 1) * scene.window_us,
            shard: self.number,
            shards: self.shards,
            soon: &mut self.soon,
            post: &mut self.post,
            out: &mut self.out,
            hall: &mut self.hall,
            scratch: &mut self.scratch,
        }
    }

    /// Brings every player up to date and lets the oracle look.
    pub(super) fn look(&mut self, now: Micros, scene: &Scene<'_>) {
        for at in 0..self.viewers.len() {
            let Some(mut viewer) = self.viewers.get_mut(at).and_then(Option::take) else { continue };
            if !viewer.gone {
                viewer.screen.advance(now);
                viewer.inspect(&self.desk(now, now / scene.window_us, scene));
            }
            if let Some(place) = self.viewers.get_mut(at) {
                *place = Some(viewer);
            }
        }
    }
}
