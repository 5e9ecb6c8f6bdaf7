//! The arithmetic of decisions, free of state: tickets and ranks, deadlines and forecasts.

pub mod deadline;
pub mod election;
