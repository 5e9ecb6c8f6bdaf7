//! The remote JSON policy.
