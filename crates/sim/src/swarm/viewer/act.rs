//! The player asks for segments, and its user does things.

use meshedflow_core::{Input, LaneNo, LoadId, LoadKind, LoadRequest, PlayerInput};

use super::{Open, Viewer};
use crate::plan::Act;
use crate::swarm::post::What;
use crate::swarm::shard::Desk;

impl Viewer {
    pub(super) fn on_look(&mut self, desk: &mut Desk<'_>) {
        if self.look_planned.is_some_and(|at| at <= desk.now) {
            self.look_planned = None;
        }
        self.look(desk);
    }

    /// Polls, asks for what is wanted, and plans the next look.
    pub(super) fn look(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now;
        // The playlist is a GET of its own.
        self.screen.poll(now, desk.scene.source.newest(now.saturating_sub(desk.scene.source.ttfb_us)));
        for track in 0..2 {
            if let Some(msn) = self.screen.wants(now, track) {
                self.ask(desk, track, msn);
            }
        }
        let Some(at) = self.screen.look_at(now) else { return };
        if self.look_planned.is_none_or(|planned| at < planned) {
            self.look_planned = Some(at);
            self.plan(desk, at - now, What::Look);
        }
    }

    /// The rendition that a track plays now.
    fn lane_of(&self, desk: &Desk<'_>, track: usize) -> usize {
        let rungs = desk.scene.plan.stream.rungs_bps.len().max(1);
        if track == 0 { self.screen.rung.min(rungs - 1) } else { rungs }
    }

    fn ask(&mut self, desk: &mut Desk<'_>, track: usize, msn: u64) {
        let lane = self.lane_of(desk, track);
        self.next_load += 1;
        let id = self.next_load;
        self.screen.loading[track] = Some(id);
        self.loads.insert(id, Open { track, lane, msn, asked: desk.now, due: None });
        let source = &desk.scene.source;
        if self.mesh.is_none() {
            return self.get_plainly(desk, id, lane, msn);
        }
        let request = LoadRequest {
            load: LoadId(id),
            lane: LaneNo(lane as u16),
            url: source.url(lane, msn),
            name: format!("seg_{msn}.m4s"),
            kind: LoadKind::Media,
            msn,
            discontinuity: 0,
            duration_ms: (source.target_us / 1_000) as u32,
            range: None,
            init: None,
            bitrate_bps: source.lanes[lane].bps,
            next_bps: 0,
            http_only: false,
            live: source.live,
            own_setup: desk.scene.plan.people[self.index as usize].own_setup,
        };
        self.feed(desk, Input::Load(request));
    }

    pub(super) fn act(&mut self, desk: &mut Desk<'_>, i: u32) {
        let act = desk.scene.plan.people[self.index as usize].acts.get(i as usize).map(|(_, act)| *act);
        match act {
            Some(Act::Vanish) => self.vanish(desk),
            Some(Act::Quit) => self.quit(desk),
            Some(Act::Pause) => self.screen.pause(true),
            Some(Act::Resume) => self.screen.pause(false),
            Some(Act::Seek(by)) => {
                let astray = self.screen.seek(by);
                self.abort_loads(desk, astray);
            }
            Some(Act::SeekLive) => {
                let astray = self.screen.seek_live();
                self.abort_loads(desk, astray);
            }
            Some(Act::Rung(rung)) => self.screen.rung = rung,
            Some(Act::Hide) => self.feed(desk, Input::Player(PlayerInput::Hidden(true))),
            Some(Act::Show) => self.feed(desk, Input::Player(PlayerInput::Hidden(false))),
            Some(Act::Line(link)) => self.link = link,
            None => {}
        }
        if !self.gone {
            self.look(desk);
        }
    }

    /// Loads that are of no use after a seek are aborted.
    fn abort_loads(&mut self, desk: &mut Desk<'_>, astray: bool) {
        if !astray {
            return;
        }
        for id in core::mem::take(&mut self.loads).into_keys() {
            if self.mesh.is_none() {
                self.driver.gets.retain(|_, get| get.load != Some(id));
            }
            self.feed(desk, Input::LoadAborted(LoadId(id)));
        }
    }

    /// The tab is gone without a word.
    fn vanish(&mut self, desk: &mut Desk<'_>) {
        self.last_words();
        for conn in core::mem::take(&mut self.conns).into_values() {
            if let Some((other, theirs)) = conn.other {
                self.post(desk, other, 200_000, What::Closed { conn: theirs });
            }
        }
        self.tell_edge(desk, What::Hangup);
        self.leave();
    }

    /// The page ends as pages do. Nothing may be due in the core afterwards.
    fn quit(&mut self, desk: &mut Desk<'_>) {
        self.feed(desk, Input::Shutdown);
        if let Some(wake) = self.mesh.as_mut().and_then(|m| m.poll_timeout()) {
            let what = format!("after the shutdown something is due: {}", wake.reason);
            self.fault(desk, &what);
        }
        self.vanish(desk);
    }

    fn leave(&mut self) {
        self.gone = true;
        self.mesh = None;
        self.loads.clear();
        self.driver = Default::default();
        self.wake_at = None;
    }
}
