//! The lists of a recording: verified only when the player is near them.

use meshedflow_manifest::SegmentEntry;

use crate::input::LaneNo;
use crate::mesh::Mesh;

/// Lists of a recording are verified this many segments ahead of the player's request.
const INDEX_AHEAD: u64 = 4;

impl Mesh {
    /// The lists of a recording around the player's place come to be read.
    pub(crate) fn take_from_index(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(&no) else { return };
        let Some(at) = lane.last_requested else { return };
        let unlisted = |msn: &u64| lane.segments.get(msn).is_none_or(|s| s.list.is_none());
        let near = lane.index.range(at.saturating_sub(1)..=at + INDEX_AHEAD).filter(|(msn, _)| unlisted(msn));
        let entries: Vec<SegmentEntry> = near.map(|(_, e)| e.clone()).collect();
        entries.iter().for_each(|entry| self.take_entry(no, entry));
        self.read_list(no);
    }
}
