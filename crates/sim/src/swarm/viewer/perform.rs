//! What the core asks of its page.

use meshedflow_core::{Event, Expect, LoadId, Loaded, Output, Source};

use super::Viewer;
use crate::swarm::post::What;
use crate::swarm::shard::Desk;

/// Requests to neighbours that the core may have under way: in all, and at one neighbour.
const IN_FLIGHT: (usize, usize) = (24, 3);

impl Viewer {
    pub(super) fn perform(&mut self, desk: &mut Desk<'_>, output: Output) {
        match output {
            Output::Get(get) => self.get(desk, get),
            Output::AbortGet(http) => {
                self.driver.gets.remove(&http);
            }
            Output::NewBlob(blob, _) => {
                self.driver.blobs.insert(blob, Default::default());
            }
            Output::FreeBlob(blob) => {
                self.driver.blobs.remove(&blob);
            }
            Output::Expect(expect) => self.expect(desk, expect),
            Output::Forget(grant) => self.driver.forget(grant),
            Output::Loaded(loaded) => self.loaded(desk, &loaded),
            Output::LoadFailed { load, .. } => self.load_failed(desk, load),
            Output::Due { load, at, .. } => {
                let at = at.map(|at| self.at_clock(at));
                if let Some(open) = self.loads.get_mut(&load.0) {
                    open.due = at;
                }
            }
            Output::Connect(_) => self.tell_edge(desk, What::Dial),
            Output::Say(text) => {
                self.fate.signaling += text.len() as u64;
                self.fate.lane_changes += u32::from(text.starts_with(r#"{"lanes""#));
                self.tell_edge(desk, What::Text(text.into()));
            }
            Output::Disconnect => self.tell_edge(desk, What::Hangup),
            Output::Peer(conn, command) => self.peer(desk, conn, command),
            Output::Event(Event::Warn { code: "peer-closed", .. }) => self.fate.accuses = true,
            Output::Event(_) | Output::Progress { .. } => {}
        }
    }

    fn expect(&mut self, desk: &mut Desk<'_>, expect: Expect) {
        let from_peer = matches!(expect.from, Source::Peer(..));
        self.driver.expect(&desk.scene.source, expect, &mut self.told);
        if !from_peer {
            return;
        }
        let (all, most) = self.driver.in_flight();
        if all > IN_FLIGHT.0 || most > IN_FLIGHT.1 {
            self.fault(desk, &format!("{all} requests under way, {most} at one neighbour"));
        }
    }

    fn loaded(&mut self, desk: &mut Desk<'_>, loaded: &Loaded) {
        let id = loaded.load.0;
        let Some(open) = self.loads.get(&id).copied() else {
            return self.fault(desk, &format!("load {id} ended twice, or after its abort"));
        };
        let size = desk.scene.source.lanes[open.lane].size;
        if !self.driver.is_whole(&loaded.parts, open.lane as u8, open.msn, size) {
            self.fate.corrupt += 1;
            self.fault(desk, &format!("segment {} of lane {} is not the origin's", open.msn, open.lane));
        }
        *self.fate.reasons.entry(loaded.reason.name()).or_default() += 1;
        self.delivered(desk, id, loaded.from_peers, loaded.from_http);
    }

    pub(super) fn delivered(&mut self, desk: &mut Desk<'_>, id: u32, from_peers: u32, from_http: u32) {
        let Some(open) = self.loads.remove(&id) else { return };
        self.fate.delivered += 1;
        self.fate.from_peers += u64::from(from_peers);
        self.fate.from_http += u64::from(from_http);
        self.got.push((open.lane as u8, open.msn as u32));
        if self.screen.loading[open.track] == Some(id) {
            self.screen.deliver(desk.now, open.track, open.msn);
        }
        self.look_soon(desk);
    }

    pub(super) fn load_failed(&mut self, desk: &mut Desk<'_>, load: LoadId) {
        let Some(open) = self.loads.remove(&load.0) else {
            return self.fault(desk, &format!("load {} failed after its end", load.0));
        };
        self.fate.failed += 1;
        if self.screen.loading[open.track] == Some(load.0) {
            self.screen.failed(desk.now, open.track);
        }
        self.look_soon(desk);
    }

    /// The player goes on with its next task, in one of its own.
    fn look_soon(&mut self, desk: &mut Desk<'_>) {
        let at = desk.now + 1;
        if self.look_planned.is_none_or(|planned| at < planned) {
            self.look_planned = Some(at);
            self.plan(desk, 1, What::Look);
        }
    }
}
