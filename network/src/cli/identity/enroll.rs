//! `carecord identity enroll` and `reenroll`.

use std::path::{Path, PathBuf};

use carecord_ca::client::{Client, EnrollOptions, Enrollment, MspNames, read_msp, write_msp};
use carecord_ca::{KeyKind, NodeRole};
use clap::Args;
use serde_json::{Value, json};

use super::at_ca::AtCa;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::said;
use crate::node::ca::failure;
use crate::output::Output;
use crate::state::{NetworkDir, UserEntry, read_text};

#[derive(Debug, Args)]
pub(in crate::cli) struct Enroll {
    #[command(flatten)]
    at: AtCa,
    /// Enrolment id.
    id: String,
    /// File with the secret.
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    #[command(flatten)]
    wish: Wish,
    /// Name under which network.json shall know them, for `--as`; a TLS certificate is fetched, too.
    #[arg(long, value_name = "NAME", requires = "ca")]
    user: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Reenroll {
    #[command(flatten)]
    at: AtCa,
    /// MSP folder of who has a certificate already.
    #[arg(long, value_name = "MSP")]
    msp: PathBuf,
    #[command(flatten)]
    wish: Wish,
}

/// What the certificate shall be.
#[derive(Debug, Args)]
struct Wish {
    /// MSP folder to write; `msp` in this folder, or for reenroll the one it came from, if not named.
    #[arg(long, value_name = "MSP")]
    out: Option<PathBuf>,
    /// `tls` for a TLS certificate, `ca` for a CA's.
    #[arg(long)]
    profile: Option<String>,
    /// Host name or address of a TLS certificate.
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Key: p256, p384 or ed25519.
    #[arg(long, default_value = "p256")]
    key: String,
    /// Attribute for the certificate; the usual ones if none is named.
    #[arg(long = "attr", value_name = "NAME")]
    attributes: Vec<String>,
}

// === impl Wish ===

impl Wish {
    fn key(&self) -> Outcome<KeyKind> {
        let kinds = [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519];
        kinds.into_iter().find(|kind| kind.name() == self.key).ok_or_else(|| {
            Failure::new(Code::Argument, format!("{:?} is not a key", self.key))
                .hint("it is one of p256, p384, ed25519")
        })
    }

    fn options(&self) -> Outcome<EnrollOptions> {
        Ok(EnrollOptions {
            profile: self.profile.clone(),
            hosts: self.hosts.clone(),
            key: self.key()?,
            attributes: (!self.attributes.is_empty()).then(|| self.attributes.clone()),
            keep: None,
        })
    }

    fn names(&self, at: &AtCa) -> Outcome<MspNames> {
        Ok(MspNames { ca: at.file_name()?, tls: self.profile.as_deref() == Some("tls") })
    }
}

// === impl Enroll ===

impl Enroll {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let client = self.at.client()?;
        let secret = read_text(&self.secret_file)?;
        if let Some(user) = &self.user {
            refuse_known(&self.at, user)?;
        }
        let enrolled =
            client.enroll(&self.id, secret.trim_end(), &self.wish.options()?).map_err(said)?;
        let folder = match (&self.wish.out, &self.user) {
            (Some(folder), _) => folder.clone(),
            (None, Some(user)) => home(&self.at, user)?.join("msp"),
            (None, None) => PathBuf::from("msp"),
        };
        write_msp(&folder, &enrolled, &self.wish.names(&self.at)?).map_err(failure)?;
        if let Some(user) = &self.user {
            add_user(&self.at, user, &client, &enrolled, (&folder, self.wish.key()?))?;
        }
        say(&self.id, &folder, output)
    }
}

// === impl Reenroll ===

impl Reenroll {
    pub(super) fn run(self, output: Output) -> Outcome<()> {
        let credential = read_msp(&self.msp).map_err(failure)?;
        let enrolled =
            self.at.client()?.reenroll(&credential, &self.wish.options()?).map_err(said)?;
        let folder = self.wish.out.clone().unwrap_or_else(|| self.msp.clone());
        write_msp(&folder, &enrolled, &self.wish.names(&self.at)?).map_err(failure)?;
        say(&credential.common_name().map_err(said)?, &folder, output)
    }
}

fn say(id: &str, folder: &Path, output: Output) -> Outcome<()> {
    let value = json!({"schema": "carecord.enrollment/v1", "id": id, "msp": folder});
    output.result(&value, || format!("{id} is enrolled; the MSP folder is {}", folder.display()));
    Ok(())
}

fn refuse_known(at: &AtCa, user: &str) -> Outcome<()> {
    let file = NetworkDir::new(&at.folder.dir)?.read()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if user.is_empty() || user.starts_with('.') || !user.chars().all(plain) {
        return Err(Failure::new(Code::Argument, format!("{user:?} cannot be a user's name"))
            .hint("letters, digits and . _ - are possible"));
    }
    if file.users.iter().any(|other| other.name == user) {
        return Err(Failure::new(Code::Argument, format!("there is a user {user:?} already"))
            .hint("choose another name"));
    }
    Ok(())
}

/// Where bring-up would have put the user's folders.
fn home(at: &AtCa, user: &str) -> Outcome<PathBuf> {
    let dir = NetworkDir::new(&at.folder.dir)?;
    let file = dir.read()?;
    let organisation = file.organisation(at.ca.as_deref().unwrap_or_default())?;
    let tree = format!("{}Organizations", organisation.role);
    let full_name = format!("{user}@{}", organisation.domain);
    Ok(dir.organizations().join(tree).join(&organisation.domain).join("users").join(full_name))
}

/// Fetches a TLS certificate and adds the user to the network's file.
fn add_user(
    at: &AtCa,
    user: &str,
    client: &Client,
    enrolled: &Enrollment,
    (msp, key): (&Path, KeyKind),
) -> Outcome<()> {
    let dir = NetworkDir::new(&at.folder.dir)?;
    let mut file = dir.read()?;
    let organisation = file.organisation(at.ca.as_deref().unwrap_or_default())?.clone();
    let options = EnrollOptions { profile: Some("tls".to_owned()), ..EnrollOptions::default() };
    let tls = client.reenroll(&enrolled.credential, &options).map_err(said)?;
    let tls_folder = home(at, user)?.join("tls-msp");
    let names = MspNames { ca: at.file_name()?, tls: true };
    write_msp(&tls_folder, &tls, &names).map_err(failure)?;
    file.users.push(UserEntry {
        name: user.to_owned(),
        organisation: organisation.name,
        msp_id: organisation.msp_id,
        role: role(&enrolled.credential.certificate_pem),
        admin: is_admin(&enrolled.credential.certificate_pem),
        key_kind: key.name().to_owned(),
        certificate_file: absolute(&msp.join("signcerts").join("cert.pem"))?,
        key_file: key_file(msp)?,
        tls_certificate_file: tls_folder.join("signcerts").join("cert.pem"),
        tls_key_file: key_file(&tls_folder)?,
        tls_ca_file: organisation.tls_ca_file,
    });
    dir.write(&file)
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).map_err(|error| Failure::file(path, &error))
}

fn key_file(msp: &Path) -> Outcome<PathBuf> {
    let folder = msp.join("keystore");
    let failed = |error: std::io::Error| Failure::file(&folder, &error);
    let entry = std::fs::read_dir(&folder).map_err(failed)?.next();
    let entry = entry.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
    absolute(&entry.map_err(failed)?.path())
}

/// Whether an MSP takes the certificate's holder for an administrator.
fn is_admin(certificate_pem: &str) -> bool {
    let own = Certificate::of_pem(certificate_pem.as_bytes()).into_iter().next();
    own.is_some_and(|own| own.units.iter().any(|unit| unit == NodeRole::Admin.ou()))
}

/// The role in a certificate's attributes.
fn role(certificate_pem: &str) -> Option<String> {
    let value: Value = carecord_ca::client::certificate_attributes(certificate_pem)?;
    value["attrs"][carecord_ca::attributes::ROLE].as_str().map(str::to_owned)
}
