//! `carecord cert revoke`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use carecord_ca::NodeRole;
use carecord_proto::common::ConfigGroup;
use clap::Args;
use serde_json::json;

use crate::certificates::Certificate;
use crate::cli::target::Folder;
use crate::codes::Code;
use crate::configuring::{self, Change};
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::renewal;
use crate::session::Session;
use crate::state::{ChannelEntry, UserEntry, read_credential};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    folder: Folder,
    /// People of one organisation: all their certificates, at its CA if that runs, and by a list in the channels.
    #[arg(long, value_name = "USER", required_unless_present = "crl")]
    user: Vec<String>,
    /// Administrator of the organisation who signs the update; its first one if not named.
    #[arg(long = "as", value_name = "ADMIN")]
    signer: Option<String>,
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
        let opened = Session::open(&self.folder.dir)?;
        let session = &opened;
        let users = self.user.iter().map(|name| session.file().user(name));
        let users = users.collect::<Outcome<Vec<_>>>()?;
        let admin = self.admin(session, &users)?;
        let organisation = admin.organisation.clone();
        let source = self.source(session, &users).await?;
        // From here on nothing may be asked as somebody who is revoked.
        hand_over(session, &users, admin)?;
        let session = Session::open(&self.folder.dir)?;
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
            let changed = changed.await.map_err(|failure| not_by(admin, failure))?;
            done.push((channel.name.clone(), changed.block));
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

    /// Who signs. Asked before anything is done: the update would be refused for it after the CA has revoked them.
    fn admin<'a>(&self, session: &'a Session, users: &[&UserEntry]) -> Outcome<&'a UserEntry> {
        let file = session.file();
        let of = users.first().map(|user| &user.organisation).or(self.org.as_ref());
        let organisation = of.map_or("", String::as_str);
        let admin = match &self.signer {
            Some(name) => file.user(name)?,
            None => file.admin(organisation)?,
        };
        if admin.organisation != organisation || !(admin.admin || is_admin(admin)?) {
            let cause = format!("this is no administrator of {organisation}");
            return Err(Failure::new(Code::Argument, cause)
                .at(&admin.name)
                .hint("nothing was revoked; --as names one"));
        }
        match users.iter().find(|user| user.certificate_file == admin.certificate_file) {
            None => Ok(admin),
            Some(user) => {
                let cause = "this administrator signs the update and would no longer be one";
                Err(Failure::new(Code::ConfigDangerous, cause).at(&user.name).hint(format!(
                    "nothing was revoked; let another administrator of {organisation} sign with --as NAME (the CA makes one: \
                     `carecord identity register NAME --ca {organisation} --type admin`, then `enroll --user NAME`)"
                )))
            }
        }
    }

    async fn source(&self, session: &Session, users: &[&UserEntry]) -> Outcome<Source> {
        let Some(path) = &self.crl else {
            return renewal::revoke(session, users).await.map(Source::People);
        };
        let text = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
        Ok(Source::File(text.into()))
    }
}

/// Keeps in the network's file that commands act as `admin` and as none of `users` for the organisation.
fn hand_over(session: &Session, users: &[&UserEntry], admin: &UserEntry) -> Outcome<()> {
    if !users.iter().any(|user| user.admin) {
        return Ok(());
    }
    let mut file = session.dir().read()?;
    for entry in &mut file.users {
        let is = |user: &UserEntry| user.certificate_file == entry.certificate_file;
        entry.admin = is(admin) || (entry.admin && !users.iter().any(|user| is(user)));
    }
    session.dir().write(&file)
}

/// Whether a person's certificate has an administrator's unit.
fn is_admin(user: &UserEntry) -> Outcome<bool> {
    let own = Certificate::of_pem(&read_credential(&user.certificate_file)?).into_iter().next();
    Ok(own.is_some_and(|own| own.units.iter().any(|unit| unit == NodeRole::Admin.ou())))
}

/// An administrator whose list revokes them cannot see it into force; this command has no `--force` for it.
fn not_by(admin: &UserEntry, failure: Failure) -> Failure {
    if failure.code() != Code::ConfigDangerous.text() {
        return failure;
    }
    failure.hint(format!(
        "nothing was submitted; let another administrator of {} sign with --as NAME",
        admin.organisation
    ))
}

/// Where the list comes from.
enum Source {
    /// From a file.
    File(Bytes),
    /// From the CA or its keys.
    People(renewal::Revoked),
}

// === impl Source ===

impl Source {
    fn list(&self, session: &Session, root: &ConfigGroup) -> Outcome<Bytes> {
        match self {
            Self::File(list) => Ok(list.clone()),
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
