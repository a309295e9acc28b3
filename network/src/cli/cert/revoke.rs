//! `carecord cert revoke`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use carecord_proto::common::ConfigGroup;
use clap::Args;
use serde_json::json;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configuring::{self, Change};
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::renewal;
use crate::session::Session;
use crate::state::ChannelEntry;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    folder: Folder,
    /// People of one organisation: all their certificates, at its CA if that runs, and by a list in the channels.
    #[arg(long, value_name = "USER", required_unless_present = "crl")]
    user: Vec<String>,
    /// Revocation list of an organisation's CA, PEM, as `carecord identity` or a Fabric CA gives it.
    #[arg(long, value_name = "FILE", requires = "org", conflicts_with = "user")]
    crl: Option<PathBuf>,
    /// Organisation of the list.
    #[arg(long, value_name = "ORGANISATION")]
    org: Option<String>,
    /// Channel; every channel that the organisation is on if not named.
    #[arg(short = 'C', long)]
    channel: Vec<String>,
}

// === impl Revoke ===

impl Revoke {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        let session = Session::open(&self.folder.dir)?;
        let source = self.source(&session).await?;
        let organisation = source.organisation().to_owned();
        let admin = session.file().admin(&organisation)?;
        let mut done = Vec::new();
        for channel in &session.file().channels {
            let of_organisation = is_on(&session, channel, &organisation);
            let named = self.channel.is_empty() || self.channel.contains(&channel.name);
            if !named || !of_organisation {
                continue;
            }
            let nodes = configuring::nodes_of(&session, channel);
            let change = Change {
                channel: &channel.name,
                signers: &[admin],
                nodes: &nodes,
                patience: PATIENCE,
                force: false,
            };
            let changed = configuring::change(&session, &change, |root| {
                let list = source.list(&session, root)?;
                configuring::put_list(root, &organisation, &list)
            });
            done.push((channel.name.clone(), changed.await?.block));
        }
        if done.is_empty() {
            return Err(Failure::new(
                Code::Unknown,
                "the organisation is on none of these channels",
            )
            .at(organisation));
        }
        let rows: Vec<_> = done
            .iter()
            .map(|(channel, block)| json!({"channel": channel, "block": block}))
            .collect();
        output.result(&json!({"schema": "carecord.revoked/v1", "channels": rows}), || {
            let rows = done.iter().map(|(channel, block)| [channel.clone(), block.to_string()]);
            table(["CHANNEL", "IN FORCE FROM BLOCK"], rows)
        });
        Ok(())
    }

    async fn source(&self, session: &Session) -> Outcome<Source> {
        if let (Some(path), Some(organisation)) = (&self.crl, &self.org) {
            let text = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
            return Ok(Source::File(organisation.clone(), text.into()));
        }
        let users = self.user.iter().map(|name| session.file().user(name));
        let users = users.collect::<Outcome<Vec<_>>>()?;
        // Asked before anything is done: the update would be refused for it after the CA has revoked them.
        for user in &users {
            let admin = session.file().admin(&user.organisation)?;
            if admin.certificate_file == user.certificate_file {
                let cause = "this administrator signs the update and would no longer be one";
                return Err(Failure::new(Code::ConfigDangerous, cause)
                    .at(&user.name)
                    .hint("nothing was revoked; let another administrator of the organisation sign, with `carecord channel config`"));
            }
        }
        renewal::revoke(session, &users).await.map(Source::People)
    }
}

/// Where the list comes from.
enum Source {
    /// From a file, for an organisation.
    File(String, Bytes),
    /// From the CA or its keys.
    People(renewal::Revoked),
}

// === impl Source ===

impl Source {
    fn organisation(&self) -> &str {
        match self {
            Self::File(organisation, _) => organisation,
            Self::People(people) => people.organisation(),
        }
    }

    fn list(&self, session: &Session, root: &ConfigGroup) -> Outcome<Bytes> {
        match self {
            Self::File(_, list) => Ok(list.clone()),
            Self::People(people) => people.list(session, root),
        }
    }
}

/// Whether the organisation is a member of the channel, or orders it.
fn is_on(session: &Session, channel: &ChannelEntry, organisation: &str) -> bool {
    let of =
        |node: &String| session.file().node(node).is_ok_and(|n| n.organisation == organisation);
    channel.organisations.iter().any(|name| name == organisation) || channel.orderers.iter().any(of)
}
