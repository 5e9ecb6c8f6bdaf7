//! Stories of a room.
