//! New certificates from an organisation's running CA, so that they stand in its log.
//!
//! Who has a certificate of the CA enrols again by it; who has none yet, or one that ended, is registered and enrols by a
//! secret that serves once. Calls block; callers give them a thread.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use carecord_ca::client::Registration;
use carecord_ca::client::{Client, ClientError, Credential, EnrollOptions, Enrollment, KeptKey};
use carecord_ca::{Attribute, Issued, make_secret};

use super::failed;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::{ca_of, client, registrar, said};
use crate::process::Process;
use crate::session::Session;
use crate::state::NodeEntry;

/// How long a CA may take to accept a connection.
const PROBE: Duration = Duration::from_millis(500);
const TLS: &str = "tls";
/// A secret for one enrolment serves once.
const ONCE: i64 = 1;
/// Every number of enrolments, for an identity that has used its own up.
const ANY: i64 = -1;

/// Who wants certificates, as the CA knows them or shall know them.
pub(super) struct Asked {
    /// Enrolment id: the common name.
    pub(super) id: String,
    /// Type: the organisational unit.
    pub(super) kind: String,
    /// Attributes of who is not registered yet.
    pub(super) attributes: Vec<Attribute>,
    /// Certificate and key in force.
    pub(super) current: Option<Credential>,
    /// Names and addresses for TLS.
    pub(super) hosts: Vec<String>,
    /// Whether the signing key stays.
    pub(super) keep_key: bool,
}

/// The CA of `organisation`, if it runs.
pub(super) fn running(session: &Session, organisation: &str) -> Option<NodeEntry> {
    let ca = ca_of(session.file(), organisation).ok()?;
    Process::of_file(&ca.pid_file).map(|_| ca.clone())
}

/// The CA of `organisation` if it has one, which must run then: what its keys in the folder made would stand in no log of
/// its, and whom only a list revokes would get other certificates from it.
pub(super) fn required(session: &Session, organisation: &str) -> Outcome<Option<NodeEntry>> {
    let Ok(ca) = ca_of(session.file(), organisation) else { return Ok(None) };
    if Process::of_file(&ca.pid_file).is_some() || takes_connections(ca) {
        return Ok(Some(ca.clone()));
    }
    let cause = format!("{} does not run, and what its keys made would stand in no log", ca.name);
    let dir = session.dir().root().display();
    Err(Failure::new(Code::CaUnreachable, cause)
        .at(organisation)
        .hint(format!("nothing was done; `carecord network up --dir {dir} --detach` starts it")))
}

/// Whether a process of another machine may be there.
fn takes_connections(ca: &NodeEntry) -> bool {
    let mut addresses = ca.address.to_socket_addrs().into_iter().flatten();
    addresses.any(|address| TcpStream::connect_timeout(&address, PROBE).is_ok())
}

/// Fails if somebody wants to say how long certificates of a running CA hold.
pub(super) fn refuse_days(ca: &NodeEntry, whose: &str, days: Option<u32>) -> Outcome<()> {
    if days.is_none() {
        return Ok(());
    }
    Err(Failure::new(Code::Argument, "--days is not this command's to decide")
        .at(whose)
        .hint(format!("{} runs: limits.certificate_days in its node.toml says how long", ca.name)))
}

/// Does `call` on a thread of its own: load and consensus must not wait for a CA.
pub(super) async fn apart<T: Send + 'static>(
    call: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let done = tokio::task::spawn_blocking(call).await;
    done.map_err(|error| Failure::new(Code::Renew, error))?
}

// === impl Asked ===

impl Asked {
    /// A signing certificate and one for TLS.
    pub(super) fn both(&self, ca: &NodeEntry) -> Outcome<(Issued, Issued)> {
        let client = client(ca)?;
        let signing = match self.again(&client)? {
            Some(enrolled) => enrolled,
            None => self.first(&client, &registrar(ca)?, &self.signing())?,
        };
        let tls = client.reenroll(&signing.credential, &self.tls()).map_err(said)?;
        Ok((issued(signing), issued(tls)))
    }

    /// One for TLS alone.
    pub(super) fn tls_only(&self, ca: &NodeEntry) -> Outcome<Issued> {
        self.first(&client(ca)?, &registrar(ca)?, &self.tls()).map(issued)
    }

    fn signing(&self) -> EnrollOptions {
        let kept = self.current.as_ref().filter(|_| self.keep_key);
        let keep = kept.map(|current| KeptKey(current.key_pem.clone()));
        EnrollOptions { keep, ..EnrollOptions::default() }
    }

    fn tls(&self) -> EnrollOptions {
        let (profile, hosts) = (Some(TLS.to_owned()), self.hosts.clone());
        EnrollOptions { profile, hosts, ..EnrollOptions::default() }
    }

    /// By the certificate in force; nothing if the CA does not take it.
    fn again(&self, client: &Client) -> Outcome<Option<Enrollment>> {
        let Some(current) = &self.current else { return Ok(None) };
        match client.reenroll(current, &self.signing()) {
            Ok(enrolled) => Ok(Some(enrolled)),
            Err(ClientError::Refused { status: 401, .. }) => Ok(None),
            Err(error) => Err(said(error)),
        }
    }

    /// By a secret that the registrar gives. Who is registered already, by a run that was cut short or before a
    /// certificate was made with the CA's keys, gets another; the CA refuses who was revoked.
    fn first(
        &self,
        client: &Client,
        registrar: &Credential,
        options: &EnrollOptions,
    ) -> Outcome<Enrollment> {
        let secret = make_secret().map_err(failed)?;
        if is_known(client, registrar, &self.id)? {
            client.set_secret(registrar, &self.id, &secret, ANY).map_err(said)?;
        } else {
            let registration = Registration {
                id: Some(self.id.clone()),
                kind: Some(self.kind.clone()),
                secret: Some(secret.to_string()),
                max_enrollments: ONCE,
                attrs: self.attributes.clone(),
                ..Registration::default()
            };
            client.register(registrar, &registration).map_err(said)?;
        }
        client.enroll(&self.id, &secret, options).map_err(said)
    }
}

/// Whether the CA has an identity `id`.
pub(super) fn is_known(client: &Client, registrar: &Credential, id: &str) -> Outcome<bool> {
    match client.identity(registrar, id) {
        Ok(_) => Ok(true),
        Err(ClientError::Refused { status: 404, .. }) => Ok(false),
        Err(error) => Err(said(error)),
    }
}

fn issued(enrolled: Enrollment) -> Issued {
    let Credential { certificate_pem, key_pem } = enrolled.credential;
    Issued { certificate_pem, key_pem }
}
