//! The membership services of a network as commands use them: where an organisation's is, and its registrar.

use carecord_ca::client::{Client, ClientError, Credential, EnrollOptions, MspNames};
use carecord_ca::client::{read_msp, write_msp};

use crate::bringup::{ca_registrar, now_unix_s};
use crate::codes::Code;
use crate::error::{Exit, Failure, Outcome};
use crate::node::ca::failure;
use crate::state::{NetworkFile, NodeEntry, read_credential, read_text};

/// A registrar's certificate that ends sooner than this is replaced before it is used.
const FRESH_S: i64 = 7 * 86_400;
/// Fabric-CA's number for a proof that does not hold.
const AUTHENTICATION: u64 = 20;

/// The CA that `organisation` runs.
pub fn ca_of<'a>(file: &'a NetworkFile, organisation: &str) -> Outcome<&'a NodeEntry> {
    file.organisation(organisation)?;
    file.nodes_of("ca").find(|node| node.organisation == organisation).ok_or_else(|| {
        Failure::new(Code::NoCa, format!("organisation {organisation} runs no CA"))
            .hint("`carecord network up --ca` gives every organisation one")
    })
}

/// A client of the CA `node`.
pub fn client(node: &NodeEntry) -> Outcome<Client> {
    let roots = [read_credential(&node.tls_ca_file)?];
    Client::new(&node.address, &node.tls_server_name, &roots, None).map_err(said)
}

/// The first registrar of the CA `node`, enrolled when it is first needed and again before its certificate ends.
pub fn registrar(node: &NodeEntry) -> Outcome<Credential> {
    let folder = ca_registrar::msp(node);
    if let Ok(credential) = read_msp(&folder)
        && credential.expires_at().is_ok_and(|end| end > now_unix_s() + FRESH_S)
    {
        return Ok(credential);
    }
    let secret = read_text(&ca_registrar::secret(node))?;
    let enrolled = client(node)?
        .enroll(ca_registrar::ID, secret.trim_end(), &EnrollOptions::default())
        .map_err(said)?;
    write_msp(&folder, &enrolled, &MspNames { ca: node.name.clone(), tls: false })
        .map_err(failure)?;
    Ok(enrolled.credential)
}

/// A refusal or failure of a CA as the user sees it.
pub fn said(error: ClientError) -> Failure {
    match &error {
        ClientError::Unreachable { .. } => Failure::new(Code::CaUnreachable, error)
            .hint("does it run? `carecord network status` shows it"),
        ClientError::Answer(_) => Failure::new(Code::CaUnreachable, error).exit(Exit::Failed),
        ClientError::Refused { code: AUTHENTICATION, .. } => Failure::new(Code::CaRefused, error)
            .hint("wrong id or secret, a secret that was used up, or a certificate that was revoked or has expired; the CA's log has the reason"),
        ClientError::Refused { code: 71, .. } => Failure::new(Code::CaRefused, error)
            .hint("the registrar may not give this type, affiliation, attribute or role, or there is none of this name; the CA's log has the reason"),
        ClientError::Refused { .. } => Failure::new(Code::CaRefused, error),
        ClientError::Credential(_) => Failure::new(Code::Certificate, error),
    }
}
