//! `carecord cert revoke`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde_json::json;

use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configuring::{self, Change};
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::renewal;
use crate::session::Session;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    folder: Folder,
    /// People of one organisation whose CA key is in this folder.
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
        let (organisation, list) = self.list(&session)?;
        let admin = session.file().admin(&organisation)?;
        let mut done = Vec::new();
        for channel in &session.file().channels {
            let of_organisation = channel.organisations.contains(&organisation);
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
            let lists = [list.clone()];
            let changed = configuring::change(&session, &change, |root| {
                configuring::put_lists(root, &organisation, &lists)
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

    /// Whose list it is, and the list.
    fn list(&self, session: &Session) -> Outcome<(String, Bytes)> {
        if let (Some(path), Some(organisation)) = (&self.crl, &self.org) {
            let text = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
            return Ok((organisation.clone(), text.into()));
        }
        let mut certificates = Vec::new();
        let mut organisation = None;
        for name in &self.user {
            let user = session.file().user(name)?;
            if organisation.get_or_insert_with(|| user.organisation.clone()) != &user.organisation {
                let cause = "these people are of several organisations; revoke one after the other";
                return Err(Failure::new(Code::Argument, cause));
            }
            let text = crate::state::read_credential(&user.certificate_file)?;
            certificates.extend(Certificate::of_pem(&text).into_iter().take(1));
        }
        let organisation = organisation.unwrap_or_default();
        let (_, authority) = renewal::organisation(session, &organisation)?;
        let list = configuring::revocation_list(&authority, &certificates, now_unix_s())?;
        Ok((organisation, list.into()))
    }
}
