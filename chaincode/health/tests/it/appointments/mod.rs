//! Slots, requests, batches, picks and visits, as their callers meet them.

mod batches;
mod claims;
mod clinic;
mod refusals;
mod visits;
