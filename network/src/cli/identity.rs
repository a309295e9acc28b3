//! `carecord identity`.

use carecord_ca::{KeyKind, Person};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::chain;
use crate::cli::target::{Chain, Folder};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::people;
use crate::session::Session;
use crate::state::{NetworkDir, UserEntry};
use crate::wallet::Wallet;

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
    /// Register a person on the health chaincode; somebody new gets a certificate first.
    Register(Register),
}

#[derive(Debug, Args)]
pub(super) struct Register {
    #[command(flatten)]
    chain: Chain,
    /// Name of the person.
    user: String,
    /// Organisation of a new person.
    #[arg(long)]
    organisation: Option<String>,
    /// Role of a new person.
    #[arg(long)]
    role: Option<String>,
    /// Key of a new person: p256, p384 or ed25519.
    #[arg(long, default_value = "p256")]
    key: String,
}

// === impl Identity ===

impl Identity {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::List { folder } => list(&Session::open(&folder.dir)?, output),
            Self::Show { folder, user } => show(&Session::open(&folder.dir)?, &user, output)?,
            Self::Register(command) => command.run(output).await?,
        }
        Ok(())
    }
}

// === impl Register ===

impl Register {
    async fn run(self, output: Output) -> Outcome<()> {
        let dir = NetworkDir::new(&self.chain.folder.dir)?;
        let file = dir.read()?;
        let found = file.user(&self.user);
        if found.as_ref().is_err_and(|failure| failure.code() != Code::Unknown.text()) {
            found?;
        } else if found.is_err() {
            let (organisation, person) = self.new_person()?;
            people::enrol_all(&dir, organisation, &[person])?;
        }
        let session = self.chain.open()?;
        let channel = self.chain.channel(&session)?;
        let user = session.file().user(&self.user)?;
        people::register_organisation(&session, channel, &user.organisation).await?;
        chain::settle(&session, channel).await?;
        people::register(&session, channel, &[user]).await.into_iter().collect::<Outcome<()>>()?;
        let id = Wallet::open(user)?.id().to_string();
        let value = json!({
            "schema": "carecord.registration/v1", "user": user.name, "subject": id, "role": user.role,
            "organisation": user.organisation,
        });
        output.result(&value, || format!("{} is registered as {id}", user.name));
        Ok(())
    }

    fn new_person(&self) -> Outcome<(&str, Person)> {
        let needs = |what: &str| {
            Failure::new(
                Code::Argument,
                format!("there is no user {:?} yet, and {what} is missing", self.user),
            )
        };
        let organisation = self.organisation.as_deref().ok_or_else(|| needs("--organisation"))?;
        let role = self.role.clone().ok_or_else(|| needs("--role"))?;
        if !people::is_role(&role) {
            return Err(Failure::new(Code::Argument, format!("{role:?} is not a role")).hint(
                "it is one of patient, practitioner, hospital-admin, insurer, researcher, auditor",
            ));
        }
        let kinds = [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519];
        let key = kinds.into_iter().find(|kind| kind.name() == self.key).ok_or_else(|| {
            Failure::new(Code::Argument, format!("{:?} is not a key", self.key))
                .hint("it is one of p256, p384, ed25519")
        })?;
        Ok((organisation, Person { name: self.user.clone(), role: Some(role), admin: false, key }))
    }
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
