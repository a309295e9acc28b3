//! One envelope of a block, looked at by itself: form, creator, transaction id, proposal hash, endorsement signatures.
//!
//! Gives every code that does not depend on the ledger's state, in the order of interface A.0.7 steps 1 to 5. A code
//! that comes after the test for duplicate ids is kept in [`Endorsed::body`], so that [`super::decide`] can put the
//! duplicate first.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_msp::Identity;
use carecord_proto::common::{Envelope, HeaderType};
use carecord_proto::protos::{
    ChaincodeEvent, ChaincodeHeaderExtension, Endorsement, TxValidationCode as Code,
};
use carecord_proto::rwset::TxRwSet;
use carecord_proto::transaction::{self, endorsed_bytes};
use carecord_proto::{decode, envelope, wellformed};

use super::{ForeignChannels, OwnEndorsements};

/// What one envelope turned out to be.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The id under which the index will know it; empty if the envelope cannot be read.
    pub tx_id: String,
    /// The header type, if the header could be read.
    pub header_type: Option<HeaderType>,
    /// What it is, or why it is invalid whatever the state.
    pub kind: Result<Kind, Code>,
}

/// A transaction that may be valid.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A channel configuration; the bytes of the `ConfigEnvelope`.
    Config(Bytes),
    /// A chaincode's results.
    Endorser(Arc<Endorsed>),
}

/// An endorser transaction whose creator, id and proposal hash are right.
#[derive(Debug)]
pub struct Endorsed {
    /// The chaincode's results, or the code if they are not usable.
    pub body: Result<Body, Code>,
}

/// What a chaincode did, and who vouches for it.
#[derive(Debug)]
pub struct Body {
    /// The invoked chaincode.
    pub chaincode: String,
    /// The version of it that the endorsers ran.
    pub version: String,
    /// What was read and written.
    pub rwset: TxRwSet,
    /// The distinct endorsers whose signatures hold.
    pub endorsers: Vec<Arc<Identity>>,
    /// The chaincode's event.
    pub event: Option<ChaincodeEvent>,
}

/// With what envelopes are examined.
pub(crate) struct Examiner<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) own: &'a OwnEndorsements,
    pub(crate) foreign: &'a ForeignChannels,
}

impl Examiner<'_> {
    pub(crate) fn examine(&self, raw: &Bytes) -> Examined {
        let refused = |code| Examined { tx_id: String::new(), header_type: None, kind: Err(code) };
        let Ok(envelope) = wellformed::open_envelope(raw) else {
            return refused(Code::InvalidOtherReason);
        };
        if raw.is_empty() {
            return refused(Code::NilEnvelope);
        }
        let opened = match envelope::Opened::open(&envelope) {
            Ok(opened) => opened,
            Err(envelope::Error::Malformed(error)) if error.layer == "Payload" => {
                return refused(Code::BadPayload);
            }
            Err(_) => return refused(Code::BadCommonHeader),
        };
        let header_type = opened.kind();
        let tx_id = match opened.channel_header.tx_id.as_str() {
            "" => opened.expected_tx_id(),
            named => named.to_owned(),
        };
        Examined { tx_id, header_type, kind: self.kind(&envelope, &opened) }
    }

    fn kind(&self, envelope: &Envelope, opened: &envelope::Opened) -> Result<Kind, Code> {
        let header_type = common_header(opened)?;
        self.creator(envelope, opened)?;
        match header_type {
            HeaderType::EndorserTransaction => self.endorser(opened),
            HeaderType::Config => {
                self.own_channel(opened).map(|()| Kind::Config(opened.payload.data.clone()))
            }
            _ => Err(Code::UnsupportedTxPayload),
        }
    }

    fn creator(&self, envelope: &Envelope, opened: &envelope::Opened) -> Result<(), Code> {
        if let ForeignChannels::AsFabric(known) = self.foreign
            && !self.is_own(opened)
            && !known.contains(&opened.channel_header.channel_id)
        {
            return Err(Code::BadCreatorSignature);
        }
        let checked = self.bundle.msps().identity(&opened.signature_header.creator);
        let checked = checked.and_then(|creator| {
            creator.validate()?;
            creator.verify(&envelope.payload, &envelope.signature)
        });
        checked.map_err(|_| Code::BadCreatorSignature)
    }

    fn is_own(&self, opened: &envelope::Opened) -> bool {
        opened.channel_header.channel_id == self.bundle.channel_id()
    }

    fn own_channel(&self, opened: &envelope::Opened) -> Result<(), Code> {
        match self.foreign {
            ForeignChannels::Refuse if !self.is_own(opened) => Err(Code::TargetChainNotFound),
            _ => Ok(()),
        }
    }

    fn endorser(&self, opened: &envelope::Opened) -> Result<Kind, Code> {
        if opened.channel_header.tx_id != opened.expected_tx_id() {
            return Err(Code::BadProposalTxid);
        }
        let endorsed = transaction::Endorsed::open(opened.header(), &opened.payload.data)
            .map_err(|_| Code::InvalidEndorserTransaction)?;
        self.own_channel(opened)?;
        let body = self.body(&opened.channel_header.extension, &endorsed);
        Ok(Kind::Endorser(Arc::new(Endorsed { body })))
    }

    fn body(&self, extension: &Bytes, endorsed: &transaction::Endorsed) -> Result<Body, Code> {
        let extension: ChaincodeHeaderExtension =
            decode("ChaincodeHeaderExtension", extension).map_err(|_| Code::BadHeaderExtension)?;
        let action = endorsed.action().map_err(|_| Code::BadResponsePayload)?;
        let rwset = TxRwSet::from_bytes(&action.results).map_err(|_| Code::BadRwset)?;
        let invoked = extension.chaincode_id.ok_or(Code::InvalidOtherReason)?.name;
        let answered = action.chaincode_id.clone().ok_or(Code::InvalidOtherReason)?;
        if invoked.is_empty() || invoked != answered.name || answered.version.is_empty() {
            return Err(Code::InvalidChaincode);
        }
        let event = transaction::event(&action).map_err(|_| Code::InvalidOtherReason)?;
        if event.as_ref().is_some_and(|event| event.chaincode_id != invoked) {
            return Err(Code::InvalidOtherReason);
        }
        let mut namespaces = BTreeSet::new();
        if !rwset.namespaces.iter().all(|ns| namespaces.insert(ns.namespace.as_str())) {
            return Err(Code::IllegalWriteset);
        }
        let endorsers = self.endorsers(&endorsed.response_payload, &endorsed.endorsements);
        Ok(Body { chaincode: invoked, version: answered.version, rwset, endorsers, event })
    }

    /// As `carecord_channel::policy::valid_identities`, but signatures this process made are not checked again.
    fn endorsers(
        &self,
        response_payload: &Bytes,
        endorsements: &[Endorsement],
    ) -> Vec<Arc<Identity>> {
        let mut seen = BTreeSet::new();
        let mut valid = Vec::with_capacity(endorsements.len());
        for Endorsement { endorser, signature } in endorsements {
            let Ok(identity) = self.bundle.msps().identity(endorser) else { continue };
            let id = (identity.msp_id().to_owned(), identity.identifier().to_owned());
            if seen.contains(&id) {
                continue;
            }
            let holds = self.own.contains(response_payload, endorser, signature)
                || identity.verify(&endorsed_bytes(response_payload, endorser), signature).is_ok();
            if holds {
                seen.insert(id);
                valid.push(identity);
            }
        }
        valid
    }
}

fn common_header(opened: &envelope::Opened) -> Result<HeaderType, Code> {
    let header_type = opened.kind().filter(|kind| {
        matches!(
            kind,
            HeaderType::EndorserTransaction | HeaderType::ConfigUpdate | HeaderType::Config
        )
    });
    let signature_header = &opened.signature_header;
    let complete = opened.channel_header.epoch == 0
        && !signature_header.nonce.is_empty()
        && !signature_header.creator.is_empty();
    header_type.filter(|_| complete).ok_or(Code::BadCommonHeader)
}

/// What a stored, valid endorser transaction did; for replay and history.
pub(crate) fn action_of(raw: &Bytes) -> Option<(envelope::Opened, TxRwSet)> {
    let envelope = wellformed::open_envelope(raw).ok()?;
    let opened = envelope::Opened::open(&envelope).ok()?;
    if opened.kind() != Some(HeaderType::EndorserTransaction) {
        return None;
    }
    let endorsed = transaction::Endorsed::open(opened.header(), &opened.payload.data).ok()?;
    let rwset = TxRwSet::from_bytes(&endorsed.action().ok()?.results).ok()?;
    Some((opened, rwset))
}
