//! `carecord identity`.

use clap::Subcommand;
use serde_json::json;

use crate::cli::target::Folder;
use crate::error::Outcome;
use crate::output::{Output, table};
use crate::session::Session;
use crate::state::UserEntry;

#[derive(Debug, Subcommand)]
pub(super) enum Identity {
    /// People whose keys this network folder holds.
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// One person, with the files of their keys.
    Show {
        #[command(flatten)]
        folder: Folder,
        /// Name, or `Admin@Organisation`.
        user: String,
    },
}

// === impl Identity ===

impl Identity {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::List { folder } => list(&Session::open(&folder.dir)?, output),
            Self::Show { folder, user } => show(&Session::open(&folder.dir)?, &user, output)?,
        }
        Ok(())
    }
}

fn list(session: &Session, output: Output) {
    let users = &session.file().users;
    output.result(&json!({"schema": "carecord.identities/v1", "users": users}), || {
        let row = |user: &UserEntry| {
            [
                user.name.clone(),
                user.organisation.clone(),
                user.msp_id.clone(),
                role(user),
                user.key_kind.clone(),
            ]
        };
        table(["USER", "ORGANISATION", "MSP", "ROLE", "KEY"], users.iter().map(row))
    });
}

fn show(session: &Session, name: &str, output: Output) -> Outcome<()> {
    let user = session.file().user(name)?;
    output.result(&json!({"schema": "carecord.identity/v1", "user": user}), || {
        table(
            [user.name.as_str(), user.organisation.as_str()],
            [
                ["MSP".to_owned(), user.msp_id.clone()],
                ["role".to_owned(), role(user)],
                ["key".to_owned(), user.key_kind.clone()],
                ["certificate".to_owned(), user.certificate_file.display().to_string()],
                ["private key".to_owned(), user.key_file.display().to_string()],
                ["TLS certificate".to_owned(), user.tls_certificate_file.display().to_string()],
                ["TLS CA".to_owned(), user.tls_ca_file.display().to_string()],
            ],
        )
    });
    Ok(())
}

fn role(user: &UserEntry) -> String {
    match (&user.role, user.admin) {
        (Some(role), _) => role.clone(),
        (None, true) => "admin of the organisation".to_owned(),
        (None, false) => "-".to_owned(),
    }
}
