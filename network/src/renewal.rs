//! New certificates in place of those that are in force, while the network runs.
//!
//! ```text
//! peer:    signing and TLS files ─▶ it reads them again
//! orderer: signing files ─▶ next TLS pair ─▶ the channels name it instead of the old one ─▶ it becomes the pair in force
//! ```
//!
//! At each step the files and the configuration in force fit together, so a node may start again at any moment, and a run
//! that was cut short is begun anew.
//!
//! Place in the flow: `carecord cert renew`.

mod at_ca;
mod authority;
mod consenter;
mod files;
mod issuing;
mod person;
mod replaced;
mod revoked;
mod taken;

use std::path::Path;

use carecord_ca::Organisation;
use carecord_ca::layout::OrganisationFolder;

use crate::bringup::{ca_failure, load_cas};
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::pairs;
use crate::session::Session;
use crate::state::NodeEntry;
use crate::topology::OrganisationRole;

pub(crate) use consenter::exchange;
pub(crate) use files::signing;
pub use issuing::Issuer;
pub use person::user;
pub use replaced::is_replaced;
pub use revoked::{Revoked, revoke};

/// Days that a renewed certificate holds, as one of bring-up.
pub const DAYS: u32 = 365;

const ORDERER: &str = "orderer";
const CA: &str = "ca";

/// What a renewal brought.
#[derive(Debug, Clone, Copy)]
pub struct Renewed {
    /// Last second of the new certificates.
    pub unix_s: i64,
    /// Who issued them.
    pub from: Issuer,
}

/// Gives a node a new signing and a new TLS certificate, of its organisation's CA if that runs, else made with the CA's
/// keys in the folder; a CA gets a TLS certificate only.
pub async fn node(session: &Session, node: &NodeEntry, days: Option<u32>) -> Outcome<Renewed> {
    if node.role == CA {
        return authority::renew(session, node, days).await;
    }
    if node.role == ORDERER {
        // Before anything is changed: what would be refused after the new signing certificate is refused now.
        consenter::all_vote(session, node).await?;
    }
    let (member, new) = issuing::of(session, node, days).await?;
    let before = taken::counts(node);
    files::signing(&member, &new.signing)?;
    taken::wait(node, "identity", before.identity).await?;
    if node.role == ORDERER {
        consenter::renew(session, node, &member, &new.tls).await?;
    } else {
        pairs::put(&member.tls_certificate(), &member.tls_key(), &new.tls)?;
        taken::wait(node, "tls", before.tls).await?;
    }
    let ends = [&new.signing, &new.tls].map(|issued| until(&issued.certificate_pem));
    Ok(Renewed { unix_s: ends.into_iter().min().unwrap_or_default(), from: new.from })
}

/// The last second of a certificate.
fn until(pem: &str) -> i64 {
    let own = Certificate::of_pem(pem.as_bytes()).into_iter().next();
    own.map(|own| own.not_after_unix_s).unwrap_or_default()
}

/// The folder of an organisation and its CAs, whose keys must be in it.
pub(crate) fn organisation(
    session: &Session,
    name: &str,
) -> Outcome<(OrganisationFolder, Organisation)> {
    let folder = folder_of(session, name)?;
    let authority = load_cas(&folder).map_err(|error| match error {
        carecord_ca::Error::File { .. } => Failure::new(Code::Renew, error)
            .at(name)
            .hint("the keys of the organisation's CAs are not here: enrol again at its CA"),
        other => ca_failure(other),
    })?;
    Ok((folder, authority))
}

/// The folder of an organisation; what lies in it was not looked at.
fn folder_of(session: &Session, name: &str) -> Outcome<OrganisationFolder> {
    let entry = session.file().organisation(name)?;
    let role = match entry.role.as_str() {
        ORDERER => OrganisationRole::Orderer,
        _ => OrganisationRole::Peer,
    };
    let tree = crate::bringup::tree_of(role);
    OrganisationFolder::new(&session.dir().organizations(), tree, &entry.domain).map_err(failed)
}

/// The names and addresses of the TLS certificate in this file.
fn hosts(path: &Path) -> Outcome<Vec<String>> {
    let text = crate::state::read_credential(path)?;
    let certificates = Certificate::of_pem(&text);
    let own = certificates.into_iter().next();
    own.map(|own| own.hosts).ok_or_else(|| {
        Failure::new(Code::Certificate, "there is no certificate in this file").at(path.display())
    })
}

fn failed(error: carecord_ca::Error) -> Failure {
    Failure::new(Code::Renew, error)
}
