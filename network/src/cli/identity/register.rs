//! `carecord identity register`: at the chaincode, at a CA.

use carecord_ca::attributes::{PATIENT, ROLE};
use carecord_ca::client::Registration;
use carecord_ca::{Attribute, KeyKind, Person};
use clap::Args;
use serde_json::json;

use super::at_ca::AtCa;
use crate::chain;
use crate::cli::target::Chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::said;
use crate::output::Output;
use crate::people;
use crate::state::NetworkDir;
use crate::wallet::Wallet;

#[derive(Debug, Args)]
pub(in crate::cli) struct Register {
    #[command(flatten)]
    at: AtCa,
    /// Channel; the first one if not named.
    #[arg(short = 'C', long, env = "CARECORD_CHANNEL")]
    channel: Option<String>,
    /// Node that is asked; the first peer if not named.
    #[arg(long, env = "CARECORD_NODE")]
    node: Option<String>,
    /// Name of the person; with --ca the enrolment id, which a patient goes without.
    user: Option<String>,
    /// Organisation of a new person.
    #[arg(long)]
    organisation: Option<String>,
    /// Role of a new person.
    #[arg(long)]
    role: Option<String>,
    /// Key of a new person: p256, p384 or ed25519.
    #[arg(long, default_value = "p256")]
    key: String,
    /// Type at the CA: client, peer, orderer or admin.
    #[arg(long = "type", default_value = "client", value_name = "TYPE")]
    kind: String,
    /// Affiliation at the CA; the registrar's if not named.
    #[arg(long, default_value = "")]
    affiliation: String,
    /// Attribute at the CA; `:ecert` behind it puts it into certificates.
    #[arg(long = "attr", value_name = "NAME=VALUE[:ecert]")]
    attributes: Vec<String>,
    /// How often the secret serves.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    max_enrollments: i64,
    /// File for the secret, which only its owner may read; standard output if not named.
    #[arg(long, value_name = "FILE")]
    secret_out: Option<std::path::PathBuf>,
}

// === impl Register ===

impl Register {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        if self.at.is_named() {
            return self.at_ca(output);
        }
        let name = self.user.as_deref().ok_or_else(|| {
            Failure::new(Code::Argument, "no name is given")
                .hint("only a patient at a CA (--ca) goes without")
        })?;
        let chain_of = Chain {
            folder: self.at.folder.clone(),
            channel: self.channel.clone(),
            node: self.node.clone(),
        };
        let dir = NetworkDir::new(&self.at.folder.dir)?;
        let file = dir.read()?;
        let found = file.user(name);
        if found.as_ref().is_err_and(|failure| failure.code() != Code::Unknown.text()) {
            found?;
        } else if found.is_err() {
            let (organisation, person) = self.new_person(name)?;
            people::enrol_all(&dir, organisation, &[person])?;
        }
        let session = chain_of.open()?;
        let channel = chain_of.channel(&session)?;
        let user = session.file().user(name)?;
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

    fn new_person(&self, name: &str) -> Outcome<(&str, Person)> {
        let needs = |what: &str| {
            Failure::new(
                Code::Argument,
                format!("there is no user {:?} yet, and {what} is missing", name),
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
        Ok((organisation, Person { name: name.to_owned(), role: Some(role), admin: false, key }))
    }

    /// Makes somebody known to a CA; who enrols with the secret is them.
    fn at_ca(&self, output: Output) -> Outcome<()> {
        let mut attrs =
            self.attributes.iter().map(|text| attribute(text)).collect::<Outcome<Vec<_>>>()?;
        if let Some(role) = &self.role {
            attrs.push(Attribute { ecert: true, ..Attribute::new(ROLE, role) });
        }
        if self.user.is_none() && self.role.as_deref() != Some(PATIENT) {
            return Err(Failure::new(Code::Argument, "no enrolment id is given")
                .hint("only a patient (--role patient) gets one from the CA"));
        }
        let registration = Registration {
            id: self.user.clone(),
            kind: Some(self.kind.clone()),
            secret: None,
            max_enrollments: self.max_enrollments,
            affiliation: self.affiliation.clone(),
            attrs,
        };
        let registrar = self.at.registrar()?;
        let registered = self.at.client()?.register(&registrar, &registration).map_err(said)?;
        let id = registered.id.unwrap_or_default();
        let mut value = json!({"schema": "carecord.ca-registration/v1", "id": id});
        match &self.secret_out {
            Some(path) => {
                crate::bringup::secret_file(path, &registered.secret)?;
                value["secret_file"] = json!(path);
            }
            None => value["secret"] = json!(registered.secret),
        }
        output.result(&value, || match &self.secret_out {
            Some(path) => format!("{id} is registered; the secret is in {}", path.display()),
            None => format!("{id} is registered; the secret is {}", registered.secret),
        });
        Ok(())
    }
}

/// `name=value`, with `:ecert` behind it if certificates shall carry it.
fn attribute(text: &str) -> Outcome<Attribute> {
    let (plain, ecert) = match text.strip_suffix(":ecert") {
        Some(plain) => (plain, true),
        None => (text, false),
    };
    let (name, value) = plain.split_once('=').ok_or_else(|| {
        Failure::new(Code::Argument, format!("{text:?} is no attribute"))
            .hint("write it like --attr ward=7 or --attr ward=7:ecert")
    })?;
    Ok(Attribute { name: name.to_owned(), value: value.to_owned(), ecert })
}
