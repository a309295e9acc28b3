//! Endorse: enough peers of enough organisations sign the same result; the client gets the transaction to sign.
//!
//! The first endorsement comes from the gateway's own organisation; what it touched tells which others are needed.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use carecord_comm::with_details;
use carecord_proto::{
    common::Envelope,
    gateway::{EndorseRequest, EndorseResponse, ErrorDetail},
    proposal::Opened,
    protos::{ChaincodeCall, ChaincodeInterest, Endorsement, ProposalResponse, SignedProposal},
    transaction,
};
use futures::future::join_all;
use parking_lot::Mutex;
use rand::seq::SliceRandom;
use tonic::{Code, Status};

use super::{
    answer::Failure,
    endorsers::{Endorser, endorsers},
    in_time,
    layouts::{Layout, layouts},
    plan::{PeerIndex, Plan},
};
use crate::{channel::Channel, endorser::Purpose, peer::Peer};

const FIRST_LATE: &str = "endorsement timeout expired while collecting first endorsement";
const LATE: &str = "endorsement timeout expired while collecting endorsements";
const FIRST_FAILED: &str = "failed to endorse transaction, see attached details for more info";
const FAILED: &str =
    "failed to collect enough transaction endorsements, see attached details for more info";
const PROTECT: &str = "no endorsers found in the gateway's organization; retry specifying endorsing \
     organization(s) to protect transient data";

/// How long to wait before each further attempt while the peers are divided.
///
/// A client that acts on its last commit meets peers of which one is often still a block behind. Fabric aborts then and
/// leaves the repeating to the client.
const DIVIDED: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
];

/// One transaction's way to its endorsements.
struct Collecting<'a> {
    peer: &'a Arc<Peer>,
    channel: Option<Arc<Channel>>,
    signed: &'a SignedProposal,
    opened: &'a Opened,
    endorsers: Vec<Endorser>,
    deadline: Option<Instant>,
}

/// Collects endorsements and joins them to a transaction.
pub(super) async fn endorse(
    peer: &Arc<Peer>,
    request: EndorseRequest,
    deadline: Option<Instant>,
) -> Result<EndorseResponse, Status> {
    if request == EndorseRequest::default() {
        return Err(Status::invalid_argument("an endorse request is required"));
    }
    let signed = request.proposed_transaction.unwrap_or_default();
    if signed.proposal_bytes.is_empty() {
        let text = "the proposed transaction must contain a signed proposal";
        return Err(Status::invalid_argument(text));
    }
    let opened =
        Opened::open(&signed).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let channel = peer.channel(opened.channel_id());
    let endorsers = endorsers(peer, channel.as_ref(), &opened.chaincode);
    let collecting =
        Collecting { peer, channel, signed: &signed, opened: &opened, endorsers, deadline };
    let (payload, endorsements) = collecting.endorsements(&request.endorsing_organizations).await?;
    let responses: Vec<_> =
        endorsements.into_iter().map(|endorsement| success(payload.clone(), endorsement)).collect();
    let payload = transaction::build(&opened, &responses)
        .map_err(|error| Status::aborted(format!("failed to assemble transaction: {error}")))?;
    let prepared = Envelope { payload, signature: Bytes::new() };
    Ok(EndorseResponse { prepared_transaction: Some(prepared) })
}

fn success(payload: Bytes, endorsement: Endorsement) -> ProposalResponse {
    let response = carecord_proto::protos::Response { status: 200, ..Default::default() };
    ProposalResponse {
        response: Some(response),
        payload,
        endorsement: Some(endorsement),
        ..ProposalResponse::default()
    }
}

// === impl Collecting ===

impl Collecting<'_> {
    /// The payload on which enough peers agree, and their endorsements.
    async fn endorsements(&self, orgs: &[String]) -> Result<(Bytes, Vec<Endorsement>), Status> {
        let mut waits = DIVIDED.into_iter();
        loop {
            let mut plan = if orgs.is_empty() {
                self.plan_from_first().await?
            } else {
                self.plan_for_orgs(orgs)?
            };
            self.collect(&mut plan).await?;
            if let Some(completed) = plan.completed() {
                return Ok(completed);
            }
            match waits.next() {
                Some(wait) if plan.is_divided() => tokio::time::sleep(wait).await,
                _ => return Err(with_details(Code::Aborted, FAILED, plan.into_details())),
            }
        }
    }

    /// One peer of each organisation that the client names.
    fn plan_for_orgs(&self, orgs: &[String]) -> Result<Plan, Status> {
        let peers = self.peers();
        let missing: Vec<&str> =
            orgs.iter().filter(|org| !peers.contains_key(*org)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Status::unavailable(format!(
                "failed to find any endorsing peers for org(s): {}",
                missing.join(", ")
            )));
        }
        let layout: Layout = orgs.iter().map(|org| (org.clone(), 1)).collect();
        Ok(Plan::new(vec![layout], peers))
    }

    /// A first endorsement, and the plan that follows from what it touched.
    async fn plan_from_first(&self) -> Result<Plan, Status> {
        let own = self.peer.config().signer.msp_id();
        let is_own = |endorser: &Endorser| endorser.msp_id() == own;
        let has_transient = !self.opened.transient().is_empty();
        let mut firsts: Vec<PeerIndex> =
            (0..self.endorsers.len()).filter(|index| is_own(&self.endorsers[*index])).collect();
        if firsts.is_empty() {
            if has_transient {
                return Err(Status::failed_precondition(PROTECT));
            }
            // Nobody at home can run it: begin with whomever the chaincode's policy names.
            let mut plan = self.plan(&self.default_interest(), None)?;
            firsts = plan.next_endorsers().into_iter().map(|(_, index)| index).collect();
        }
        let first = in_time(self.deadline, FIRST_LATE, self.first(&firsts)).await?;
        let (index, response) = first;
        let interest = response.interest.clone().filter(|it| !it.chaincodes.is_empty());
        let interest = interest.unwrap_or_else(|| self.default_interest());
        let mut plan = match has_transient {
            true => self.protected_plan(&interest, index)?,
            false => self.plan(&interest, Some(index))?,
        };
        let org = self.endorsers[index].msp_id();
        // The first answer cannot differ from itself.
        let _ = plan.endorsed(org, index, &response);
        Ok(plan)
    }

    /// A plan by which transient data goes to members of the collections alone, whether or not they read them.
    fn protected_plan(
        &self,
        interest: &ChaincodeInterest,
        first: PeerIndex,
    ) -> Result<Plan, Status> {
        let mut careful = interest.clone();
        let mut collections = Vec::new();
        for call in careful.chaincodes.iter_mut().filter(|call| call.no_private_reads) {
            call.no_private_reads = false;
            collections.extend(call.collection_names.iter().cloned());
        }
        self.plan(&careful, Some(first)).map_err(|refused| {
            if collections.is_empty() || self.plan(interest, Some(first)).is_err() {
                return refused;
            }
            Status::failed_precondition(format!(
                "requires endorsement from organisation(s) that are not in the distribution policy \
                 of the private data collection(s): [{}]; retry specifying trusted endorsing \
                 organizations to protect transient data",
                collections.join(" ")
            ))
        })
    }

    async fn first(
        &self,
        candidates: &[PeerIndex],
    ) -> Result<(PeerIndex, ProposalResponse), Status> {
        let mut details = Vec::new();
        for index in candidates {
            match self.propose(*index).await {
                Ok(response) => return Ok((*index, response)),
                Err(failure) => details.push(self.detail(*index, &failure)),
            }
        }
        Err(with_details(Code::Aborted, FIRST_FAILED, details))
    }

    /// Layouts with the first endorser's organisation come first; among equals chance decides, to spread the load.
    fn plan(&self, interest: &ChaincodeInterest, first: Option<PeerIndex>) -> Result<Plan, Status> {
        let unsatisfiable = |reason: &str| {
            Status::failed_precondition(format!(
                "no combination of peers can be derived which satisfy the endorsement policy: {reason}"
            ))
        };
        let channel = self.channel.as_ref().ok_or_else(|| {
            unsatisfiable(&format!("channel {} is unknown", self.opened.channel_id()))
        })?;
        let mut ways = layouts(channel, &channel.bundle(), interest)
            .map_err(|reason| unsatisfiable(&reason))?
            .to_vec();
        if ways.is_empty() {
            return Err(unsatisfiable("no principal combination satisfies it"));
        }
        let peers = self.peers();
        let up = |org: &str, wanted: usize| {
            let up = peers.get(org).into_iter().flatten().filter(|peer| self.is_up(**peer));
            up.count() >= wanted
        };
        ways.retain(|way| {
            way.iter().all(|(org, wanted)| peers.get(org).is_some_and(|p| p.len() >= *wanted))
        });
        if ways.is_empty() {
            return Err(Status::failed_precondition(format!(
                "failed to select a set of endorsers that satisfy the endorsement policy due to \
                 unavailability of peers: [{}]",
                self.unavailable().join(" ")
            )));
        }
        ways.shuffle(&mut rand::rng());
        let first_org = first.map(|index| self.endorsers[index].msp_id());
        ways.sort_by_key(|way| {
            let without_first = first_org.is_some_and(|org| !way.contains_key(org));
            let down = !way.iter().all(|(org, wanted)| up(org, *wanted));
            (without_first, down)
        });
        Ok(Plan::new(ways, peers))
    }

    /// Layout after layout until one is complete.
    async fn collect(&self, plan: &mut Plan) -> Result<(), Status> {
        while !plan.is_complete() {
            let chosen = plan.next_endorsers();
            if chosen.is_empty() {
                break;
            }
            let shared = Mutex::new(&mut *plan);
            let asking = chosen.into_iter().map(|(org, peer)| self.obtain(&shared, org, peer));
            let all = async { Ok(join_all(asking).await) };
            let lost = in_time(self.deadline, LATE, all).await?;
            let lost: Vec<String> = lost.into_iter().flatten().collect();
            plan.abandon(&lost);
        }
        Ok(())
    }

    /// Asks an organisation's peers one after the other; gives the organisation if none of them helped.
    async fn obtain(
        &self,
        plan: &Mutex<&mut Plan>,
        org: String,
        mut peer: PeerIndex,
    ) -> Option<String> {
        loop {
            match self.propose(peer).await {
                Ok(response) => {
                    let endorsed = plan.lock().endorsed(&org, peer, &response);
                    if endorsed.is_ok() {
                        return None;
                    }
                    tracing::warn!(
                        channel = self.opened.channel_id(),
                        chaincode = self.opened.chaincode,
                        endorser = self.endorsers[peer].address(),
                        "ProposalResponsePayloads do not match"
                    );
                    let failure = Failure::unavailable("ProposalResponsePayloads do not match");
                    plan.lock().failed(self.detail(peer, &failure));
                }
                Err(failure) => {
                    let mut plan = plan.lock();
                    if failure.code == Code::Unknown {
                        plan.refused();
                    }
                    plan.failed(self.detail(peer, &failure));
                }
            }
            let Some(another) = plan.lock().another(&org) else { return Some(org) };
            peer = another;
        }
    }

    async fn propose(&self, peer: PeerIndex) -> Result<ProposalResponse, Failure> {
        self.endorsers[peer].propose(self.peer, self.signed, Purpose::Endorse).await
    }

    fn detail(&self, peer: PeerIndex, failure: &Failure) -> ErrorDetail {
        let endorser = &self.endorsers[peer];
        failure.detail(endorser.address(), endorser.msp_id())
    }

    fn default_interest(&self) -> ChaincodeInterest {
        let name = self.opened.chaincode.clone();
        ChaincodeInterest { chaincodes: vec![ChaincodeCall { name, ..ChaincodeCall::default() }] }
    }

    fn peers(&self) -> BTreeMap<String, std::collections::VecDeque<PeerIndex>> {
        let mut peers: BTreeMap<String, std::collections::VecDeque<PeerIndex>> = BTreeMap::new();
        for (index, endorser) in self.endorsers.iter().enumerate() {
            peers.entry(endorser.msp_id().to_owned()).or_default().push_back(index);
        }
        peers
    }

    fn is_up(&self, peer: PeerIndex) -> bool {
        match &self.endorsers[peer] {
            Endorser::Own(_) => true,
            Endorser::Remote(remote) => remote.is_up(),
        }
    }

    fn unavailable(&self) -> Vec<&str> {
        let down = (0..self.endorsers.len()).filter(|peer| !self.is_up(*peer));
        down.map(|peer| self.endorsers[peer].address()).collect()
    }
}
