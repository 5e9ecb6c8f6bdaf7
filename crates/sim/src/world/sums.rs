//! What stories ask of a world as a whole.

use super::World;
use crate::origin::LANES;
use crate::viewer::Report;
use crate::world::Setup;

impl World {
    /// A world that ran for so many milliseconds.
    pub fn after(setup: Setup, ms: u64) -> Self {
        let mut world = Self::new(setup);
        world.run_ms(ms);
        world
    }

    /// Mean origin copies per segment of all lanes, from `first` to what everybody has asked for.
    pub fn mean_copies(&self, first: u64) -> f64 {
        let segments =
            || (first..self.newest()).flat_map(|msn| (0..LANES.len()).map(move |lane| (lane, msn)));
        segments().map(|(lane, msn)| self.copies(lane, msn)).sum::<f64>() / segments().count() as f64
    }

    /// Media bytes that all viewers took from each other.
    pub fn from_peers(&self) -> u64 {
        self.reports().iter().map(|r: &Report| r.from_peers).sum()
    }
}
