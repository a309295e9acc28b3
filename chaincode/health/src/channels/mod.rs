//! Contract `channels`: a visit is paid by the minute, off the ledger, out of deposits on it.
//!
//! Two transactions per visit: one opens the channel with its deposits, one closes it. In between the two sides sign
//! states to each other ([`state`]); the ledger is asked again only if they disagree, and then the newest state that
//! both signed counts, and who kept one back pays for it ([`machine`]).

mod close;
mod dispute;
mod keys;
mod ledger;
pub mod machine;
mod model;
mod open;
pub mod state;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::CHANNEL_CHANGED};

pub use close::Close;
pub(crate) use ledger::find;
pub use model::{Beats, Channel, ChannelId, Closing, Invoice, Mode, NewChannel, Side, Status};
pub(crate) use open::open_for;
pub use open::{
    LIFE_SECONDS_MAX, WINDOW_BLOCKS_MAX, WINDOW_BLOCKS_MIN, WINDOW_SECONDS_MAX, WINDOW_SECONDS_MIN,
};
pub use state::{SignedState, State, channel_key, final_statement, update_statement};

const PAYERS: &[&str] = &["patient", "insurer"];
const PAYEES: &[&str] = &["practitioner"];
const SIDES: &[&str] = &["patient", "insurer", "practitioner"];
const WATCHERS: &[&str] = &["patient", "practitioner", "insurer", "researcher"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("channels", "deposits out of which visits are paid by the minute");
    reading(disputing(closing(invoicing(opening(contract)))))
}

fn opening(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Open",
                "opens a channel to a practitioner and puts the caller's deposit in",
                &["channel"],
                open::open,
            )
            .roles(PAYERS)
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, STATE, FUNDS, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "Accept",
                "puts the payee's deposit into a proposed channel",
                &["channelId"],
                open::accept,
            )
            .roles(PAYEES)
            .errors(&[PERSON, ABSENT, STATE, FUNDS])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "Cancel",
                "takes back a channel that nobody accepted",
                &["channelId"],
                open::cancel,
            )
            .roles(PAYERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "TopUp",
                "puts more into a channel, from a division that both signed",
                &["channelId", "amount", "base"],
                open::top_up,
            )
            .roles(SIDES)
            .errors(&[PERSON, ABSENT, STATE, FUNDS, PROOF, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "Delegate",
                "lets somebody object for the caller",
                &["channelId", "tower"],
                open::delegate,
            )
            .roles(SIDES)
            .errors(&[PERSON, ABSENT, STATE, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
}

fn invoicing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Invoice",
                "says what the visit costs",
                &["channelId", "invoice"],
                close::invoice,
            )
            .roles(PAYEES)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, FUNDS, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "PayInvoice",
                "pays the invoice out of the deposit and ends the channel",
                &["channelId", "hash"],
                close::pay_invoice,
            )
            .roles(PAYERS)
            .errors(&[PERSON, ABSENT, STATE, PROOF])
            .events(&[CHANNEL_CHANGED]),
        )
}

fn closing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "CloseCooperative",
                "ends the channel at a state that both signed as the final one",
                &["channelId", "state"],
                close::cooperative,
            )
            .roles(SIDES)
            .errors(&[PERSON, ABSENT, STATE, PROOF, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "CloseUnilateral",
                "begins to end the channel without the other side",
                &["channelId", "close"],
                close::unilateral,
            )
            .roles(SIDES)
            .errors(&[PERSON, ABSENT, STATE, PROOF, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "Expire",
                "begins to end a channel whose time is over",
                &["channelId"],
                close::expire,
            )
            .roles(SIDES)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CHANNEL_CHANGED]),
        )
}

fn disputing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Challenge",
                "shows a state that the closer kept back",
                &["channelId", "state"],
                close::challenge,
            )
            .roles(WATCHERS)
            .errors(&[PERSON, ABSENT, STATE, PROOF, codes::VALUE])
            .events(&[CHANNEL_CHANGED]),
        )
        .function(
            Function::submit(
                "Witness",
                "counts one block of the window",
                &["channelId"],
                close::witness,
            )
            .roles(WATCHERS)
            .errors(&[PERSON, ABSENT, STATE]),
        )
        .function(
            Function::submit(
                "Finalize",
                "ends the channel when the window is over",
                &["channelId"],
                close::finalize,
            )
            .roles(WATCHERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CHANNEL_CHANGED]),
        )
}

fn reading(contract: Contract) -> Contract {
    contract
        .function(
            Function::evaluate(
                "Get",
                "answers a channel to its sides and their watchtowers",
                &["channelId"],
                close::get,
            )
            .roles(WATCHERS)
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "Beats",
                "answers how many blocks of the window are counted",
                &["channelId"],
                close::get_beats,
            )
            .roles(WATCHERS)
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "ListMine",
                "lists the channels of which the caller is a side or a watchtower",
                &["after", "limit"],
                close::list_mine,
            )
            .roles(WATCHERS)
            .errors(&[PERSON, codes::VALUE]),
        )
}
