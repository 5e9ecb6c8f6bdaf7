//! Whether anything is shared now, and if not, why: told to the page when it changes, and with the statistics.
//!
//! The page's own word (consent, policy, limits) comes first. Then the lanes that are played: one that can share is
//! enough; where none can, the cause is that of the main one. A lane that nothing is known against yet counts as well.

use crate::input::{LaneKind, LaneNo};
use crate::mesh::Mesh;
use crate::output::{Event, Output, Reason};

impl Mesh {
    /// The name of a [`Reason`], or the code of the warning that tells the cause; `None`: something can be shared.
    pub(crate) fn why_unshared(&self) -> Option<&'static str> {
        if let Err(reason) = self.may_mesh() {
            return Some(reason.name());
        }
        // Of what has no name on other machines (a playlist in a blob, say) there is no lane at all.
        let (mut cause, mut of_main) = (Some(Reason::HttpOnly.name()), false);
        for lane in self.lanes.values() {
            if !lane.is_media() || lane.left {
                continue;
            }
            let why = lane.trouble.or_else(|| Some(self.lane_refusal(lane)?.name()));
            if why.is_none() && lane.proven {
                return None;
            }
            if !of_main {
                (cause, of_main) = (why, lane.info.kind == LaneKind::Main);
            }
        }
        cause
    }

    /// Sharing goes on or off as consent, policy, kill switch, keys and lists say; told to the page when it changes.
    pub(crate) fn review_sharing(&mut self) {
        let cause = self.why_unshared();
        if self.sharing != Some(cause) {
            self.sharing = Some(cause);
            let reason = cause.unwrap_or_else(|| Reason::Policy.name());
            self.push(Output::Event(Event::Sharing { on: cause.is_none(), reason }));
        }
        let (was_allowed, allowed) = (self.allowed, self.may_mesh());
        self.allowed = allowed.is_ok();
        if let Err(reason) = allowed
            && was_allowed
        {
            self.go_silent(reason);
        }
    }

    /// A warning about a lane in which nothing can be shared until one of its lists counts. What is wrong with a document
    /// is no trouble where lists count all the same.
    pub(crate) fn tell_trouble(&mut self, no: LaneNo, code: &'static str, text: String) {
        if self.lanes.get(&no).is_some_and(|lane| !lane.proven || lane.refused.is_some()) {
            self.note_trouble(no, code);
        }
        self.warn(code, text);
    }

    pub(crate) fn note_trouble(&mut self, no: LaneNo, code: &'static str) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.trouble = Some(code);
        }
    }
}
