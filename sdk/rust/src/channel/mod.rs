//! A payment channel off the ledger: what the two sides sign to each other, and what watches over it.
//!
//! ```text
//! ledger: Open ─▶ Payer ── Offer ──▶ Payee   every minute, or every ten seconds
//!                       ◀── Answer ──
//!                 Payer ── Ending ─▶ Payee   at the end, and one of them closes on the ledger
//! ```
//!
//! Only the payer offers states, so no number is ever offered twice. Whatever one side signs is on its disk before it
//! is sent ([`Memory`]): who forgets a state that they signed may close with an older one and lose everything. The
//! messages are data; how they travel is the caller's matter.

mod memory;
mod meter;
mod payee;
mod payer;
#[cfg(test)]
mod tests;
mod watchtower;

use std::path::PathBuf;

use carecord_health::channels::{Channel, SignedState};
use carecord_health::token::Amount;

pub use memory::Memory;
pub use meter::Meter;
pub use payee::Payee;
pub use payer::Payer;
pub use watchtower::{Objection, Watchtower, objection};

/// What the payer sends.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Offer {
    /// The next state.
    State(SignedState),
    /// The state at which the channel ends.
    Ending(SignedState),
    /// The base of the next funding, for a top-up by the payer of this amount.
    Base {
        /// What the payer will put in.
        amount: Amount,
        /// The division from then on.
        base: SignedState,
    },
}

/// What the payee sends back: the same state with their signature. In one-way channels an ordinary state needs none.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Answer {
    /// To [`Offer::State`].
    State(SignedState),
    /// To [`Offer::Ending`].
    Ending(SignedState),
    /// To [`Offer::Base`].
    Base(SignedState),
}

/// Why a side did not sign or take something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was kept cannot be read or written; nothing more may be signed.
    #[error("{path}: what a channel keeps cannot be read or written: {cause}", path = .path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// An answer is outstanding, the end is agreed, or a top-up is under way.
    #[error("nothing new is signed now: {0}")]
    Waiting(&'static str),
    /// The deposit does not cover it.
    #[error("the deposit does not cover the amount; top the channel up")]
    Deposit,
    /// The other side offers something else than was agreed.
    #[error("the other side's state is refused: {0}")]
    Terms(&'static str),
    /// A signature of the other side does not hold.
    #[error("the other side's state is refused: {0}")]
    Proof(String),
    /// The own key could not sign.
    #[error("cannot sign: {0}")]
    Sign(#[from] carecord_msp::Error),
}

/// The deposits of a channel that the ledger holds: they never overflow there.
fn deposits(channel: &Channel) -> Result<Amount, Error> {
    channel.deposits().ok_or(Error::Terms("deposits above 128 bits"))
}
