//! Whether a policy names members of the channel only.
//!
//! Fabric's lifecycle takes any MSP id: whoever misspells one learns it from the first transaction that no peer can endorse
//! rightly. Here the command refuses it before anybody approves; the peers take it, as in Fabric.

use carecord_channel::policy::dsl;
use carecord_proto::common::MspRole;
use prost::Message;

use crate::codes::Code;
use crate::configuring;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{ChannelEntry, UserEntry};

/// Refuses an expression that names an MSP id which is no member's in the configuration in force, read as `user`.
///
/// The path of a channel policy names nobody, and what is no expression is refused elsewhere.
pub async fn refuse_strangers(
    session: &Session,
    channel: &ChannelEntry,
    user: &UserEntry,
    expression: &str,
) -> Outcome<()> {
    let named = msp_ids(expression);
    if named.is_empty() {
        return Ok(());
    }
    let current = configuring::current(session, channel, user).await?;
    let application = current.bundle.application();
    let members: Vec<&str> = application.iter().flat_map(|it| it.msp_ids()).collect();
    match named.iter().find(|msp_id| !members.contains(&msp_id.as_str())) {
        None => Ok(()),
        Some(stranger) => {
            let cause = format!(
                "the policy names {stranger}, which is no member of channel {}",
                channel.name
            );
            let hint = format!("members are {}; nobody has approved anything", members.join(", "));
            Err(Failure::new(Code::TopologyPolicy, cause).at(expression).hint(hint))
        }
    }
}

/// The MSP ids that an expression names.
fn msp_ids(expression: &str) -> Vec<String> {
    let principals = dsl::parse(expression).map(|policy| policy.identities).unwrap_or_default();
    let roles = principals.into_iter().filter_map(|it| MspRole::decode(it.principal).ok());
    roles.map(|role| role.msp_identifier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_msp_ids_and_a_path_names_none() {
        let mut named = msp_ids("AND('AMSP.peer', OR('BMSP.admin'))");
        named.sort();
        assert_eq!(named, ["AMSP", "BMSP"]);
        assert!(msp_ids("/Channel/Application/Endorsement").is_empty());
        assert!(msp_ids("").is_empty());
    }
}
