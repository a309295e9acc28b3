//! Who issues a node's new certificates: the organisation's CA, so that they stand in its log, or whoever has its keys.

use carecord_ca::client::{Client, ClientError, Credential, EnrollOptions, Enrollment};
use carecord_ca::client::{Registration, read_msp};
use carecord_ca::layout::MemberFolder;
use carecord_ca::{Issued, NodeRole, Validity, make_secret};

use super::{ORDERER, failed, folder_of, hosts, organisation};
use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::{ca_of, client, registrar, said};
use crate::process::Process;
use crate::session::Session;
use crate::state::NodeEntry;

const TLS: &str = "tls";
/// A secret for one enrolment serves once.
const ONCE: i64 = 1;
/// Every number of enrolments, for an identity that has used its own up.
const ANY: i64 = -1;

/// Who issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The CA's process, in whose log the certificates stand.
    Ca,
    /// This command, with the CA's keys.
    Keys,
}

/// A node's new certificates.
pub(super) struct New {
    pub(super) signing: Issued,
    pub(super) tls: Issued,
    pub(super) from: Issuer,
}

// === impl Issuer ===

impl Issuer {
    /// What is told of a node that has new certificates.
    pub fn said(self) -> &'static str {
        match self {
            Self::Ca => "new certificates of its CA are in force",
            Self::Keys => "new certificates are in force",
        }
    }
}

/// New certificates for a node, and where they belong.
pub(super) async fn of(
    session: &Session,
    node: &NodeEntry,
    days: Option<u32>,
) -> Outcome<(MemberFolder, New)> {
    let folder = folder_of(session, &node.organisation)?;
    let member = folder.node(&node.name).map_err(failed)?;
    let hosts = hosts(&member)?;
    let ca = ca_of(session.file(), &node.organisation).ok().cloned();
    let Some(ca) = ca.filter(|ca| Process::of_file(&ca.pid_file).is_some()) else {
        return with_keys(session, node, &hosts, days.unwrap_or(super::DAYS));
    };
    if days.is_some() {
        return Err(Failure::new(Code::Argument, "--days is not this command's to decide")
            .at(&node.name)
            .hint(format!(
                "{} runs: limits.certificate_days in its node.toml says how long",
                ca.name
            )));
    }
    let asked = Asked {
        id: member.full_name().to_owned(),
        kind: role_of(node).ou(),
        current: read_msp(&member.msp()).ok(),
        hosts,
    };
    // The client blocks; load and consensus of the node that waits must not.
    let issued = tokio::task::spawn_blocking(move || asked.at(&ca)).await;
    let new = issued.map_err(|error| Failure::new(Code::Renew, error))??;
    Ok((member, new))
}

fn role_of(node: &NodeEntry) -> NodeRole {
    if node.role == ORDERER { NodeRole::Orderer } else { NodeRole::Peer }
}

fn with_keys(
    session: &Session,
    node: &NodeEntry,
    hosts: &[String],
    days: u32,
) -> Outcome<(MemberFolder, New)> {
    let (folder, authority) = organisation(session, &node.organisation)?;
    let member = folder.node(&node.name).map_err(failed)?;
    let validity = Validity::days_from(now_unix_s(), days);
    let signing = authority.node(member.full_name(), role_of(node), validity).map_err(failed)?;
    let tls = authority.tls(member.full_name(), hosts, validity).map_err(failed)?;
    Ok((member, New { signing, tls, from: Issuer::Keys }))
}

/// What a node wants of its CA.
struct Asked {
    id: String,
    kind: &'static str,
    current: Option<Credential>,
    hosts: Vec<String>,
}

// === impl Asked ===

impl Asked {
    fn at(&self, ca: &NodeEntry) -> Outcome<New> {
        let client = client(ca)?;
        let signing = match self.again(&client)? {
            Some(enrolled) => enrolled,
            None => self.first(&client, &registrar(ca)?)?,
        };
        let options = EnrollOptions {
            profile: Some(TLS.to_owned()),
            hosts: self.hosts.clone(),
            ..EnrollOptions::default()
        };
        let tls = client.reenroll(&signing.credential, &options).map_err(said)?;
        Ok(New { signing: issued(signing), tls: issued(tls), from: Issuer::Ca })
    }

    /// By the certificate in force; nothing if the CA does not know it.
    fn again(&self, client: &Client) -> Outcome<Option<Enrollment>> {
        let Some(current) = &self.current else { return Ok(None) };
        match client.reenroll(current, &EnrollOptions::default()) {
            Ok(enrolled) => Ok(Some(enrolled)),
            Err(ClientError::Refused { status: 401, .. }) => Ok(None),
            Err(error) => Err(said(error)),
        }
    }

    /// By a secret that the registrar gives. Who is registered already, by a run that was cut short or before a
    /// certificate was made with the CA's keys, gets another; the CA refuses who was revoked.
    fn first(&self, client: &Client, registrar: &Credential) -> Outcome<Enrollment> {
        let secret = make_secret().map_err(failed)?;
        match client.identity(registrar, &self.id) {
            Ok(_) => {
                client.set_secret(registrar, &self.id, &secret, ANY).map_err(said)?;
            }
            Err(ClientError::Refused { status: 404, .. }) => {
                let registration = Registration {
                    id: Some(self.id.clone()),
                    kind: Some(self.kind.to_owned()),
                    secret: Some(secret.to_string()),
                    max_enrollments: ONCE,
                    ..Registration::default()
                };
                client.register(registrar, &registration).map_err(said)?;
            }
            Err(error) => return Err(said(error)),
        }
        client.enroll(&self.id, &secret, &EnrollOptions::default()).map_err(said)
    }
}

fn issued(enrolled: Enrollment) -> Issued {
    let Credential { certificate_pem, key_pem } = enrolled.credential;
    Issued { certificate_pem, key_pem }
}
