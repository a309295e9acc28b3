//! What the ledger holds of appointments. Ids, numbers and fixed words; what a visit is about is sealed.

use carecord_chaincode::json_object;

use crate::{
    appointments::{
        matching::{Fairness, Pay, Period, Reach, Score},
        price::Price,
        words::{Language, MatchStatus, Mode, PickReason, RequestStatus, SlotStatus, Specialty},
    },
    channels::{self, ChannelId},
    ids::{Commitment, ContentId, Id, MspId},
    token::Amount,
};

json_object! {
    /// What a practitioner's organisation vouches for.
    pub struct Qualification {
        /// The practitioner.
        pub practitioner: Id,
        /// The specialties.
        pub specialties: Vec<Specialty>,
        /// The organisation.
        pub org: MspId,
        /// Since when, seconds since 1970.
        pub at: i64,
    }
}

json_object! {
    /// How a practitioner works.
    pub struct Profile {
        /// What they speak.
        pub languages: Vec<Language>,
        /// Insurers whose network they are in.
        pub in_network: Vec<MspId>,
        /// Price of a minute, minor units.
        pub rate: u64,
        /// Most minutes of promised visits on one day (UTC).
        pub daily_cap: u32,
    }
}

json_object! {
    /// A slot as its practitioner publishes it.
    pub struct NewSlot {
        /// Chosen by the client.
        pub id: Id,
        /// When it begins, seconds since 1970.
        pub start: i64,
        /// When it ends.
        pub end: i64,
        /// How one meets.
        pub mode: Mode,
    }
}

json_object! {
    /// A practitioner's offer of time.
    pub struct Slot {
        /// Its id.
        pub id: Id,
        /// Whose it is.
        pub practitioner: Id,
        /// Their organisation.
        pub org: MspId,
        /// When it begins, seconds since 1970.
        pub start: i64,
        /// When it ends.
        pub end: i64,
        /// How one meets.
        pub mode: Mode,
        /// The pools in which it is matched.
        pub families: Vec<Specialty>,
        /// Its state.
        pub status: SlotStatus,
    }
}

json_object! {
    /// What a visit is about, for the candidates' eyes only: sealed in a vault, committed here.
    pub struct Condition {
        /// The content id of the ciphertext.
        pub cid: ContentId,
        /// A salted commitment to the plaintext.
        pub commitment: Commitment,
    }
}

json_object! {
    /// A request as the patient makes it.
    pub struct NewRequest {
        /// Chosen by the client.
        pub id: Id,
        /// What it needs.
        pub specialty: Specialty,
        /// 1 most urgent, to 4: the patient's own statement.
        pub urgency: u32,
        /// What can change later.
        pub terms: Terms,
        /// What it is about.
        pub condition: Option<Condition>,
    }
}

json_object! {
    /// The part of a request that its patient can amend.
    pub struct Terms {
        /// When they can come; in order, without overlap.
        pub periods: Vec<Period>,
        /// What they speak.
        pub languages: Vec<Language>,
        /// How they want to meet.
        pub mode: Mode,
        /// How long the visit takes, minutes.
        pub minutes: u32,
        /// How it is paid.
        pub pay: Pay,
        /// Practitioners in order of preference.
        pub prefs: Vec<Id>,
        /// Distances to organisations.
        pub reach: Vec<Reach>,
    }
}

json_object! {
    /// A patient's request.
    pub struct Request {
        /// Its id.
        pub id: Id,
        /// Whose it is.
        pub patient: Id,
        /// Their home organisation.
        pub home: MspId,
        /// What it needs.
        pub specialty: Specialty,
        /// 1 most urgent, to 4.
        pub urgency: u32,
        /// When, how and for how much.
        pub terms: Terms,
        /// What it is about.
        pub condition: Option<Condition>,
        /// Its state.
        pub status: RequestStatus,
        /// The match that holds it, if one does.
        pub matched: Option<Id>,
        /// How often practitioners let it down.
        pub bumps: u32,
        /// How often its patient turned a match down.
        pub declines: u32,
        /// Practitioners with whom a match failed.
        pub excluded: Vec<Id>,
        /// When it was made, seconds since 1970; waiting counts from here.
        pub created: i64,
    }
}

json_object! {
    /// How a claimed request came to its practitioner.
    pub struct Pick {
        /// How many open requests came before it for the slot, and it itself: 1 is the best.
        pub rank: u32,
        /// How many of the best the practitioner might pick from without a reason.
        pub free: u32,
        /// The reason, if it was not among them.
        pub reason: Option<PickReason>,
    }
}

json_object! {
    /// A request and a slot that were brought together.
    pub struct Match {
        /// Its id.
        pub id: Id,
        /// The request.
        pub request: Id,
        /// The slot.
        pub slot: Id,
        /// The patient.
        pub patient: Id,
        /// The patient's home organisation.
        pub home: MspId,
        /// The practitioner.
        pub practitioner: Id,
        /// When the slot begins, seconds since 1970.
        pub start: i64,
        /// When it ends.
        pub end: i64,
        /// Price of a minute when the match was made, minor units.
        pub rate: u64,
        /// The points.
        pub score: Score,
        /// The batch that made it; absent if the practitioner picked it.
        pub batch: Option<Id>,
        /// How it was picked; absent if a batch made it.
        pub pick: Option<Pick>,
        /// Its state.
        pub status: MatchStatus,
        /// When it was made.
        pub made: i64,
        /// When the practitioner accepted.
        pub accepted: Option<i64>,
        /// The channel out of which it is paid, once the patient has confirmed with a deposit.
        pub channel: Option<ChannelId>,
        /// When the patient checked in.
        pub arrived: Option<i64>,
        /// When the visit began.
        pub started: Option<i64>,
        /// When the visit ended.
        pub stopped: Option<i64>,
    }
}

json_object! {
    /// What a patient puts in to confirm a visit; see [`crate::channels`].
    pub struct Deposit {
        /// Which way money goes.
        pub mode: channels::Mode,
        /// The patient's deposit, minor units of CARE; zero if an insurer pays everything.
        pub amount: Amount,
        /// What the practitioner is to put in; zero if absent.
        pub payee_amount: Option<Amount>,
    }
}

json_object! {
    /// How reliable a practitioner was.
    pub struct Conduct {
        /// When they gave back what they had accepted, seconds since 1970, oldest first, within the memory of the rule.
        pub released: Vec<i64>,
        /// When they did not come.
        pub absent: Vec<i64>,
    }
}

json_object! {
    /// The batch of a pool that is under way.
    pub struct Pool {
        /// The batch.
        pub batch: Id,
        /// When it was frozen, seconds since 1970.
        pub at: i64,
        /// Whether it is run.
        pub run: bool,
    }
}

json_object! {
    /// A frozen batch: its size and time.
    pub struct BatchHead {
        /// Its id.
        pub id: Id,
        /// The pool: a specialty and its branches.
        pub family: Specialty,
        /// When it was frozen, seconds since 1970; waits count until then.
        pub at: i64,
        /// The organisation whose administrator froze it.
        pub org: MspId,
        /// Number of requests.
        pub requests: u32,
        /// Number of slots.
        pub slots: u32,
    }
}

json_object! {
    /// A matching with its prices, as a solver hands it in.
    pub struct Handed {
        /// The slot of each request by its place among the slots in order of id; absent for none.
        pub slots: Vec<Option<u32>>,
        /// The price of each slot.
        pub prices: Vec<Price>,
    }
}

json_object! {
    /// What became of a batch.
    pub struct BatchResult {
        /// The matching and the prices that prove it.
        pub proof: Handed,
        /// The total weight.
        pub total: Price,
        /// Whether the ledger solved it, or checked what was handed in.
        pub solved_here: bool,
        /// Requests whose pair fell through, because one of the two was gone when the batch was run.
        pub lapsed: Vec<Id>,
        /// How fair it is.
        pub fairness: Fairness,
        /// When it was run, seconds since 1970.
        pub at: i64,
    }
}
