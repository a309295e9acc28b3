//! What the ledger holds of a payment channel.

use carecord_chaincode::json_object;

use super::State;
use crate::{
    ids::{Commitment, Id, MspId, word},
    token::{Amount, Currency},
    vocabulary::vocabulary,
};

word! {
    /// The name of a channel: the id of the transaction that opened it.
    ChannelId, "^[0-9a-f]{64}$", "a transaction id as 64 lower-case hex digits",
    |t| t.len() == 64 && t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

vocabulary! {
    /// Which way money goes.
    Mode {
        /// From payer to payee only, ever more; the payer alone signs.
        Uni = "uni",
        /// Both ways; both deposit, both sign.
        Bi = "bi",
    }
}

vocabulary! {
    /// One of the two ends of a channel.
    Side {
        /// Who pays: the patient.
        Payer = "payer",
        /// Who is paid: the practitioner.
        Payee = "payee",
    }
}

vocabulary! {
    /// How far a channel has come; the last four are final.
    Status {
        /// The payer's deposit is in, the payee's is not.
        Proposed = "proposed",
        /// States are exchanged.
        Open = "open",
        /// The payee has said what it costs.
        Invoiced = "invoiced",
        /// One side closes alone; the other may object.
        Closing = "closing",
        /// Settled.
        Closed = "closed",
        /// Settled against a closer who kept a newer state back.
        Penalised = "penalised",
        /// Settled because its time was over.
        Expired = "expired",
        /// Never accepted.
        Cancelled = "cancelled",
    }
}

json_object! {
    /// A channel as its payer opens it.
    pub struct NewChannel {
        /// Who is to be paid.
        pub payee: Id,
        /// Which way money goes.
        pub mode: Mode,
        /// In which currency.
        pub currency: Currency,
        /// The price of a begun minute.
        pub rate: Amount,
        /// What the payer puts in.
        pub deposit_payer: Amount,
        /// What the payee is to put in; zero in mode `uni`.
        pub deposit_payee: Amount,
        /// Hundredths of a percent of a cheating closer's balance that go to the other side; 10,000 if absent.
        pub penalty_bps: Option<u32>,
        /// How long a close waits for objections; two hours if absent.
        pub window_seconds: Option<i64>,
        /// How many blocks it waits besides; see [`super::WINDOW_BLOCKS_MIN`].
        pub window_blocks: Option<u32>,
        /// When it ends, seconds since 1970.
        pub expires: i64,
        /// The appointment that it pays for.
        pub appointment: Option<Id>,
    }
}

json_object! {
    /// What a visit costs: the document is between the two sides, the ledger keeps its commitment and its sums.
    pub struct Invoice {
        /// A salted commitment to the invoice.
        pub hash: Commitment,
        /// Seconds of the visit.
        pub meter_seconds: u64,
        /// What is charged besides the time.
        pub extras: Amount,
        /// The price of the begun minutes and the extras.
        pub total: Amount,
    }
}

json_object! {
    /// A close that waits for objections.
    pub struct Closing {
        /// Who closes.
        pub closer: Side,
        /// At which division.
        pub state: State,
        /// Until when the other side may object at least, seconds since 1970.
        pub dispute_until: i64,
        /// Whether the closer has signed the next number too and never got it back.
        pub pending: bool,
        /// Whether the channel's time was over.
        pub expired: bool,
    }
}

json_object! {
    /// A payment channel.
    pub struct Channel {
        /// Its name.
        pub id: ChannelId,
        /// Who pays.
        pub payer: Id,
        /// Who is paid.
        pub payee: Id,
        /// The payer's home organisation.
        pub payer_home: MspId,
        /// The payee's home organisation.
        pub payee_home: MspId,
        /// The point of the payer's P-256 key, base64.
        pub payer_key: String,
        /// The point of the payee's, likewise.
        pub payee_key: String,
        /// Which way money goes.
        pub mode: Mode,
        /// In which currency.
        pub currency: Currency,
        /// The price of a begun minute.
        pub rate: Amount,
        /// What the payer put in, top-ups included.
        pub deposit_payer: Amount,
        /// What the payee put in, likewise.
        pub deposit_payee: Amount,
        /// How often it was topped up.
        pub funding: u64,
        /// The division that holds without signatures.
        pub base: State,
        /// See [`NewChannel::penalty_bps`].
        pub penalty_bps: u32,
        /// See [`NewChannel::window_seconds`].
        pub window_seconds: i64,
        /// See [`NewChannel::window_blocks`].
        pub window_blocks: u32,
        /// When it was opened, seconds since 1970.
        pub opened: i64,
        /// When it ends, seconds since 1970.
        pub expires: i64,
        /// The appointment that it pays for.
        pub appointment: Option<Id>,
        /// How far it has come.
        pub status: Status,
        /// The invoice, if there is one.
        pub invoice: Option<Invoice>,
        /// The close that waits, or waited.
        pub closing: Option<Closing>,
        /// Who may object for the payer.
        pub tower_payer: Option<Id>,
        /// Who may object for the payee.
        pub tower_payee: Option<Id>,
        /// What the payer got out of it.
        pub paid_payer: Option<Amount>,
        /// What the payee got out of it.
        pub paid_payee: Option<Amount>,
    }
}

json_object! {
    /// How many blocks a waiting close has counted.
    pub struct Beats {
        /// So many transactions, each in a block of its own.
        pub count: u32,
    }
}
