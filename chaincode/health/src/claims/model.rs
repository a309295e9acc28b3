//! What the ledger holds of plans and claims: ids, commitments, states and flags; neither codes nor amounts of lines.

use carecord_chaincode::json_object;

use crate::{
    claims::terms::Terms,
    ids::{Commitment, Id, MspId},
    vocabulary::{ClaimStatus, Decision, Flag},
};

json_object! {
    /// An insurer's plan. It never changes: other terms are another plan.
    pub struct Plan {
        /// Its id.
        pub id: Id,
        /// The insurer.
        pub insurer: MspId,
        /// Who registered it, to whom patients consent.
        pub clerk: Id,
        /// What everybody sees.
        pub terms: Terms,
        /// The commitment to the schedule that insurer and providers share.
        pub schedule: Commitment,
        /// The organisations whose providers are in the network.
        pub network: Vec<MspId>,
        /// When it was registered, seconds since 1970.
        pub registered: i64,
    }
}

json_object! {
    /// A member's place in a plan.
    pub struct Enrolment {
        /// Its id.
        pub id: Id,
        /// The plan.
        pub plan: Id,
        /// The insurer.
        pub insurer: MspId,
        /// The patient.
        pub member: Id,
        /// The commitment to the secret that marks the member's services, known to insurer, member and providers.
        pub secret: Commitment,
        /// The first day that is covered, days since 1970.
        pub from: i64,
        /// The last day that is covered.
        pub until: i64,
        /// When it was made, seconds since 1970.
        pub registered: i64,
    }
}

json_object! {
    /// A meeting of practitioner and patient, which both have signed with the calls that made and confirmed it.
    pub struct Encounter {
        /// Its id.
        pub id: Id,
        /// Who treated.
        pub practitioner: Id,
        /// Their organisation.
        pub provider: MspId,
        /// Who was treated.
        pub patient: Id,
        /// The commitment to [`super::outcome::EncounterFacts`].
        pub facts: Commitment,
        /// When the practitioner signed, seconds since 1970.
        pub signed: i64,
        /// When the patient confirmed; absent until then.
        pub confirmed: Option<i64>,
    }
}

json_object! {
    /// What a provider asked an insurer to authorise, and the answer.
    pub struct Authorisation {
        /// Its id.
        pub id: Id,
        /// For which member.
        pub enrolment: Id,
        /// The insurer.
        pub insurer: MspId,
        /// The provider.
        pub provider: MspId,
        /// Who asked.
        pub practitioner: Id,
        /// The commitment to [`super::opening::AuthorisedService`].
        pub service: Commitment,
        /// The answer; absent until there is one.
        pub decision: Option<Decision>,
        /// The last day on which an authorised service may be given, days since 1970; absent without a permit.
        pub until: Option<i64>,
        /// When it was asked, seconds since 1970.
        pub asked: i64,
    }
}

json_object! {
    /// A claim as the ledger knows it.
    pub struct Claim {
        /// Its id.
        pub id: Id,
        /// The member's place in the plan.
        pub enrolment: Id,
        /// The plan.
        pub plan: Id,
        /// The patient.
        pub patient: Id,
        /// The insurer.
        pub insurer: MspId,
        /// The provider.
        pub provider: MspId,
        /// Who handed it in, and is paid.
        pub practitioner: Id,
        /// The sealed record with codes and diagnoses, in the vault.
        pub record: Id,
        /// The commitment to [`super::outcome::ClaimLines`].
        pub lines: Commitment,
        /// The encounter behind it, if one is named.
        pub encounter: Option<Id>,
        /// The authorisations that it refers to.
        pub authorisations: Vec<Id>,
        /// What keeps it from being paid until the insurer has looked at it.
        pub flags: Vec<Flag>,
        /// Where it stands.
        pub status: ClaimStatus,
        /// How often it was adjudicated.
        pub round: u32,
        /// The commitment to the last [`super::outcome::Outcome`].
        pub outcome: Option<Commitment>,
        /// The commitment to the grounds of the last appeal.
        pub appeal: Option<Commitment>,
        /// The outcome that was paid to the provider.
        pub remitted: Option<Commitment>,
        /// The outcome whose patient's part is in a payment plan.
        pub billed: Option<Commitment>,
        /// When it was handed in, seconds since 1970.
        pub submitted: i64,
        /// When it was last adjudicated, seconds since 1970.
        pub decided: Option<i64>,
    }
}

json_object! {
    /// What a member has paid in a benefit year.
    pub struct Sums {
        /// The commitment to [`super::outcome::Accumulators`].
        pub paid: Commitment,
        /// How many adjudications it stands after.
        pub count: u64,
    }
}
