//! The arithmetic of decisions, free of state: tickets and ranks, lots, claims, deadlines and forecasts.

pub mod deadline;
pub mod election;
pub mod hearsay;
pub mod lottery;
