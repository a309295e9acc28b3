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

mod consenter;
mod files;
mod person;
mod taken;

use carecord_ca::layout::{MemberFolder, OrganisationFolder};
use carecord_ca::{NodeRole, Organisation, Validity};

use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::NodeEntry;
use crate::topology::OrganisationRole;

pub use person::user;

/// Days that a renewed certificate holds, as one of bring-up.
pub const DAYS: u32 = 365;

const ORDERER: &str = "orderer";

/// Gives a node a new signing and a new TLS certificate; answers the last second of their lives.
pub async fn node(session: &Session, node: &NodeEntry, days: u32) -> Outcome<i64> {
    let (folder, authority) = organisation(session, &node.organisation)?;
    let member = folder.node(&node.name).map_err(failed)?;
    let validity = Validity::days_from(now_unix_s(), days);
    let role = if node.role == ORDERER { NodeRole::Orderer } else { NodeRole::Peer };
    let signing = authority.node(member.full_name(), role, validity).map_err(failed)?;
    let hosts = hosts(&member)?;
    let tls = authority.tls(member.full_name(), &hosts, validity).map_err(failed)?;

    let before = taken::counts(node);
    files::signing(&member, &signing)?;
    taken::wait(node, "identity", before.identity).await?;
    if node.role == ORDERER {
        consenter::renew(session, node, &member, &tls).await?;
    } else {
        files::pair(&member.tls_certificate(), &member.tls_key(), &tls)?;
        taken::wait(node, "tls", before.tls).await?;
    }
    let until = |pem: &str| Certificate::of_pem(pem.as_bytes()).first().map(|c| c.not_after_unix_s);
    let ends = [until(&signing.certificate_pem), until(&tls.certificate_pem)];
    Ok(ends.into_iter().flatten().min().unwrap_or_default())
}

/// The folder of an organisation and its CAs, whose keys must be in it.
pub(crate) fn organisation(
    session: &Session,
    name: &str,
) -> Outcome<(OrganisationFolder, Organisation)> {
    let entry = session.file().organisation(name)?;
    let role = match entry.role.as_str() {
        ORDERER => OrganisationRole::Orderer,
        _ => OrganisationRole::Peer,
    };
    let tree = crate::bringup::tree_of(role);
    let folder = OrganisationFolder::new(&session.dir().organizations(), tree, &entry.domain)
        .map_err(failed)?;
    let authority = folder.load().map_err(|error| {
        Failure::new(Code::Renew, error)
            .at(name)
            .hint("the keys of the organisation's CAs are not here: enrol again at its CA")
    })?;
    Ok((folder, authority))
}

/// The names and addresses of the certificate in force.
fn hosts(member: &MemberFolder) -> Outcome<Vec<String>> {
    let path = member.tls_certificate();
    let text = crate::state::read_credential(&path)?;
    let certificates = Certificate::of_pem(&text);
    let own = certificates.into_iter().next();
    own.map(|own| own.hosts).ok_or_else(|| {
        Failure::new(Code::Certificate, "there is no certificate in this file").at(path.display())
    })
}

fn failed(error: carecord_ca::Error) -> Failure {
    Failure::new(Code::Renew, error)
}
