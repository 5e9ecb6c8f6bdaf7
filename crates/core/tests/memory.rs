//! What a core keeps in memory: ten thousand of them fit into one simulation, and one is nothing to a page.

mod stage;

use peak_alloc::PeakAlloc;
use stage::Stage;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes of one core among many.
const LIMIT: usize = 60_000;

/// A live window of 8 segments of 16 fragments, and ten neighbours that hold all of it.
#[test]
fn a_core_with_ten_neighbours_is_small() {
    const CORES: usize = 6;
    let others: Vec<usize> = (1..=10).collect();
    let newest = 30;
    let before = MEMORY.current_usage();
    let cores: Vec<Stage> = (0..CORES)
        .map(|_| {
            let mut stage = Stage::new(0, 16, newest);
            stage.meet(&others);
            for (n, other) in others.iter().enumerate() {
                stage.introduce(n, *other, |_, _| true, newest + 1 - stage::WINDOW..=newest);
            }
            assert_eq!(stage.mesh.stats().peers, 10);
            stage
        })
        .collect();
    let each = (MEMORY.current_usage() - before) / cores.len();
    assert!(each < LIMIT, "a core has {each} bytes, expected less than {LIMIT}");
}
