//! The TLS certificate of a CA's service; its own certificates are what the organisation's MSP names, and stay.

use super::at_ca::{self, Asked};
use super::{DAYS, Issuer, Outcome, Renewed, hosts, organisation, taken, until};
use crate::bringup::ca_tls;
use crate::node::config::NodeConfig;
use crate::pairs;
use crate::session::Session;
use crate::state::NodeEntry;

/// What the service is registered as: a unit that no MSP gives a role to.
const KIND: &str = "ca-server";

/// Gives the service another TLS certificate: its own, if it runs, else one made with the CA's keys.
pub(super) async fn renew(
    session: &Session,
    node: &NodeEntry,
    days: Option<u32>,
) -> Outcome<Renewed> {
    let tls = NodeConfig::load(&node.config_file)?.tls;
    let (issued, from) = match at_ca::running(session, &node.organisation) {
        Some(ca) => {
            at_ca::refuse_days(&ca, &node.name, days)?;
            let asked = Asked {
                id: node.tls_server_name.clone(),
                kind: KIND.to_owned(),
                attributes: Vec::new(),
                current: None,
                hosts: hosts(&tls.certificate)?,
                keep_key: false,
            };
            (at_ca::apart(move || asked.tls_only(&ca)).await?, Issuer::Ca)
        }
        None => {
            let (_, authority) = organisation(session, &node.organisation)?;
            (ca_tls(&authority, node, days.unwrap_or(DAYS))?, Issuer::Keys)
        }
    };
    let before = taken::counts(node);
    pairs::put(&tls.certificate, &tls.key, &issued)?;
    taken::wait(node, "tls", before.tls).await?;
    Ok(Renewed { unix_s: until(&issued.certificate_pem), from })
}
