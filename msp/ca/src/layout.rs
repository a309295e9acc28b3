//! Certificates on disk, in the folders that Fabric's `cryptogen` makes, so that samples and tools find them.
//!
//! ```text
//! <root>/{ordererOrganizations,peerOrganizations}/<domain>/
//!   ca/      ca.<domain>-cert.pem     priv_sk
//!   tlsca/   tlsca.<domain>-cert.pem  priv_sk
//!   msp/     cacerts/ tlscacerts/ admincerts/ config.yaml
//!   {orderers,peers}/<node>.<domain>/{msp,tls}
//!   users/<name>@<domain>/{msp,tls}
//! ```

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::{Authority, Error, Issued, Organisation, sealed_key};

/// Permissions of a private key's file.
pub(crate) const KEY_MODE: u32 = 0o600;
pub(crate) const PUBLIC_MODE: u32 = 0o644;
/// File name that cryptogen gives every private key.
const KEY_FILE: &str = "priv_sk";

/// Which of the two trees an organisation lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    /// `ordererOrganizations`, nodes in `orderers`.
    Orderers,
    /// `peerOrganizations`, nodes in `peers`.
    Peers,
}

/// The folder of one organisation.
#[derive(Debug, Clone)]
pub struct OrganisationFolder {
    root: PathBuf,
    tree: Tree,
    domain: String,
}

/// The folder of one node or person: an MSP and TLS files.
#[derive(Debug, Clone)]
pub struct MemberFolder {
    root: PathBuf,
    full_name: String,
    tls_prefix: &'static str,
}

// === impl OrganisationFolder ===

impl OrganisationFolder {
    /// The folder of `domain` below `organizations`; nothing is written yet.
    pub fn new(organizations: &Path, tree: Tree, domain: &str) -> Result<Self, Error> {
        check_name(domain)?;
        let kind = match tree {
            Tree::Orderers => "ordererOrganizations",
            Tree::Peers => "peerOrganizations",
        };
        Ok(Self { root: organizations.join(kind).join(domain), tree, domain: domain.to_owned() })
    }

    /// The organisation's verifying MSP (CA certificates and `config.yaml`, no keys).
    pub fn msp(&self) -> PathBuf {
        self.root.join("msp")
    }

    /// Certificate of the CA that issues identities.
    pub fn ca_certificate(&self) -> PathBuf {
        self.root.join("ca").join(ca_file(&self.domain))
    }

    /// Certificate of the TLS CA.
    pub fn tls_ca_certificate(&self) -> PathBuf {
        self.root.join("tlsca").join(tls_ca_file(&self.domain))
    }

    /// The folder of the node `name` (without the domain).
    pub fn node(&self, name: &str) -> Result<MemberFolder, Error> {
        check_name(name)?;
        let kind = match self.tree {
            Tree::Orderers => "orderers",
            Tree::Peers => "peers",
        };
        let full_name = format!("{name}.{}", self.domain);
        Ok(MemberFolder {
            root: self.root.join(kind).join(&full_name),
            full_name,
            tls_prefix: "server",
        })
    }

    /// The folder of the person `name` (without the domain).
    pub fn user(&self, name: &str) -> Result<MemberFolder, Error> {
        check_name(name)?;
        let full_name = format!("{name}@{}", self.domain);
        Ok(MemberFolder {
            root: self.root.join("users").join(&full_name),
            full_name,
            tls_prefix: "client",
        })
    }

    /// Writes both CAs and the verifying MSP, the CAs' keys as they are.
    pub fn write(&self, organisation: &Organisation) -> Result<(), Error> {
        self.write_sealed(organisation, None)
    }

    /// The same with the CAs' keys encrypted, if there is a passphrase.
    pub fn write_sealed(
        &self,
        organisation: &Organisation,
        passphrase: Option<&str>,
    ) -> Result<(), Error> {
        let write = |folder: &str, file: String, authority: &Authority| {
            write_authority(&self.root.join(folder), &file, authority, passphrase)
        };
        write("ca", ca_file(&self.domain), organisation.ca())?;
        write("tlsca", tls_ca_file(&self.domain), organisation.tls_ca())?;
        write_msp(&self.msp(), organisation)
    }

    /// Reads both CAs, so that the organisation can go on issuing.
    pub fn load(&self) -> Result<Organisation, Error> {
        self.load_sealed(None)
    }

    /// The same; keys that are encrypted need their passphrase.
    pub fn load_sealed(&self, passphrase: Option<&str>) -> Result<Organisation, Error> {
        let load = |folder: &str, file: String| {
            let folder = self.root.join(folder);
            let certificate = read(&folder.join(&file))?;
            let path = folder.join(KEY_FILE);
            let key = zeroize::Zeroizing::new(read(&path)?);
            let key = sealed_key::open(&key, passphrase).map_err(|error| match error {
                Error::Authority { reason, .. } => {
                    Error::Authority { name: path.display().to_string(), reason }
                }
                other => other,
            })?;
            Authority::load(&folder.join(file).display().to_string(), &certificate, &key)
        };
        let ca = load("ca", ca_file(&self.domain))?;
        let tls_ca = load("tlsca", tls_ca_file(&self.domain))?;
        Ok(Organisation::from_authorities(&self.domain, ca, tls_ca))
    }
}

// === impl MemberFolder ===

impl MemberFolder {
    /// Name with the domain: `peer0.org1.example.com` or `User1@org1.example.com`.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// The local MSP: CA certificates, own certificate, own key.
    pub fn msp(&self) -> PathBuf {
        self.root.join("msp")
    }

    /// Own signing certificate.
    pub fn certificate(&self) -> PathBuf {
        self.msp().join("signcerts").join(format!("{}-cert.pem", self.full_name))
    }

    /// Own private key.
    pub fn key(&self) -> PathBuf {
        self.msp().join("keystore").join(KEY_FILE)
    }

    /// Certificate of the TLS CA that others check this member with.
    pub fn tls_ca(&self) -> PathBuf {
        self.root.join("tls").join("ca.crt")
    }

    /// Own TLS certificate.
    pub fn tls_certificate(&self) -> PathBuf {
        self.root.join("tls").join(format!("{}.crt", self.tls_prefix))
    }

    /// Key of the TLS certificate.
    pub fn tls_key(&self) -> PathBuf {
        self.root.join("tls").join(format!("{}.key", self.tls_prefix))
    }

    /// Writes the local MSP and the TLS files of a member.
    pub fn write(
        &self,
        organisation: &Organisation,
        signing: &Issued,
        tls: &Issued,
    ) -> Result<(), Error> {
        write_msp(&self.msp(), organisation)?;
        write_file(&self.certificate(), &signing.certificate_pem, PUBLIC_MODE)?;
        write_file(&self.key(), &signing.key_pem, KEY_MODE)?;
        write_file(&self.tls_ca(), organisation.tls_ca().certificate_pem(), PUBLIC_MODE)?;
        write_file(&self.tls_certificate(), &tls.certificate_pem, PUBLIC_MODE)?;
        write_file(&self.tls_key(), &tls.key_pem, KEY_MODE)
    }
}

fn ca_file(domain: &str) -> String {
    format!("ca.{domain}-cert.pem")
}

fn tls_ca_file(domain: &str) -> String {
    format!("tlsca.{domain}-cert.pem")
}

fn write_authority(
    folder: &Path,
    file: &str,
    authority: &Authority,
    passphrase: Option<&str>,
) -> Result<(), Error> {
    write_file(&folder.join(file), authority.certificate_pem(), PUBLIC_MODE)?;
    let key = folder.join(KEY_FILE);
    match passphrase {
        Some(passphrase) => {
            write_file(&key, &sealed_key::seal(authority.key_pem(), passphrase)?, KEY_MODE)
        }
        None => write_file(&key, authority.key_pem(), KEY_MODE),
    }
}

/// The part of an MSP folder that verifying and local MSPs share.
fn write_msp(msp: &Path, organisation: &Organisation) -> Result<(), Error> {
    let domain = organisation.domain();
    let ca = organisation.ca().certificate_pem();
    let tls_ca = organisation.tls_ca().certificate_pem();
    write_file(&msp.join("cacerts").join(ca_file(domain)), ca, PUBLIC_MODE)?;
    write_file(&msp.join("tlscacerts").join(tls_ca_file(domain)), tls_ca, PUBLIC_MODE)?;
    create_folder(&msp.join("admincerts"))?;
    write_file(&msp.join("config.yaml"), &node_ous(domain), PUBLIC_MODE)
}

/// `config.yaml`: which organizational unit stands for which role, and which CA must have issued it.
fn node_ous(domain: &str) -> String {
    node_ous_of(&format!("cacerts/{}", ca_file(domain)))
}

/// The same for a CA whose certificate lies at `certificate` in the folder.
pub(crate) fn node_ous_of(certificate: &str) -> String {
    let mut text = "NodeOUs:\n  Enable: true\n".to_owned();
    for (key, ou) in [
        ("ClientOUIdentifier", "client"),
        ("PeerOUIdentifier", "peer"),
        ("AdminOUIdentifier", "admin"),
        ("OrdererOUIdentifier", "orderer"),
    ] {
        text.push_str(&format!(
            "  {key}:\n    Certificate: {certificate}\n    OrganizationalUnitIdentifier: {ou}\n"
        ));
    }
    text
}

/// A name must be a path component and part of a host name.
fn check_name(name: &str) -> Result<(), Error> {
    let refuse = |reason| Err(Error::Name { name: name.to_owned(), reason });
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() {
        return refuse("it is empty");
    }
    if !name.chars().all(allowed) {
        return refuse("only letters, digits, '.', '-' and '_' are allowed");
    }
    if name.starts_with('.') {
        return refuse("it starts with a dot");
    }
    Ok(())
}

fn create_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })
}

pub(crate) fn write_file(path: &Path, content: &str, mode: u32) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}
