//! `carecord org`: organisations come, agree, and go.

mod adopt;
mod invite;
mod list;
mod new;

use clap::Subcommand;

use super::channel::{Approve, Submit};
use crate::error::Outcome;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Org {
    /// Make a new organisation: its CAs, a peer that runs, its people. It is a stranger to every channel.
    New(new::New),
    /// Make the update that lets an organisation in; the members then sign it.
    Invite(invite::Invite),
    /// Sign an update as an administrator of a member.
    Approve(Approve),
    /// Submit an update with the signatures that were collected.
    Submit(Submit),
    /// Agree, for your organisation, to the chaincodes that a channel runs already.
    Adopt(adopt::Adopt),
    /// Organisations of a channel.
    List(list::List),
    /// One organisation of a channel.
    Show(list::Show),
    /// Make the update that takes an organisation's rights away; the members then sign it.
    Suspend(invite::Dismiss),
    /// The same for your own organisation.
    Leave(invite::Leave),
}

// === impl Org ===

impl Org {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::New(command) => command.run(output),
            Self::Invite(command) => command.run(output).await,
            Self::Approve(command) => command.run(output).await,
            Self::Submit(command) => command.run(output).await,
            Self::Adopt(command) => command.run(output).await,
            Self::List(command) => command.run(output).await,
            Self::Show(command) => command.run(output).await,
            Self::Suspend(command) => command.run(output).await,
            Self::Leave(command) => command.run(output).await,
        }
    }
}
