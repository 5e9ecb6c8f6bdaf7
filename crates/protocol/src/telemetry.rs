//! What a viewer reports: counters only, no addresses, no user ids.
