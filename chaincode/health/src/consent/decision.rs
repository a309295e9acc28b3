//! The consent decision: a pure function from a question and the patient's grants to a verdict.
//!
//! The first row that fits decides:
//!
//! | # | case | verdict | reason |
//! |---|---|---|---|
//! | 1 | the reader is the patient | permit | `owner` |
//! | 2 | the purpose is none of the reader's role | deny | `purpose` |
//! | 3 | the record is hidden or retracted | deny | `hidden` |
//! | 4 | a denying grant covers the question | deny | `denied` |
//! | 5 | a permitting grant covers it | permit | `granted` |
//! | 6 | otherwise | deny | `default` |
//!
//! A grant *covers* a question if it is not revoked, `from <= now < until`, its grantee is the reader, the reader's
//! organisation, the reader's role in that organisation, or a group of the owner's to which the reader is linked, and verb, purpose and scope match. Empty lists of verbs or
//! purposes in a denying grant mean all of them; a permitting grant must name them. The scope matches if every part
//! that is given does: the record is listed, is not excepted, has one of the tags, has none of the excepted tags, and
//! was created within the period. What the reader is told of a denial is only that it is one.

use crate::{
    consent::grant::{Grant, Grantee, Scope},
    ids::{Id, MspId},
    vocabulary::{Decision, Effect, Purpose, Role, Verb},
};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The person.
    pub id: Id,
    /// Their role.
    pub role: Role,
    /// Their organisation.
    pub msp: MspId,
    /// The groups of the record's owner that they are linked to.
    pub groups: Vec<Id>,
}

/// What a decision needs to know of a record, existing or drafted.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its id.
    pub id: Id,
    /// Its tags.
    pub tags: Vec<Id>,
    /// When it was added, seconds since 1970.
    pub created: i64,
    /// Whether it is hidden or retracted.
    pub withdrawn: bool,
}

/// One question to the patient's grants.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub reader: &'a Reader,
    /// Whose record it is.
    pub owner: &'a Id,
    /// The record.
    pub record: &'a Facts,
    /// What the reader wants to do.
    pub verb: Verb,
    /// Why.
    pub purpose: Purpose,
    /// The time of the transaction, seconds since 1970.
    pub now: i64,
}

/// Which row of the table decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Row 1.
    Owner,
    /// Row 2.
    Purpose,
    /// Row 3.
    Hidden,
    /// Row 4.
    Denied,
    /// Row 5.
    Granted,
    /// Row 6.
    Default,
}

impl carecord_chaincode::Schema for Reason {
    fn schema() -> serde_json::Value {
        let words = ["owner", "purpose", "hidden", "denied", "granted", "default"];
        serde_json::json!({"type": "string", "enum": words})
    }
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Permit or deny.
    pub decision: Decision,
    /// Which row decided.
    pub reason: Reason,
    /// The grants that decided, in the order in which they were given.
    pub grants: Vec<Id>,
    /// Since when the consent behind a permit holds, seconds since 1970; 0 for the owner.
    pub from: i64,
    /// Until when a permit can last, seconds since 1970; `i64::MAX` for the owner.
    pub until: i64,
}

/// Decides a question; `grants` are those of the owner, in any order.
pub fn decide(question: &Question<'_>, grants: &[Grant]) -> Verdict {
    let Question { reader, owner, .. } = question;
    if reader.id == **owner {
        return verdict(Decision::Permit, Reason::Owner, (0, i64::MAX), vec![]);
    }
    if !purposes_of(reader.role).contains(&question.purpose) {
        return deny(Reason::Purpose, vec![]);
    }
    if question.record.withdrawn {
        return deny(Reason::Hidden, vec![]);
    }
    let covering = |effect| {
        grants
            .iter()
            .filter(move |g| g.patient == **owner && g.effect == effect && covers(g, question))
    };
    let denying: Vec<Id> = covering(Effect::Deny).map(|g| g.id.clone()).collect();
    if !denying.is_empty() {
        return deny(Reason::Denied, denying);
    }
    // All of them cover the same moment, so their periods make one without a gap.
    let period = covering(Effect::Permit)
        .map(|g| (g.from, g.until))
        .reduce(|(from, until), (f, u)| (from.min(f), until.max(u)));
    let Some(period) = period else { return deny(Reason::Default, vec![]) };
    let ids = covering(Effect::Permit).map(|g| g.id.clone()).collect();
    verdict(Decision::Permit, Reason::Granted, period, ids)
}

/// The purposes that a role can act for.
pub fn purposes_of(role: Role) -> &'static [Purpose] {
    match role {
        Role::Patient => &[Purpose::PatientRequest],
        Role::Practitioner => {
            &[Purpose::Treatment, Purpose::EmergencyTreatment, Purpose::Operations]
        }
        Role::Insurer => &[Purpose::Payment],
        Role::Researcher => &[Purpose::Research],
        Role::Admin | Role::Auditor | Role::Device | Role::StorageProvider | Role::Regulator => &[],
    }
}

/// Whether a grant speaks about a question at all.
fn covers(grant: &Grant, question: &Question<'_>) -> bool {
    let any = grant.effect == Effect::Deny;
    grant.revoked.is_none()
        && grant.from <= question.now
        && question.now < grant.until
        && is_grantee(&grant.grantee, question.reader)
        && (grant.verbs.contains(&question.verb) || (any && grant.verbs.is_empty()))
        && (grant.purposes.contains(&question.purpose) || (any && grant.purposes.is_empty()))
        && in_scope(&grant.scope, question.record)
}

pub(crate) fn is_grantee(grantee: &Grantee, reader: &Reader) -> bool {
    match grantee {
        Grantee::Subject { subject } => *subject == reader.id,
        Grantee::Org { org } => *org == reader.msp,
        Grantee::Role { role, org } => *role == reader.role && *org == reader.msp,
        Grantee::Group { group } => reader.groups.contains(group),
    }
}

fn in_scope(scope: &Scope, record: &Facts) -> bool {
    let tagged = |tags: &[Id]| tags.iter().any(|t| record.tags.contains(t));
    (scope.records.is_empty() || scope.records.contains(&record.id))
        && !scope.except_records.contains(&record.id)
        && (scope.tags.is_empty() || tagged(&scope.tags))
        && !tagged(&scope.except_tags)
        && scope.created_from.is_none_or(|from| from <= record.created)
        && scope.created_until.is_none_or(|until| record.created < until)
}

fn deny(reason: Reason, grants: Vec<Id>) -> Verdict {
    verdict(Decision::Deny, reason, (0, 0), grants)
}

fn verdict(
    decision: Decision,
    reason: Reason,
    (from, until): (i64, i64),
    grants: Vec<Id>,
) -> Verdict {
    Verdict { decision, reason, grants, from, until }
}
