//! An endorsement plan: ways to satisfy the policies, the peers that are left to ask, what came back. No I/O.
//!
//! Place in the flow: `endorse.rs` asks the plan whom to ask, tells it what they answered, and ends when a layout is
//! complete or none is left. An endorsement counts for every layout that wants its organisation.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use carecord_proto::{
    gateway::ErrorDetail,
    protos::{Endorsement, ProposalResponse},
};

use super::layouts::Layout;

/// A peer, by its position in the caller's list.
pub(super) type PeerIndex = usize;

/// The state of one transaction's endorsement.
#[derive(Debug)]
pub(super) struct Plan {
    layouts: Vec<Option<Attempt>>,
    next: usize,
    left: BTreeMap<String, VecDeque<PeerIndex>>,
    payload: Option<Bytes>,
    completed: Option<Vec<Endorsement>>,
    details: Vec<ErrorDetail>,
    divided: bool,
}

/// One layout under way.
#[derive(Debug)]
struct Attempt {
    missing: Layout,
    endorsements: Vec<Endorsement>,
}

/// An answer that differs from the first one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differs;

// === impl Plan ===

impl Plan {
    /// A plan over `layouts`, best first, and the peers of each organisation, best first.
    pub(super) fn new(layouts: Vec<Layout>, peers: BTreeMap<String, VecDeque<PeerIndex>>) -> Self {
        let attempt = |missing| Some(Attempt { missing, endorsements: Vec::new() });
        Self {
            layouts: layouts.into_iter().map(attempt).collect(),
            next: 0,
            left: peers,
            payload: None,
            completed: None,
            details: Vec::new(),
            divided: false,
        }
    }

    /// Whom to ask for the next layout that can still be completed, with the organisation; empty if there is none.
    pub(super) fn next_endorsers(&mut self) -> Vec<(String, PeerIndex)> {
        while let Some(layout) = self.layouts.get_mut(self.next) {
            let Some(attempt) = layout else {
                self.next += 1;
                continue;
            };
            let left = &self.left;
            let enough = |(org, wanted): (&String, &usize)| {
                left.get(org).is_some_and(|peers| peers.len() >= *wanted)
            };
            if !attempt.missing.iter().all(enough) {
                *layout = None;
                self.next += 1;
                continue;
            }
            let mut chosen = Vec::new();
            for (org, wanted) in &attempt.missing {
                let peers = self.left.entry(org.clone()).or_default();
                chosen.extend(peers.drain(..*wanted).map(|peer| (org.clone(), peer)));
            }
            return chosen;
        }
        Vec::new()
    }

    /// Another peer of the organisation, in place of one that failed.
    pub(super) fn another(&mut self, org: &str) -> Option<PeerIndex> {
        self.left.get_mut(org)?.pop_front()
    }

    /// Takes a successful answer of an organisation's peer.
    pub(super) fn endorsed(
        &mut self,
        org: &str,
        peer: PeerIndex,
        response: &ProposalResponse,
    ) -> Result<(), Differs> {
        if let Some(left) = self.left.get_mut(org) {
            left.retain(|other| *other != peer);
        }
        match &self.payload {
            None => self.payload = Some(response.payload.clone()),
            Some(first) if *first != response.payload => {
                self.divided = true;
                return Err(Differs);
            }
            Some(_) => {}
        }
        let Some(endorsement) = &response.endorsement else { return Ok(()) };
        for attempt in self.layouts.iter_mut().skip(self.next).flatten() {
            let Some(missing) = attempt.missing.get_mut(org) else { continue };
            *missing -= 1;
            if *missing == 0 {
                attempt.missing.remove(org);
            }
            attempt.endorsements.push(endorsement.clone());
            if attempt.missing.is_empty() && self.completed.is_none() {
                self.completed = Some(attempt.endorsements.clone());
            }
        }
        Ok(())
    }

    /// Goes on to the next layout; those that need one of these organisations cannot be completed any more.
    pub(super) fn abandon(&mut self, orgs: &[String]) {
        for layout in self.layouts.iter_mut().skip(self.next) {
            let needs =
                |attempt: &Attempt| orgs.iter().any(|org| attempt.missing.contains_key(org));
            if layout.as_ref().is_some_and(needs) {
                *layout = None;
            }
        }
        self.next += 1;
    }

    /// Notes why a peer's answer does not count.
    pub(super) fn failed(&mut self, detail: ErrorDetail) {
        self.details.push(detail);
    }

    /// Notes that a peer's chaincode refused what another peer may have endorsed.
    pub(super) fn refused(&mut self) {
        self.divided = true;
    }

    /// Whether peers gave different answers, as they do while one of them is a block behind.
    pub(super) fn is_divided(&self) -> bool {
        self.divided && self.payload.is_some()
    }

    /// The endorsed payload and the endorsements of the layout that is complete.
    pub(super) fn completed(&mut self) -> Option<(Bytes, Vec<Endorsement>)> {
        Some((self.payload.clone()?, self.completed.take()?))
    }

    /// Whether a layout is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.completed.is_some()
    }

    /// What went wrong on the way.
    pub(super) fn into_details(self) -> Vec<ErrorDetail> {
        self.details
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(orgs: &[&str]) -> Layout {
        orgs.iter().map(|org| ((*org).to_owned(), 1)).collect()
    }

    fn peers(orgs: &[(&str, &[PeerIndex])]) -> BTreeMap<String, VecDeque<PeerIndex>> {
        orgs.iter()
            .map(|(org, peers)| ((*org).to_owned(), peers.iter().copied().collect()))
            .collect()
    }

    fn answer(payload: &'static [u8], endorser: &'static [u8]) -> ProposalResponse {
        let endorsement = Endorsement { endorser: endorser.into(), signature: Bytes::new() };
        ProposalResponse {
            payload: payload.into(),
            endorsement: Some(endorsement),
            ..ProposalResponse::default()
        }
    }

    fn asked(plan: &mut Plan) -> Vec<PeerIndex> {
        plan.next_endorsers().into_iter().map(|(_, peer)| peer).collect()
    }

    #[test]
    fn a_layout_is_complete_when_each_organisation_has_endorsed() {
        let mut plan = Plan::new(vec![layout(&["A", "B"])], peers(&[("A", &[0]), ("B", &[1])]));
        assert_eq!(asked(&mut plan), [0, 1]);
        plan.endorsed("A", 0, &answer(b"x", b"a")).expect("first");
        assert!(!plan.is_complete());
        plan.endorsed("B", 1, &answer(b"x", b"b")).expect("equal");
        let (payload, endorsements) = plan.completed().expect("complete");
        assert_eq!(payload, "x");
        assert_eq!(endorsements.len(), 2);
    }

    #[test]
    fn the_first_endorsement_is_not_asked_for_again() {
        let layouts = vec![layout(&["A", "B"]), layout(&["A", "C"])];
        let mut plan = Plan::new(layouts, peers(&[("A", &[0, 3]), ("B", &[1]), ("C", &[2])]));
        plan.endorsed("A", 0, &answer(b"x", b"a")).expect("first");
        assert_eq!(asked(&mut plan), [1]);
    }

    #[test]
    fn an_organisation_that_fails_makes_way_for_another() {
        let layouts = vec![layout(&["A", "B"]), layout(&["A", "C"])];
        let mut plan = Plan::new(layouts, peers(&[("A", &[0]), ("B", &[1]), ("C", &[2])]));
        plan.endorsed("A", 0, &answer(b"x", b"a")).expect("first");
        assert_eq!(asked(&mut plan), [1]);
        assert_eq!(plan.another("B"), None);
        plan.abandon(&["B".to_owned()]);
        assert_eq!(asked(&mut plan), [2]);
        plan.endorsed("C", 2, &answer(b"x", b"c")).expect("equal");
        assert!(plan.is_complete());
    }

    #[test]
    fn a_layout_without_peers_is_passed_over() {
        let layouts = vec![layout(&["A", "B"]), layout(&["A", "C"])];
        let mut plan = Plan::new(layouts, peers(&[("A", &[0]), ("C", &[2])]));
        assert_eq!(asked(&mut plan), [0, 2]);
        let mut none = Plan::new(vec![layout(&["B"])], peers(&[]));
        assert!(asked(&mut none).is_empty());
    }

    #[test]
    fn an_answer_that_differs_does_not_count() {
        let mut plan = Plan::new(vec![layout(&["A", "B"])], peers(&[("A", &[0]), ("B", &[1])]));
        plan.endorsed("A", 0, &answer(b"x", b"a")).expect("first");
        assert!(!plan.is_divided());
        assert_eq!(plan.endorsed("B", 1, &answer(b"y", b"b")), Err(Differs));
        assert!(!plan.is_complete());
        assert!(plan.is_divided());
    }

    #[test]
    fn a_refusal_divides_only_those_of_whom_one_endorsed() {
        let mut plan = Plan::new(vec![layout(&["A", "B"])], peers(&[("A", &[0]), ("B", &[1])]));
        plan.refused();
        assert!(!plan.is_divided());
        plan.endorsed("A", 0, &answer(b"x", b"a")).expect("first");
        assert!(plan.is_divided());
    }

    #[test]
    fn two_of_one_organisation_are_two_endorsements() {
        let two = Layout::from([("A".to_owned(), 2)]);
        let mut plan = Plan::new(vec![two], peers(&[("A", &[0, 1, 2])]));
        assert_eq!(asked(&mut plan), [0, 1]);
        plan.endorsed("A", 0, &answer(b"x", b"a")).expect("first");
        plan.endorsed("A", 1, &answer(b"x", b"b")).expect("equal");
        assert!(plan.is_complete());
    }
}
