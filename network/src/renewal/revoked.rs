//! Taking a person's certificates back: at the organisation's running CA, which then gives them no other, and by a list.

use bytes::Bytes;
use carecord_ca::client::Registration;
use carecord_proto::common::ConfigGroup;

use super::{at_ca, organisation, replaced};
use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::configuring;
use crate::error::{Failure, Outcome};
use crate::membership::{client, registrar, said};
use crate::session::Session;
use crate::state::{NodeEntry, UserEntry};

const REASON: &str = "unspecified";
const KIND: &str = "client";

/// People of one organisation whose certificates hold no longer, once a channel has the list.
pub struct Revoked {
    organisation: String,
    certificates: Vec<Certificate>,
    /// The list of the organisation's CA, if that runs.
    of_ca: Option<Bytes>,
}

/// Takes the certificates of `users` back: those in force, those before, and whatever else the CA has given them.
pub async fn revoke(session: &Session, users: &[&UserEntry]) -> Outcome<Revoked> {
    let organisation = users.first().map(|user| user.organisation.clone()).unwrap_or_default();
    if users.iter().any(|user| user.organisation != organisation) {
        let cause = "these people are of several organisations; revoke one after the other";
        return Err(Failure::new(Code::Argument, cause));
    }
    let mut certificates = Vec::new();
    for user in users {
        certificates.extend(replaced::certificates_of(user)?);
    }
    let of_ca = match at_ca::required(session, &organisation)? {
        None => None,
        Some(ca) => {
            let mut ids: Vec<_> = certificates.iter().map(|one| one.common_name.clone()).collect();
            ids.sort();
            ids.dedup();
            Some(at_ca::apart(move || at(&ca, &ids)).await?)
        }
    };
    Ok(Revoked { organisation, certificates, of_ca })
}

/// Revokes identities at a CA; the list it has then. Who is not known there becomes known as revoked, so that no
/// enrolment brings them back.
fn at(ca: &NodeEntry, ids: &[String]) -> Outcome<Bytes> {
    let (client, registrar) = (client(ca)?, registrar(ca)?);
    for id in ids {
        if !at_ca::is_known(&client, &registrar, id)? {
            let registration = Registration {
                id: Some(id.clone()),
                kind: Some(KIND.to_owned()),
                ..Registration::default()
            };
            client.register(&registrar, &registration).map_err(said)?;
        }
        client.revoke_identity(&registrar, id, REASON, false).map_err(said)?;
    }
    client.gencrl(&registrar, false).map(Bytes::from).map_err(said)
}

// === impl Revoked ===

impl Revoked {
    /// The list for a channel with this configuration: the CA's, if all stand on it; certificates that the CA does not know
    /// (bring-up made them) need one made with its keys.
    pub fn list(&self, session: &Session, root: &ConfigGroup) -> Outcome<Bytes> {
        if let Some(list) = &self.of_ca
            && self.certificates.iter().all(|one| configuring::is_listed(list, one))
        {
            return Ok(list.clone());
        }
        let mut before = configuring::lists(root, &self.organisation)?;
        before.extend(self.of_ca.clone());
        let (_, authority) = organisation(session, &self.organisation)?;
        configuring::revocation_list(&authority, &self.certificates, &before, now_unix_s())
            .map(Bytes::from)
    }
}
