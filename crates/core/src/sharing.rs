//! Whether anything is shared now, and if not, why: told to the page when it changes, and with the statistics.
//!
//! The page's own word (consent, policy, limits) comes first. Then the lanes: one that can share is enough; where none
//! can, the cause is that of the lane whose pictures are seen. A lane that nothing is known against yet counts as well.

use crate::input::{LaneKind, LaneNo};
use crate::lane::Lane;
use crate::mesh::Mesh;
use crate::output::{Event, Output, Reason};

impl Mesh {
    /// `Err`: the name of a [`Reason`], or the code of the warning that tells the cause.
    pub(crate) fn may_share_anything(&self) -> Result<(), &'static str> {
        self.may_mesh().map_err(Reason::name)?;
        let lanes = || self.lanes.values().filter(|l| l.is_media() && !l.left);
        if lanes().any(|l| l.proven && self.may_share_in(l).is_ok()) {
            return Ok(());
        }
        let seen = lanes().max_by_key(|l| (l.info.kind == LaneKind::Main, l.last_load));
        // Of what has no name on other machines (a playlist in a blob, say) there is no lane at all.
        self.may_share_in(seen.ok_or(Reason::HttpOnly.name())?)
    }

    fn may_share_in(&self, lane: &Lane) -> Result<(), &'static str> {
        let refused = self.lane_refusal(lane).map(Reason::name);
        let known = lane.trouble.filter(|_| refused.is_some() || !lane.proven);
        known.or(refused).or_else(|| misfit(lane)).map_or(Ok(()), Err)
    }

    /// Sharing goes on or off as consent, policy, kill switch, keys and lists say; told to the page when it changes.
    pub(crate) fn review_sharing(&mut self) {
        let (was_allowed, allowed) = (self.allowed, self.may_mesh());
        self.allowed = allowed.is_ok();
        let state = self.may_share_anything();
        if self.sharing != Some(state) {
            self.sharing = Some(state);
            let reason = state.err().unwrap_or(Reason::Policy.name());
            self.push(Output::Event(Event::Sharing { on: state.is_ok(), reason }));
        }
        if let Err(reason) = allowed
            && was_allowed
        {
            self.go_silent(reason);
        }
    }

    /// A warning about a lane in which nothing can be shared until one of its lists counts.
    pub(crate) fn tell_trouble(&mut self, no: LaneNo, code: &'static str, text: String) {
        self.note_trouble(no, code);
        self.warn(code, text);
    }

    pub(crate) fn note_trouble(&mut self, no: LaneNo, code: &'static str) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.trouble = Some(code);
        }
    }
}

/// What the player asked for last is not what its list is about, and no other list of the lane is of any use either.
fn misfit(lane: &Lane) -> Option<&'static str> {
    let asked = lane.segments.get(&lane.last_requested?)?;
    let useful = || lane.segments.values().any(|s| s.list.is_some() && !s.mismatch);
    (asked.mismatch && !useful()).then_some(Reason::ListMismatch.name())
}
