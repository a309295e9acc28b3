//! Contract `audit`: the trail of who did what, written in the same transaction as the act.
//!
//! `records:Open` writes an entry whatever it decides, so a denial is as much on the ledger as a permit. Functions that
//! refuse with an error leave no trace, since a transaction that nobody endorses is never ordered.

use carecord_chaincode::{Context, Contract, ContractError, Function, Schema, codes, json_object};
use serde_json::{Value, json};

use crate::{
    error::{ABSENT, PERSON},
    ids::{Id, MspId},
    model::Subject,
    page::{self, Page},
    person, store,
    vocabulary::{Decision, Purpose, Role},
};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// `records:Open`.
    Open,
    /// `records:Add`.
    Add,
    /// `records:AddVersion`.
    AddVersion,
    /// `records:Hide`.
    Hide,
    /// `records:Unhide`.
    Unhide,
    /// `records:Retract`.
    Retract,
    /// `consent:Grant`.
    Grant,
    /// `consent:Revoke`.
    Revoke,
    /// `consent:Amend`.
    Amend,
    /// `consent:Refer`.
    Refer,
    /// `consent:AcceptReferral`.
    AcceptReferral,
    /// `consent:EndReferral` before it was accepted.
    EndReferral,
    /// `consent:Request`.
    Request,
    /// `consent:Reject`.
    Reject,
    /// `consent:Link`.
    Link,
    /// `consent:Unlink`.
    Unlink,
    /// `consent:SetEmergency`.
    SetEmergency,
    /// `consent:BreakGlass`.
    BreakGlass,
    /// `consent:ReviewBreakGlass`.
    Review,
    /// `claims:Submit` and `claims:Appeal`.
    Claim,
    /// `claims:Adjudicate`.
    Adjudicate,
}

impl Schema for Act {
    fn schema() -> Value {
        let words = [
            "open",
            "add",
            "addVersion",
            "hide",
            "unhide",
            "retract",
            "grant",
            "revoke",
            "amend",
            "refer",
            "acceptReferral",
            "endReferral",
            "request",
            "reject",
            "link",
            "unlink",
            "setEmergency",
            "breakGlass",
            "review",
            "claim",
            "adjudicate",
        ];
        json!({"type": "string", "enum": words})
    }
}

json_object! {
    /// One line of the trail.
    pub struct Entry {
        /// What was done.
        pub act: Act,
        /// To which record or grant; on a denial perhaps none that exists.
        pub object: Id,
        /// Who did it.
        pub actor: Id,
        /// Their organisation.
        pub org: MspId,
        /// Whose record or grant it is; absent if there is none of that id.
        pub patient: Option<Id>,
        /// For which purpose, if one was stated.
        pub purpose: Option<Purpose>,
        /// Permitted or denied.
        pub decision: Decision,
        /// The grants that decided.
        pub grants: Vec<Id>,
        /// The time of the transaction, seconds since 1970.
        pub at: i64,
        /// The transaction.
        pub tx: String,
    }
}

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    Contract::new("audit", "who did what to whose records")
        .function(
            Function::evaluate(
                "ListMine",
                "lists the trail of the calling patient, oldest first by the time that each signer gave",
                &["after", "limit"],
                list_mine,
            )
            .roles(&["patient"])
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListForAuditor",
                "lists the trail of the auditor's organisation: its patients and its people",
                &["after", "limit"],
                list_for_auditor,
            )
            .roles(&["auditor"])
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "Get",
                "answers one entry to its patient, its actor or an auditor of their organisations",
                &["transactionId", "objectId"],
                get,
            )
            .roles(&["patient", "practitioner", "insurer", "researcher", "auditor"])
            .errors(&[PERSON, ABSENT]),
        )
}

/// Writes the entry of an act that was permitted without asking a grant.
pub(crate) fn record(
    context: &mut Context<'_>,
    actor: &Subject,
    act: Act,
    object: &Id,
    patient: Option<&Subject>,
) -> Result<(), ContractError> {
    let entry = Entry {
        act,
        object: object.clone(),
        actor: actor.id.clone(),
        org: actor.msp.clone(),
        patient: patient.map(|p| p.id.clone()),
        purpose: None,
        decision: Decision::Permit,
        grants: vec![],
        at: context.now(),
        tx: context.tx_id().to_owned(),
    };
    write(context, &entry, patient.map(|p| &p.msp))
}

/// Writes an entry and its places in the trails of the patient and of the organisations concerned.
pub(crate) fn write(
    context: &mut Context<'_>,
    entry: &Entry,
    home: Option<&MspId>,
) -> Result<(), ContractError> {
    context.put(&store::audit(&entry.tx, &entry.object), entry)?;
    let at = context.stub().timestamp();
    let mut mark = |kind: &str, whose: &str| {
        let key = store::trail(kind, whose, at, &entry.tx, &entry.object);
        context.put_bytes(&key, store::MARK)
    };
    if let Some(patient) = &entry.patient {
        mark("p", patient.as_str())?;
    }
    mark("o", entry.org.as_str())?;
    match home {
        Some(home) if *home != entry.org => mark("o", home.as_str()),
        _ => Ok(()),
    }
}

fn list_mine(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Entry>, ContractError> {
    let patient = person::caller(context)?;
    list(context, "p", patient.id.as_str(), &after, limit)
}

fn list_for_auditor(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Entry>, ContractError> {
    let auditor = person::caller(context)?;
    list(context, "o", auditor.msp.as_str(), &after, limit)
}

fn list(
    context: &mut Context<'_>,
    kind: &str,
    whose: &str,
    after: &str,
    limit: u32,
) -> Result<Page<Entry>, ContractError> {
    let limit = page::limit(limit)?;
    let listed = page::index(context, "trail", &[kind, whose], after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for attributes in &listed.items {
        if let [_, tx, object] = attributes.as_slice()
            && let Some(object) = Id::new(object.as_str())
        {
            items.extend(context.get::<Entry>(&store::audit(tx, &object))?);
        }
    }
    Ok(Page { items, next: listed.next })
}

fn get(context: &mut Context<'_>, tx: TxId, object: Id) -> Result<Entry, ContractError> {
    let caller = person::caller(context)?;
    let absent = || ABSENT.because("no such entry, or none that the caller may see");
    let entry: Entry = context.get(&store::audit(&tx.0, &object))?.ok_or_else(absent)?;
    let home = match &entry.patient {
        Some(patient) => person::find(context, patient)?.map(|p| p.msp),
        None => None,
    };
    let concerned = entry.actor == caller.id
        || entry.patient.as_ref() == Some(&caller.id)
        || (caller.role == Role::Auditor
            && (entry.org == caller.msp || home.as_ref() == Some(&caller.msp)));
    if concerned { Ok(entry) } else { Err(absent()) }
}

/// A transaction id as an argument: 64 lower-case hex digits.
#[derive(Debug)]
struct TxId(String);

impl Schema for TxId {
    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[0-9a-f]{64}$"})
    }
}

impl carecord_chaincode::Argument for TxId {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        let text = String::parse(raw, name)?;
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Self(text));
        }
        Err(codes::TYPE.because("expected a transaction id").at(format!("/{name}")))
    }
}
