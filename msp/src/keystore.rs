//! MSP folders in cryptogen's layout: `cacerts`, `tlscacerts`, `signcerts`, `keystore`, `config.yaml`.
//!
//! Place in the flow: nodes and tools read their own identity and their organisation's configuration from here when
//! they start; the CA and the network tool write such folders. Nothing else in this crate touches files.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use carecord_proto::msp::{
    FabricCryptoConfig, FabricMspConfig, FabricNodeOUs, FabricOuIdentifier, MspConfig,
};
use prost::Message;

use crate::config_yaml::{self, OuEntry};
use crate::setup::FABRIC_TYPE;
use crate::{Error, SigningIdentity, pem_block};

const CA_CERTS: &str = "cacerts";
const INTERMEDIATE_CERTS: &str = "intermediatecerts";
const ADMIN_CERTS: &str = "admincerts";
const SIGN_CERTS: &str = "signcerts";
const KEYS: &str = "keystore";
const CRLS: &str = "crls";
const TLS_CA_CERTS: &str = "tlscacerts";
const TLS_INTERMEDIATE_CERTS: &str = "tlsintermediatecerts";
const CONFIG_FILE: &str = "config.yaml";
/// The name that cryptogen gives every private key.
const KEY_FILE: &str = "priv_sk";

/// Reads an MSP folder into the configuration that goes into a channel.
pub fn load_msp_config(dir: &Path, msp_id: &str) -> Result<MspConfig, Error> {
    let root_certs = read_folder(&dir.join(CA_CERTS))?;
    if root_certs.is_empty() {
        let shown = dir.join(CA_CERTS);
        return Err(Error::Keystore(format!("no ca certificate found in {}", shown.display())));
    }
    let tls_root_certs = read_folder(&dir.join(TLS_CA_CERTS))?;
    let tls_intermediate_certs = if tls_root_certs.is_empty() {
        Vec::new()
    } else {
        read_folder(&dir.join(TLS_INTERMEDIATE_CERTS))?
    };
    let (organizational_unit_identifiers, fabric_node_ous) = read_config_file(dir)?;
    Ok(wrapped(FabricMspConfig {
        name: msp_id.into(),
        root_certs,
        intermediate_certs: read_folder(&dir.join(INTERMEDIATE_CERTS))?,
        admins: read_folder(&dir.join(ADMIN_CERTS))?,
        revocation_list: read_folder(&dir.join(CRLS))?,
        signing_identity: None,
        organizational_unit_identifiers,
        crypto_config: None,
        tls_root_certs,
        tls_intermediate_certs,
        fabric_node_ous,
    }))
}

/// Reads the certificate and the key of an MSP folder.
pub fn load_signing_identity(dir: &Path, msp_id: &str) -> Result<SigningIdentity, Error> {
    let certificates = read_folder(&dir.join(SIGN_CERTS))?;
    let certificate = certificates.first().ok_or_else(|| {
        let shown = dir.join(SIGN_CERTS);
        Error::Keystore(format!("no signing certificate found in {}", shown.display()))
    })?;
    let keys = read_folder(&dir.join(KEYS))?;
    let mut last = None;
    for key in &keys {
        match SigningIdentity::from_pem(msp_id, certificate, key) {
            Ok(identity) => return Ok(identity),
            Err(why) => last = Some(why),
        }
    }
    let shown = dir.join(KEYS);
    let why = last.map_or_else(|| "it is empty".into(), |why| why.to_string());
    Err(Error::Keystore(format!("no key for the certificate in {}: {why}", shown.display())))
}

/// Builds the MSP configuration of an organisation from its CA certificates (PEM).
pub fn msp_config_from(
    msp_id: &str,
    ca_certs: &[Bytes],
    tls_ca_certs: &[Bytes],
    node_ous: Option<FabricNodeOUs>,
) -> MspConfig {
    wrapped(FabricMspConfig {
        name: msp_id.into(),
        root_certs: ca_certs.to_vec(),
        tls_root_certs: tls_ca_certs.to_vec(),
        fabric_node_ous: node_ous,
        ..FabricMspConfig::default()
    })
}

/// Node OUs with Fabric's usual names, certified by `ca_cert` (PEM).
pub fn default_node_ous(ca_cert: &[u8]) -> FabricNodeOUs {
    let ou = |name: &str| {
        Some(FabricOuIdentifier {
            certificate: Bytes::copy_from_slice(ca_cert),
            organizational_unit_identifier: name.into(),
        })
    };
    FabricNodeOUs {
        enable: true,
        client_ou_identifier: ou("client"),
        peer_ou_identifier: ou("peer"),
        admin_ou_identifier: ou("admin"),
        orderer_ou_identifier: ou("orderer"),
    }
}

fn wrapped(mut config: FabricMspConfig) -> MspConfig {
    config.crypto_config = Some(FabricCryptoConfig {
        signature_hash_family: "SHA2".into(),
        identity_identifier_hash_function: "SHA256".into(),
    });
    MspConfig { r#type: FABRIC_TYPE, config: config.encode_to_vec().into() }
}

/// What an MSP folder is to hold; certificates and keys are PEM, names are file names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Folder<'a> {
    /// Root CAs. The first one certifies the node OUs.
    pub ca_certs: &'a [(&'a str, &'a [u8])],
    /// TLS root CAs.
    pub tls_ca_certs: &'a [(&'a str, &'a [u8])],
    /// The holder's certificate, in a folder that somebody signs with.
    pub sign_cert: Option<(&'a str, &'a [u8])>,
    /// The holder's private key.
    pub private_key: Option<&'a [u8]>,
    /// Certificates of admins, where no admin OU tells them.
    pub admin_certs: &'a [(&'a str, &'a [u8])],
    /// Whether OUs tell client, peer, admin and orderer apart.
    pub node_ous: bool,
}

impl Folder<'_> {
    /// Writes the folder in cryptogen's layout; the key is readable by its owner only.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        write_all(&dir.join(CA_CERTS), self.ca_certs)?;
        write_all(&dir.join(TLS_CA_CERTS), self.tls_ca_certs)?;
        if !self.admin_certs.is_empty() {
            write_all(&dir.join(ADMIN_CERTS), self.admin_certs)?;
        }
        if let Some(certificate) = self.sign_cert {
            write_all(&dir.join(SIGN_CERTS), &[certificate])?;
        }
        if let Some(key) = self.private_key {
            write_secret(&dir.join(KEYS), key)?;
        }
        if let (true, Some((name, _))) = (self.node_ous, self.ca_certs.first()) {
            let text = config_yaml::node_ous(&format!("{CA_CERTS}/{name}"));
            let path = dir.join(CONFIG_FILE);
            fs::write(&path, text).map_err(|why| file_error(&path, &why))?;
        }
        Ok(())
    }
}

fn write_all(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|why| file_error(folder, &why))?;
    for (name, content) in files {
        let path = folder.join(name);
        fs::write(&path, content).map_err(|why| file_error(&path, &why))?;
    }
    Ok(())
}

fn write_secret(folder: &Path, key: &[u8]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|why| file_error(folder, &why))?;
    let path = folder.join(KEY_FILE);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options.open(&path).and_then(|mut file| file.write_all(key));
    written.map_err(|why| file_error(&path, &why))
}

/// All files of a folder that hold PEM, by name; none if there is no folder.
fn read_folder(folder: &Path) -> Result<Vec<Bytes>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(file_error(folder, &why)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|why| file_error(folder, &why))?.path());
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths.into_iter().filter(|path| path.is_file()) {
        let content = fs::read(&path).map_err(|why| file_error(&path, &why))?;
        if pem_block::decode(&content).is_some() {
            found.push(content.into());
        }
    }
    Ok(found)
}

type OuSettings = (Vec<FabricOuIdentifier>, Option<FabricNodeOUs>);

/// The OUs of `config.yaml`; without the file there are none.
fn read_config_file(dir: &Path) -> Result<OuSettings, Error> {
    let path = dir.join(CONFIG_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), None)),
        Err(why) => return Err(file_error(&path, &why)),
    };
    let config = config_yaml::read(&text)
        .map_err(|why| Error::Keystore(format!("{}: {why}", path.display())))?;
    let mut ous = Vec::new();
    for entry in &config.organizational_unit_identifiers {
        ous.push(with_certificate(dir, entry)?);
    }
    let Some(node_ous) = config.node_ous.filter(|node_ous| node_ous.enable) else {
        return Ok((ous, None));
    };
    let role = |entry: &OuEntry| -> Result<Option<FabricOuIdentifier>, Error> {
        if entry.organizational_unit_identifier.is_empty() {
            return Ok(None);
        }
        with_certificate(dir, entry).map(Some)
    };
    let node_ous = FabricNodeOUs {
        enable: true,
        client_ou_identifier: role(&node_ous.client)?,
        peer_ou_identifier: role(&node_ous.peer)?,
        admin_ou_identifier: role(&node_ous.admin)?,
        orderer_ou_identifier: role(&node_ous.orderer)?,
    };
    Ok((ous, Some(node_ous)))
}

fn with_certificate(dir: &Path, entry: &OuEntry) -> Result<FabricOuIdentifier, Error> {
    let certificate = if entry.certificate.is_empty() {
        Bytes::new()
    } else {
        let path = dir.join(&entry.certificate);
        fs::read(&path).map_err(|why| file_error(&path, &why))?.into()
    };
    let organizational_unit_identifier = entry.organizational_unit_identifier.clone();
    Ok(FabricOuIdentifier { certificate, organizational_unit_identifier })
}

fn file_error(path: &Path, why: &std::io::Error) -> Error {
    Error::Keystore(format!("{}: {why}", path.display()))
}
