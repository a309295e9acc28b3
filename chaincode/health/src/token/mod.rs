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
mod functions;
mod hold;
mod keys;
mod motion;
pub(crate) mod receipt;
mod statement;

use carecord_chaincode::{Context, Contract, ContractError, Function, codes};

use crate::{
    error::*, events::TOKEN_CHANGED, keys::decode, model::Subject, vocabulary::vocabulary,
};

pub(crate) use account::{Account, Purpose};
pub use account::{FOLD_MAX, WAITING_MAX};
pub use amount::Amount;
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

const ADMIN: &[&str] = &["hospital-admin"];
const HOLDERS: &[&str] = &["patient", "practitioner", "insurer", "researcher", "storage-provider"];
const VIEWERS: &[&str] =
    &["patient", "practitioner", "insurer", "researcher", "auditor", "storage-provider"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("token", "money on the ledger, and receipts of money outside");
    receipts(reading(holding(burning(moving(issuing(contract))))))
}

fn issuing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Init",
                "fixes the rules of the token, once two organisations have called it alike",
                &["settings"],
                motion::init,
            )
            .roles(ADMIN)
            .errors(&[ORG, TAKEN, STATE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::submit(
                "Mint",
                "issues money to a person, once two organisations have called it alike",
                &["mint"],
                motion::mint,
            )
            .roles(ADMIN)
            .errors(&[ORG, ABSENT, TAKEN, STATE, LIMIT, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::submit(
                "Burn",
                "destroys the caller's money",
                &["currency", "amount"],
                functions::burn,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, FUNDS, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
}

fn moving(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Transfer",
                "gives the caller's money to somebody",
                &["to", "currency", "amount"],
                functions::transfer,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, FUNDS, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::submit(
                "Approve",
                "lets somebody take up to an amount of the caller's money",
                &["allowance"],
                functions::approve,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, STATE, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::submit(
                "TransferFrom",
                "gives money of somebody who allowed it to the caller",
                &["transfer"],
                functions::transfer_from,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, FUNDS, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::submit(
                "Compact",
                "folds waiting credits of the caller into the settled balance",
                &["fold"],
                functions::compact,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, ABSENT, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
}

fn burning(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "CompactBurnt",
                "folds what was destroyed, so that the supply is quickly told",
                &["fold"],
                functions::compact_burnt,
            )
            .roles(ADMIN)
            .errors(&[ORG, ABSENT, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::evaluate(
                "Burnt",
                "lists what was destroyed and is not folded yet",
                &["currency", "limit"],
                functions::burnt,
            )
            .errors(&[codes::VALUE]),
        )
}

fn holding(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Hold",
                "sets the caller's money apart for somebody",
                &["hold"],
                hold::hold,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, TAKEN, FUNDS, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::submit(
                "ReleaseHold",
                "pays out what was set apart, or gives it back",
                &["holdId", "release"],
                hold::release,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[TOKEN_CHANGED]),
        )
}

fn reading(contract: Contract) -> Contract {
    contract
        .function(
            Function::evaluate(
                "BalanceOf",
                "answers what lies in an account, to its owner or an auditor of their organisation",
                &["subjectId", "currency"],
                functions::balance_of,
            )
            .roles(VIEWERS)
            .errors(&[PERSON, ABSENT, LIMIT, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "TotalSupply",
                "answers how much of a currency there is",
                &["currency"],
                functions::total_supply,
            )
            .errors(&[LIMIT, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "Settings",
                "answers the rules of the token and the id of the network",
                &[],
                motion::settings,
            )
            .errors(&[STATE]),
        )
        .function(
            Function::evaluate(
                "Incoming",
                "lists credits of the caller that are not folded yet",
                &["currency", "limit"],
                functions::incoming,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "Statement",
                "lists the movements on the caller's account, oldest first by the signers' clocks",
                &["currency", "after", "limit"],
                statement::statement,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, codes::VALUE]),
        )
}

fn receipts(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "RecordReceipt",
                "records that fiat money was paid, signed by payer and payee",
                &["receipt"],
                receipt::record,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, PROOF, codes::VALUE])
            .events(&[TOKEN_CHANGED]),
        )
        .function(
            Function::evaluate(
                "Receipt",
                "answers a receipt to its payer or payee",
                &["receiptId"],
                receipt::get,
            )
            .roles(HOLDERS)
            .errors(&[PERSON, ABSENT]),
        )
}
