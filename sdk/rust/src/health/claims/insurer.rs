//! What an insurer's clerk does.

use std::collections::BTreeSet;

use carecord_health::claims::opening::{Kind, MemberSecret, Salts};
use carecord_health::claims::outcome::{Accumulators, EncounterFacts, Outcome};
use carecord_health::claims::terms::{Schedule, Terms};
use carecord_health::claims::{
    Authorisation, Claim, NewEnrolment, NewPaymentPlan, NewPlan, NewRemittance, PaymentPlan, Plan,
    Remittance,
};
use carecord_health::ids::{Id, MspId};
use carecord_health::vocabulary::Decision;

use super::{Decided, Fields, Insurance, Lines, Membership, outcomes, sealed};
use crate::Error;
use crate::health::{Person, json, random_id};

impl Person {
    /// Registers a plan with a schedule; `tag_key` is the key of the tags in it.
    pub async fn register_plan(
        &self,
        terms: Terms,
        schedule: &Schedule,
        network: Vec<MspId>,
        tag_key: [u8; 32],
    ) -> Result<Insurance, Error> {
        let (schedule, commitment) = sealed(Kind::Schedule, schedule)?;
        let new = NewPlan { id: random_id()?, terms, schedule: commitment, network };
        let plan = self.submit("claims:RegisterPlan", [json(&new)]).await?;
        Ok(Insurance { plan, schedule, tag_key })
    }

    /// Makes a patient a member from one day to another (days since 1970, both covered).
    pub async fn enroll(
        &self,
        plan: &Plan,
        member: &Id,
        from: i64,
        until: i64,
    ) -> Result<Membership, Error> {
        let secret = MemberSecret { secret: random_id()? };
        let commitment = sealed(Kind::Member, &secret)?.1;
        let (id, plan, member) = (random_id()?, plan.id.clone(), member.clone());
        let new = NewEnrolment { id, plan, member, secret: commitment, from, until };
        let enrolment = self.submit("claims:Enroll", [json(&new)]).await?;
        Ok(Membership { enrolment, secret })
    }

    /// Answers what a provider asked to be authorised; `until` is a day since 1970.
    pub async fn decide_prior_auth(
        &self,
        id: &Id,
        decision: Decision,
        until: i64,
    ) -> Result<Authorisation, Error> {
        let args = [id.to_string(), decision.as_str().to_owned(), until.to_string()];
        self.submit("claims:DecidePriorAuth", args).await
    }

    /// Decides a claim that refers to no authorisation; `paid` and `earlier` as for [`Insurance::decide`].
    pub async fn adjudicate(
        &self,
        insurance: &Insurance,
        claim: &Claim,
        lines: &Lines,
        paid: Option<&Accumulators>,
        earlier: Option<&Outcome>,
    ) -> Result<Decided, Error> {
        let salts = Salts { outcome: random_id()?, accumulators: random_id()? };
        let mut fields: Fields = vec![
            ("claim", lines.bytes.clone()),
            ("schedule", insurance.schedule.clone()),
            ("salts", json(&salts).into_bytes()),
        ];
        if let Some(paid) = paid {
            fields.push(("accumulators", sealed(Kind::Accumulators, paid)?.0));
        }
        if let Some(earlier) = earlier {
            fields.push(("outcome", sealed(Kind::Outcome, earlier)?.0));
        }
        let none = BTreeSet::new();
        let decided = insurance.decide(claim, &lines.lines, paid, earlier, none, &salts)?;
        let sides = [&claim.insurer, &claim.provider];
        let args = vec![claim.id.to_string()];
        let claim: Claim = self.between("claims:Adjudicate", args, fields, sides).await?;
        let (outcome, paid) = decided;
        if claim.outcome != Some(sealed(Kind::Outcome, &outcome)?.1) {
            return Err(Error::Untrusted("the decision on the ledger is another one"));
        }
        Ok(Decided { claim, outcome, paid })
    }

    /// Flags a claim whose practitioner was in another encounter at the same time.
    pub async fn report_overlap(
        &self,
        claim: &Claim,
        lines: &Lines,
        encounter: &Id,
        facts: &EncounterFacts,
    ) -> Result<Claim, Error> {
        let other = sealed(Kind::Encounter, facts)?.0;
        let fields = vec![("claim", lines.bytes.clone()), ("other", other)];
        let args = vec![claim.id.to_string(), encounter.to_string()];
        let sides = [&claim.insurer, &claim.provider];
        self.between("claims:ReportOverlap", args, fields, sides).await
    }

    /// Lets a flagged claim be paid.
    pub async fn clear_flags(&self, claim: &Id) -> Result<Claim, Error> {
        self.submit("claims:ClearFlags", [claim.to_string()]).await
    }

    /// Pays a practitioner for decided claims that were not paid before; `receipt` for money outside the ledger.
    pub async fn remit(
        &self,
        claims: &[Decided],
        receipt: Option<Id>,
    ) -> Result<Remittance, Error> {
        let first = &claims.first().ok_or(Error::Answer("no claims"))?.claim;
        let ids = claims.iter().map(|decided| decided.claim.id.clone()).collect();
        let new = NewRemittance { id: random_id()?, claims: ids, receipt };
        let fields = vec![("outcomes", outcomes(claims)?)];
        let sides = [&first.insurer, &first.provider];
        self.between("claims:Remit", vec![json(&new)], fields, sides).await
    }

    /// Proposes to a patient to pay in instalments; `claims` are those that the plan names.
    pub async fn create_payment_plan(
        &self,
        plan: &NewPaymentPlan,
        claims: &[Decided],
    ) -> Result<PaymentPlan, Error> {
        let Some(first) = claims.first().map(|decided| &decided.claim) else {
            return self.submit("claims:CreatePlan", [json(plan)]).await;
        };
        let fields = vec![("outcomes", outcomes(claims)?)];
        let sides = [&first.insurer, &first.provider];
        self.between("claims:CreatePlan", vec![json(plan)], fields, sides).await
    }

    /// Marks an instalment whose days of grace are over.
    pub async fn mark_late(&self, plan: &Id, number: u32) -> Result<PaymentPlan, Error> {
        self.submit("claims:MarkLate", [plan.to_string(), number.to_string()]).await
    }

    /// Asks for the whole rest of a plan.
    pub async fn declare_default(&self, plan: &Id) -> Result<PaymentPlan, Error> {
        self.submit("claims:Default", [plan.to_string()]).await
    }
}
