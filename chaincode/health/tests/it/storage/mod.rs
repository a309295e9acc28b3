//! Providers, quotas, placement, challenges and payment.

mod challenges;
mod fleet;
mod objects;
mod placement;
