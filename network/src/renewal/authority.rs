//! The TLS certificate of a CA's service; its own certificates are what the organisation's MSP names, and stay.

use super::{Outcome, files, organisation, taken, until};
use crate::bringup::ca_tls;
use crate::node::config::NodeConfig;
use crate::session::Session;
use crate::state::NodeEntry;

/// Gives the service another TLS certificate; answers its last second.
pub(super) async fn renew(session: &Session, node: &NodeEntry, days: u32) -> Outcome<i64> {
    let (_, authority) = organisation(session, &node.organisation)?;
    let issued = ca_tls(&authority, node, days)?;
    let tls = NodeConfig::load(&node.config_file)?.tls;
    let before = taken::counts(node);
    files::pair(&tls.certificate, &tls.key, &issued)?;
    taken::wait(node, "tls", before.tls).await?;
    Ok(until(&issued.certificate_pem))
}
