//! What providers do, what patients do, and what all parties read.

use carecord_health::claims::opening::Kind;
use carecord_health::claims::outcome::EncounterFacts;
use carecord_health::claims::{
    Authorisation, Claim, Eligibility, Encounter, NewAppeal, NewAuthorisation, NewClaim, Payment,
    PaymentPlan,
};
use carecord_health::ids::{Commitment, Id};

use super::{Fields, Lines, Membership, sealed};
use crate::Error;
use crate::health::{Person, json, random_id};

/// For the provider.
impl Person {
    /// Whether a member is covered today.
    pub async fn check_eligibility(&self, enrolment: &Id) -> Result<Eligibility, Error> {
        self.evaluate("claims:CheckEligibility", [enrolment.to_string()]).await
    }

    /// Asks the insurer to authorise a service.
    pub async fn prior_auth(&self, new: &NewAuthorisation) -> Result<Authorisation, Error> {
        self.submit("claims:PriorAuth", [json(new)]).await
    }

    /// Signs when the caller treated a patient; the facts go to the patient by another way.
    pub async fn sign_encounter(&self, facts: &EncounterFacts) -> Result<Encounter, Error> {
        let commitment = sealed(Kind::Encounter, facts)?.1;
        let args = [random_id()?.to_string(), facts.patient.to_string(), commitment.to_string()];
        self.submit("claims:SignEncounter", args).await
    }

    /// Hands a claim in; `record` is the sealed one with codes and diagnoses, which the patient lets the insurer read.
    pub async fn submit_claim(
        &self,
        member: &Membership,
        record: &Id,
        lines: &Lines,
        encounter: Option<Id>,
    ) -> Result<Claim, Error> {
        let new = NewClaim {
            id: random_id()?,
            enrolment: member.enrolment.id.clone(),
            record: record.clone(),
            lines: lines.commitment(),
            encounter,
            authorisations: None,
        };
        let own = self.own_msp()?;
        let fields = vec![
            ("claim", lines.bytes.clone()),
            ("member", sealed(Kind::Member, &member.secret)?.0),
        ];
        let sides = [&member.enrolment.insurer, &own];
        self.between("claims:Submit", vec![json(&new)], fields, sides).await
    }

    /// Asks for another decision; `corrected` is the lines before and after, with the membership.
    pub async fn appeal(
        &self,
        claim: &Claim,
        grounds: Commitment,
        corrected: Option<(&Lines, &Lines, &Membership)>,
    ) -> Result<Claim, Error> {
        let lines = corrected.map(|(_, after, _)| after.commitment());
        let new = NewAppeal { claim: claim.id.clone(), grounds, lines, authorisations: None };
        let mut fields: Fields = Vec::new();
        if let Some((before, after, member)) = corrected {
            fields.push(("before", before.bytes.clone()));
            fields.push(("claim", after.bytes.clone()));
            fields.push(("member", sealed(Kind::Member, &member.secret)?.0));
        }
        let sides = [&claim.insurer, &claim.provider];
        self.between("claims:Appeal", vec![json(&new)], fields, sides).await
    }
}

/// For the patient, and for all parties.
impl Person {
    /// Confirms an encounter, after comparing its facts with what the ledger has.
    pub async fn confirm_encounter(&self, encounter: &Id) -> Result<Encounter, Error> {
        self.submit("claims:ConfirmEncounter", [encounter.to_string()]).await
    }

    /// A claim of which the caller is a party.
    pub async fn claim(&self, id: &Id) -> Result<Claim, Error> {
        self.evaluate("claims:Get", [id.to_string()]).await
    }

    /// All claims of which the caller is a party.
    pub async fn claims(&self) -> Result<Vec<Claim>, Error> {
        self.list("claims:Statement", &[]).await
    }

    /// Accepts a payment plan, or declines it.
    pub async fn answer_payment_plan(&self, plan: &Id, accept: bool) -> Result<PaymentPlan, Error> {
        let function = if accept { "claims:AcceptPlan" } else { "claims:DeclinePlan" };
        self.submit(function, [plan.to_string()]).await
    }

    /// Pays the next instalment.
    pub async fn pay_installment(&self, payment: &Payment) -> Result<PaymentPlan, Error> {
        self.submit("claims:PayInstallment", [json(payment)]).await
    }

    /// All payment plans of the caller.
    pub async fn payment_plans(&self) -> Result<Vec<PaymentPlan>, Error> {
        self.list("claims:PaymentPlans", &[]).await
    }
}
