//! Claims: what insurers, providers and patients keep beside the ledger, and the calls that show it to each other's peers.
//!
//! A call with private values goes to the peers of insurer and provider only, see `docs/decisions/0010-claims.md`. Every
//! decision is computed here as well; one whose commitment is another than the ledger's is not believed.

mod insurer;
mod provider;

use std::collections::BTreeSet;

use carecord_health::claims::adjudication::{self, accumulate, take_back};
use carecord_health::claims::opening::{self, Kind, MemberSecret, Salts};
use carecord_health::claims::outcome::{Accumulators, ClaimLines, Outcome};
use carecord_health::claims::terms::Schedule;
use carecord_health::claims::{Claim, Enrolment, Plan};
use carecord_health::ids::{Commitment, Id, MspId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Person, json, parse};
use crate::Error;

/// A plan with what insurer and providers keep to themselves.
#[derive(Clone, Debug)]
pub struct Insurance {
    /// As on the ledger.
    pub plan: Plan,
    /// The schedule, in the exact bytes that the ledger has the commitment of.
    pub schedule: Vec<u8>,
    /// The key under which codes become tags.
    pub tag_key: [u8; 32],
}

/// A member's place in a plan with what insurer, member and providers keep to themselves.
#[derive(Clone, Debug)]
pub struct Membership {
    /// As on the ledger.
    pub enrolment: Enrolment,
    /// What makes the marks of the member's services unguessable.
    pub secret: MemberSecret,
}

/// A claim's lines, in the exact bytes that the ledger has the commitment of.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What they say.
    pub lines: ClaimLines,
    /// How they are written.
    pub bytes: Vec<u8>,
}

/// A decision, and what the member has paid after it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The claim afterwards.
    pub claim: Claim,
    /// Who pays what.
    pub outcome: Outcome,
    /// For the next decision of the benefit year.
    pub paid: Accumulators,
}

/// Private values of a call, by the names of the contract's metadata.
type Fields = Vec<(&'static str, Vec<u8>)>;

// === impl Lines ===

impl Lines {
    /// Writes lines down.
    pub fn new(lines: ClaimLines) -> Result<Self, Error> {
        let bytes = sealed(Kind::Claim, &lines)?.0;
        Ok(Self { lines, bytes })
    }

    /// Reads lines that somebody handed over; they count if their commitment is the claim's.
    pub fn read(bytes: Vec<u8>, claim: &Claim) -> Result<Self, Error> {
        if opening::commitment(Kind::Claim, &bytes) != claim.lines {
            return Err(Error::Untrusted("the lines are not those of the claim on the ledger"));
        }
        let lines = serde_json::from_slice(&bytes).map_err(|_| Error::Answer("a claim's lines"))?;
        Ok(Self { lines, bytes })
    }

    /// What the ledger has of them.
    pub fn commitment(&self) -> Commitment {
        opening::commitment(Kind::Claim, &self.bytes)
    }
}

// === impl Insurance ===

impl Insurance {
    /// Decides a claim, as every party does for itself.
    ///
    /// `claim` is as before the decision, `paid` what the member had paid, `earlier` what is decided anew.
    pub fn decide(
        &self,
        claim: &Claim,
        lines: &ClaimLines,
        paid: Option<&Accumulators>,
        earlier: Option<&Outcome>,
        authorised: BTreeSet<Id>,
        salts: &Salts,
    ) -> Result<(Outcome, Accumulators), Error> {
        let impossible = |_| Error::Untrusted("the sums of the member do not fit the claim");
        let schedule: Schedule = serde_json::from_slice(&self.schedule)
            .map_err(|_| Error::Answer("a plan's schedule"))?;
        let zero =
            Accumulators { salt: salts.accumulators.clone(), deductible: 0, out_of_pocket: 0 };
        let mut before = paid.cloned().unwrap_or(zero);
        if let Some(earlier) = earlier {
            before = take_back(&before, earlier).map_err(impossible)?;
        }
        let plan = adjudication::Plan { terms: &self.plan.terms, schedule: &schedule };
        let salt = salts.outcome.clone();
        let facts = carecord_health::claims::facts(claim, &self.plan, lines, salt, authorised);
        let outcome =
            adjudication::adjudicate(plan, facts, &lines.lines, &before).map_err(impossible)?;
        let after = accumulate(&before, &outcome, salts.accumulators.clone());
        Ok((outcome, after.map_err(impossible)?))
    }
}

/// What the calls have in common.
impl Person {
    fn own_msp(&self) -> Result<MspId, Error> {
        let own = self.gateway().signer().msp_id().to_owned();
        MspId::new(own).ok_or(Error::Answer("own MSP id"))
    }

    /// Submits a call whose private values only the two sides' peers see.
    async fn between<T: DeserializeOwned>(
        &self,
        function: &str,
        args: Vec<String>,
        fields: Fields,
        sides: [&MspId; 2],
    ) -> Result<T, Error> {
        let mut proposal = self.contract.proposal(function).arguments(args);
        for (name, bytes) in fields {
            proposal = proposal.transient(name, bytes);
        }
        let sides = sides.map(|side| side.as_str());
        let transaction = proposal.organisations(sides).build()?.endorse().await?;
        let result = parse(transaction.result())?;
        transaction.submit().await?.wait_valid().await?;
        Ok(result)
    }
}

/// The openings of decisions, as a call takes several: a list with the text of each.
fn outcomes(claims: &[Decided]) -> Result<Vec<u8>, Error> {
    let mut texts = Vec::with_capacity(claims.len());
    for decided in claims {
        let (bytes, _) = sealed(Kind::Outcome, &decided.outcome)?;
        texts.push(String::from_utf8(bytes).map_err(|_| Error::Answer("our own JSON"))?);
    }
    Ok(json(&texts).into_bytes())
}

fn sealed<T: Serialize>(kind: Kind, value: &T) -> Result<(Vec<u8>, Commitment), Error> {
    opening::seal(kind, value).map_err(|_| Error::Answer("our own types are always JSON"))
}
