//! Contract `token`: money on the ledger, in whole minor units, every movement with two sides.
//!
//! | currency | on the ledger | can be given to others |
//! |---|---|---|
//! | `CARE` | yes | yes |
//! | `CREDIT` | yes | no: it is issued, held and burnt |
//! | `USD`, `EUR` | no: receipts only | - |
//!
//! Other contracts move money with [`book::Book`], in the transaction of the act that it pays for. What all accounts
//! hold, escrows and `burnt` included, is at any time what was ever issued.

mod account;
mod amount;
pub(crate) mod book;
mod contract;
mod functions;
mod hold;
mod keys;
mod line;
mod motion;
pub(crate) mod receipt;
mod statement;

use carecord_chaincode::{Context, ContractError, codes};

use crate::{error::NOT_TRANSFERABLE, keys::decode, model::Subject, vocabulary::vocabulary};

pub(crate) use account::{Account, Purpose};
pub use account::{FOLD_MAX, WAITING_MAX};
pub use amount::Amount;
pub(crate) use contract::contract;
pub(crate) use functions::holder;
pub use functions::{Balance, Fold, NewAllowance, TransferFrom, Waiting};
pub use hold::{Hold, NewHold, Release};
pub use motion::{MOTION_SECONDS_MAX, Motion, NewMoney, NewSettings, Settings};
pub use receipt::{NewReceipt, Receipt, statement as receipt_statement};
pub use statement::Entry;

vocabulary! {
    /// Money of one kind.
    Currency {
        /// Can be given to others.
        Care = "CARE",
        /// Belongs to who earned it.
        Credit = "CREDIT",
        /// United States dollars: receipts only.
        UsDollar = "USD",
        /// Euros: receipts only.
        Euro = "EUR",
    }
}

vocabulary! {
    /// Why money moved.
    Movement {
        /// New money.
        Mint = "mint",
        /// Destroyed.
        Burn = "burn",
        /// From one person to another.
        Transfer = "transfer",
        /// Set apart.
        Hold = "hold",
        /// Out of what was set apart, to whom it was meant for.
        Payout = "payout",
        /// Out of what was set apart, back to whose it was.
        Refund = "refund",
    }
}

// === impl Currency ===

impl Currency {
    /// Whether the ledger holds accounts of it, and not only receipts.
    pub fn is_on_ledger(self) -> bool {
        matches!(self, Self::Care | Self::Credit)
    }

    /// Refuses fiat money at this place of the input.
    pub(crate) fn check_on_ledger(self, at: &str) -> Result<(), ContractError> {
        if self.is_on_ledger() {
            return Ok(());
        }
        Err(codes::VALUE.because("the ledger holds no accounts of fiat money").at(at))
    }

    /// Refuses what cannot be given to others.
    pub(crate) fn check_transferable(self) -> Result<(), ContractError> {
        if self == Self::Care {
            return Ok(());
        }
        Err(NOT_TRANSFERABLE.because("only CARE can be given to others"))
    }
}

/// What tells this network from all others: the channel's name and the random bits that `Init` fixed.
pub(crate) fn network(context: &mut Context<'_>) -> Result<String, ContractError> {
    let settings = motion::settings(context)?;
    Ok(network_name(context.channel_id(), &settings.network))
}

/// See [`network`]; the form in which signed statements name it.
pub fn network_name(channel: &str, network: &crate::ids::Id) -> String {
    format!("{channel}/{network}")
}

/// The SubjectPublicKeyInfo of a person's certificate key, once they have signed an encryption key with it.
pub(crate) fn signing_key(who: &Subject) -> Option<Vec<u8>> {
    let registered = who.encryption_key.as_ref().filter(|key| key.signer == who.key_hash)?;
    decode(&registered.signer_key)
}

/// Fields, each preceded by its length as four big-endian bytes.
pub(crate) fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        let length = u32::try_from(field.len()).expect("fields are far below 4 GiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(field);
    }
    out
}
