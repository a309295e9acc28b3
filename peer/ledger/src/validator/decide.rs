//! The second stage: verdicts that depend on the ledger, in block order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use carecord_channel::Bundle;
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::NsRwSet;

use super::examine::{Body, Endorsed};
use super::keylevel::{ChangedParameters, NamespaceCheck};
use super::policies::{Namespace, Policies};
use super::{Kind, Prefetched};
use crate::cause::Cause;
use crate::index;
use crate::state::{EngineError, StateView};

/// The verdicts before MVCC.
#[derive(Debug)]
pub struct Decided {
    /// One code per envelope.
    pub codes: Vec<Code>,
    /// What the endorsements of each lack, where that is why it is not valid.
    pub causes: Vec<Option<Cause>>,
}

/// A code, and the cause if there are words for it.
type Verdict = (Code, Option<Cause>);

/// Judges every transaction of a prefetched block against the state before it.
///
/// The bundle is the one the block was prefetched with. Configuration blocks are not judged here beyond their form:
/// the committer applies them.
pub fn decide(block: &Prefetched, state: StateView<'_>) -> Result<Decided, EngineError> {
    let mut decider = Decider::new(&block.bundle, state);
    let (mut codes, mut causes) = (Vec::new(), Vec::new());
    for examined in &block.transactions {
        let (code, cause) = match &examined.kind {
            Err(code) => (*code, None),
            Ok(Kind::Config(_)) => (Code::Valid, None),
            Ok(Kind::Endorser(endorsed)) => decider.endorser(&examined.tx_id, endorsed)?,
        };
        codes.push(code);
        causes.push(cause);
    }
    let ids = block.transactions.iter().map(|examined| match &examined.kind {
        Ok(Kind::Endorser(_)) => examined.tx_id.as_str(),
        _ => "",
    });
    mark_duplicates(&mut codes, ids);
    Ok(Decided { codes, causes })
}

/// Marks what repeats an id of the same block. Only transactions that are valid so far take part, so the repetition of
/// an invalid one may be valid.
fn mark_duplicates<'a>(codes: &mut [Code], ids: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for (code, id) in codes.iter_mut().zip(ids) {
        if *code == Code::Valid && !id.is_empty() && !seen.insert(id) {
            *code = Code::DuplicateTxid;
        }
    }
}

struct Decider<'a> {
    state: StateView<'a>,
    policies: Policies<'a>,
    changed: ChangedParameters,
}

impl<'a> Decider<'a> {
    fn new(bundle: &'a Arc<Bundle>, state: StateView<'a>) -> Self {
        let policies = Policies::new(bundle, state);
        Decider { state, policies, changed: ChangedParameters::default() }
    }

    fn endorser(&mut self, tx_id: &str, endorsed: &Endorsed) -> Result<Verdict, EngineError> {
        if index::transaction(self.state.reader(), tx_id)?.is_some() {
            return Ok((Code::DuplicateTxid, None));
        }
        match &endorsed.body {
            Err(code) => Ok((*code, None)),
            Ok(body) => self.written_namespaces(body),
        }
    }

    /// Every written namespace is judged, so that which parameters count as changed does not depend on an order; the
    /// first failure in order of names is the verdict.
    fn written_namespaces(&mut self, body: &Body) -> Result<Verdict, EngineError> {
        let mut verdict = (Code::Valid, None);
        let mut passed = Vec::new();
        for (name, ns) in namespaces_to_check(body) {
            let judged = self.namespace(name, ns, body)?;
            if judged.0 == Code::Valid {
                passed.extend(ns);
            } else if verdict.0 == Code::Valid {
                verdict = judged;
            }
        }
        passed.into_iter().for_each(|ns| self.changed.note(ns));
        Ok(verdict)
    }

    fn namespace(
        &mut self,
        name: &str,
        ns: Option<&NsRwSet>,
        body: &Body,
    ) -> Result<Verdict, EngineError> {
        let namespace = self.policies.namespace(name)?;
        let Namespace::Defined { policy, definition } = &*namespace else {
            return Ok((Code::InvalidChaincode, None));
        };
        let mut check = NamespaceCheck {
            name,
            policies: &mut self.policies,
            state: self.state,
            changed: &self.changed,
            chaincode: policy.clone(),
            definition: definition.clone(),
            endorsers: &body.endorsers,
            asked: BTreeSet::new(),
            asked_any: false,
        };
        Ok(match check.lack(ns)? {
            None => (Code::Valid, None),
            Some(lack) => (Code::EndorsementPolicyFailure, Some(Cause::Endorsement(lack))),
        })
    }
}

/// The invoked chaincode and every namespace with a write.
fn namespaces_to_check(body: &Body) -> BTreeMap<&str, Option<&NsRwSet>> {
    let written = body.rwset.namespaces.iter().filter(|ns| ns.has_writes());
    let mut namespaces: BTreeMap<_, _> =
        written.map(|ns| (ns.namespace.as_str(), Some(ns))).collect();
    namespaces.entry(&body.chaincode).or_insert(None);
    namespaces
}
