//! Chaincode in the peer's process: what is deployed, how a call is made, what it may ask for.
//!
//! Place in the flow: the endorser opens a simulation and calls [`invoke`]; application chaincode sees it through
//! [`stub::TxStub`], the system chaincodes are part of the peer.

mod cscc;
mod definitions;
mod interest;
mod invoke;
mod lifecycle;
mod packages;
mod qscc;
mod shim_metrics;
mod stub;

use std::{sync::Arc, time::Instant};

use crate::peer::Peer;
use bytes::Bytes;
use carecord_chaincode::Response;
use carecord_channel::SignedData;
use carecord_msp::Identity;
use carecord_proto::{
    proposal::Opened,
    protos::{ChaincodeEvent, SignedProposal},
};

pub(crate) use definitions::Definitions;
pub(crate) use interest::interest;
pub(crate) use invoke::{invoke, invoke_system};
pub(crate) use packages::Packages;

/// The version that endorsements of system chaincode name.
pub(crate) const SYSTEM_VERSION: &str = "syscc";

/// The chaincodes that are part of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Definitions of chaincode.
    Lifecycle,
    /// Queries of the ledger.
    Qscc,
    /// Channels and their configuration.
    Cscc,
}

/// What one proposal's calls have in common.
pub(crate) struct Call<'a> {
    /// The peer.
    pub(crate) peer: &'a Arc<Peer>,
    /// The proposal.
    pub(crate) opened: &'a Opened,
    /// The proposal as it was signed.
    pub(crate) signed: &'a SignedProposal,
    /// Its creator, whose signature is checked.
    pub(crate) identity: &'a Arc<Identity>,
    /// When the call must be over.
    pub(crate) deadline: Instant,
}

/// What a call gave.
#[derive(Debug)]
pub(crate) struct Executed {
    /// The chaincode's answer.
    pub(crate) response: Response,
    /// The event that it set.
    pub(crate) event: Option<ChaincodeEvent>,
    /// The version that the endorsement names.
    pub(crate) version: String,
}

// === impl Call ===

impl Call<'_> {
    /// The creator's signature over the proposal, for the rules of whichever channel.
    pub(crate) fn signed_data(&self) -> SignedData {
        SignedData {
            identity: self.opened.signature_header.creator.clone(),
            data: self.signed.proposal_bytes.clone(),
            signature: self.signed.signature.clone(),
        }
    }
}

// === impl System ===

impl System {
    /// The system chaincode of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "_lifecycle" => Some(Self::Lifecycle),
            "qscc" => Some(Self::Qscc),
            "cscc" => Some(Self::Cscc),
            _ => None,
        }
    }

    /// Whether a call of it works on a simulation; the others only query.
    pub(crate) fn simulates(self) -> bool {
        self == Self::Lifecycle
    }
}

/// Whether this namespace belongs to the peer and never to an application.
pub(crate) fn is_system(name: &str) -> bool {
    System::of(name).is_some() || matches!(name, "lscc" | "escc" | "vscc")
}

/// An argument as text, for function and channel names.
fn text(args: &[Bytes], index: usize) -> String {
    args.get(index).map(|arg| String::from_utf8_lossy(arg).into_owned()).unwrap_or_default()
}
