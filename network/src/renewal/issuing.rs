//! Who issues a node's new certificates: the organisation's CA, so that they stand in its log, or whoever has its keys.

use carecord_ca::client::read_msp;
use carecord_ca::layout::MemberFolder;
use carecord_ca::{Issued, NodeRole, Validity};

use super::at_ca::{self, Asked};
use super::{ORDERER, failed, folder_of, hosts, organisation};
use crate::bringup::now_unix_s;
use crate::error::Outcome;
use crate::session::Session;
use crate::state::NodeEntry;

/// Who issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The CA's process, in whose log the certificates stand.
    Ca,
    /// This command, with the CA's keys.
    Keys,
}

/// New certificates of a node or person.
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
    let hosts = hosts(&member.tls_certificate())?;
    let Some(ca) = at_ca::required(session, &node.organisation)? else {
        return with_keys(session, node, &hosts, days.unwrap_or(super::DAYS));
    };
    at_ca::refuse_days(&ca, &node.name, days)?;
    let asked = Asked {
        id: member.full_name().to_owned(),
        kind: role_of(node).ou().to_owned(),
        attributes: Vec::new(),
        current: read_msp(&member.msp()).ok(),
        hosts,
        keep_key: false,
    };
    let (signing, tls) = at_ca::apart(move || asked.both(&ca)).await?;
    Ok((member, New { signing, tls, from: Issuer::Ca }))
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
