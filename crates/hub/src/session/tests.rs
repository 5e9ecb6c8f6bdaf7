//! Stories of a session.
