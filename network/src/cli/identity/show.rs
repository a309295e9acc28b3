//! `carecord identity list` and `show`.

use carecord_ca::client::IdentityInfo;
use clap::Args;
use serde_json::json;

use super::at_ca::AtCa;
use crate::error::Outcome;
use crate::membership::said;
use crate::output::{Output, table};
use crate::session::Session;
use crate::state::UserEntry;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    at: AtCa,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    #[command(flatten)]
    at: AtCa,
    /// Name, or `Admin@Organisation`; with --ca an enrolment id.
    user: String,
}

// === impl List ===

impl List {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        if !self.at.is_named() {
            list(&Session::open(&self.at.folder.dir)?, output);
            return Ok(());
        }
        let found = self.at.client()?.identities(&self.at.registrar()?).map_err(said)?;
        output.result(&json!({"schema": "carecord.ca-identities/v1", "identities": found}), || {
            let row = |identity: &IdentityInfo| {
                [
                    identity.id.clone(),
                    identity.kind.clone(),
                    identity.affiliation.clone(),
                    role_at_ca(identity),
                    identity.max_enrollments.to_string(),
                ]
            };
            let heading = ["ID", "TYPE", "AFFILIATION", "ROLE", "ENROLMENTS ALLOWED"];
            table(heading, found.iter().map(row))
        });
        Ok(())
    }
}

// === impl Show ===

impl Show {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        if !self.at.is_named() {
            return show(&Session::open(&self.at.folder.dir)?, &self.user, output);
        }
        let registrar = self.at.registrar()?;
        let found = self.at.client()?.identity(&registrar, &self.user).map_err(said)?;
        output.result(&json!({"schema": "carecord.ca-identity/v1", "identity": found}), || {
            let attributes = found
                .attrs
                .iter()
                .map(|attribute| [attribute.name.clone(), attribute.value.clone()]);
            let fixed = [
                ["type".to_owned(), found.kind.clone()],
                ["affiliation".to_owned(), found.affiliation.clone()],
                ["enrolments".to_owned(), found.max_enrollments.to_string()],
            ];
            table([found.id.as_str(), ""], fixed.into_iter().chain(attributes))
        });
        Ok(())
    }
}

fn role_at_ca(identity: &IdentityInfo) -> String {
    let role = identity.attrs.iter().find(|a| a.name == carecord_ca::attributes::ROLE);
    role.map_or_else(|| "-".to_owned(), |role| role.value.clone())
}

fn list(session: &Session, output: Output) {
    let users = &session.file().users;
    output.result(&json!({"schema": "carecord.identities/v1", "users": users}), || {
        let row = |user: &UserEntry| {
            [
                session.file().full_name(user),
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
