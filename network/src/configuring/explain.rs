//! Why an update is refused, with whose signature is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use carecord_channel::config::update::{AuthorizeError, DeltaError, UpdateError};
use carecord_channel::policy::valid_identities;
use carecord_channel::{Bundle, SignedData};
use carecord_msp::Identity;
use carecord_proto::common::{ConfigUpdateEnvelope, Envelope};
use carecord_proto::envelope::Opened;
use prost::Message;

use crate::codes::Code;
use crate::error::Failure;

const ADMINS: &str = "Admins";
/// Sections whose groups are organisations.
const SECTIONS: [&str; 2] = ["Application", "Orderer"];

/// The refusal of the update in `envelope`; where signatures lack, it says whose.
pub fn missing(bundle: &Bundle, envelope: &Envelope, error: &UpdateError) -> Failure {
    let place = format!("channel {}", bundle.channel_id());
    match error {
        UpdateError::Authorize(AuthorizeError::Delta(DeltaError::Policy { name, .. })) => {
            let signers = identities(bundle, envelope);
            let signed = organisations(bundle, name, |policy| policy.evaluate(&signers).is_ok());
            let unsigned = organisations(bundle, name, |policy| policy.evaluate(&signers).is_err());
            let said = |names: &[String]| match names {
                [] => "nobody".to_owned(),
                names => names.join(", "),
            };
            Failure::new(Code::ConfigSignatures, error)
                .at(place)
                .hint(format!(
                    "signed as admin by {}; not signed by {}: `carecord channel config sign` (or `carecord org approve`) adds a signature",
                    said(&signed),
                    said(&unsigned)
                ))
        }
        error => refused(error).at(place),
    }
}

/// Any other refusal, as the ordering service words it.
pub(super) fn refused(error: &UpdateError) -> Failure {
    match error {
        UpdateError::Authorize(
            AuthorizeError::ReadVersion { .. } | AuthorizeError::Delta(DeltaError::Version { .. }),
        ) => Failure::new(Code::ConfigConflict, error)
            .hint("the configuration has changed since this update was made; make it again"),
        UpdateError::Authorize(AuthorizeError::Delta(DeltaError::Empty)) => {
            Failure::new(Code::ConfigSame, error)
        }
        _ => Failure::new(Code::ConfigRefused, error),
    }
}

/// Whoever signed the update inside an envelope.
pub(super) fn identities(bundle: &Bundle, envelope: &Envelope) -> Vec<Arc<Identity>> {
    let signatures = Opened::open(envelope)
        .ok()
        .and_then(|opened| ConfigUpdateEnvelope::decode(opened.payload.data).ok())
        .and_then(|update| SignedData::of_config_update(&update).ok())
        .unwrap_or_default();
    valid_identities(bundle.msps(), &signatures)
}

/// Organisations of the section that `element` belongs to (of both, if to neither) whose `Admins` policy passes `test`.
fn organisations(
    bundle: &Bundle,
    element: &str,
    test: impl Fn(&carecord_channel::policy::Policy) -> bool,
) -> Vec<String> {
    let path = element.split_once('/').map_or("", |(_, path)| path);
    let parts: Vec<&str> = path.split('/').collect();
    let section = parts.get(1).copied().filter(|name| SECTIONS.contains(name));
    // An organisation's own element is its own matter.
    let own = parts.get(2).copied();
    let mut names = BTreeSet::new();
    let root = bundle.config().channel_group.as_ref();
    for name in SECTIONS.into_iter().filter(|name| section.is_none_or(|section| section == *name)) {
        let groups = root.and_then(|root| root.groups.get(name)).map(|group| &group.groups);
        for organisation in groups.into_iter().flatten().map(|(organisation, _)| organisation) {
            let policy = bundle.policy(&format!("/Channel/{name}/{organisation}/{ADMINS}"));
            let concerned = own.is_none_or(|own| {
                own == organisation || !groups.is_some_and(|groups| groups.contains_key(own))
            });
            if concerned && test(&policy) {
                names.insert(organisation.clone());
            }
        }
    }
    names.into_iter().collect()
}
