//! What no connection's task does: weights of rooms, and the end of parked identities.

use std::sync::{Arc, Weak};
use std::time::Duration;

use meshedflow_hub::RoomOutput;

use crate::edge::Edge;
use crate::rooms::SharedRoom;
use crate::seats::lock;

const EVERY: Duration = Duration::from_millis(500);

/// Ticks until the edge is dropped.
pub(crate) fn start(edge: &Arc<Edge>) {
    tokio::spawn(tick(Arc::downgrade(edge)));
}

async fn tick(edge: Weak<Edge>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(edge) = edge.upgrade() else { return };
        edge.forget_expired();
        for room in edge.rooms.all() {
            for output in due(&room, edge.clock.now_ms()) {
                edge.tell_many(output).await;
            }
        }
    }
}

/// What a room asks for at this time; its lock is held no longer than that.
fn due(room: &SharedRoom, now_ms: u64) -> Vec<RoomOutput> {
    let mut room = lock(room);
    if room.poll_timeout().is_none_or(|wakeup| wakeup.at_ms > now_ms) {
        return Vec::new();
    }
    room.handle_timeout(now_ms);
    core::iter::from_fn(|| room.poll_output()).collect()
}
