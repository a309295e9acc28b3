//! The declaration of contract `token`.

use carecord_chaincode::{Contract, Function, codes};

use super::{functions, hold, motion, receipt, statement};
use crate::{error::*, events::TOKEN_CHANGED};

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
