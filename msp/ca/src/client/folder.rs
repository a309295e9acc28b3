//! What an enrolment brings, as the MSP folder that Fabric-CA's own client writes.
//!
//! ```text
//! signcerts/cert.pem   keystore/<key id>_sk   cacerts/<name>.pem   intermediatecerts/<name>.pem   config.yaml
//! signcerts/cert.pem   keystore/<key id>_sk   tlscacerts/tls-<name>.pem                    (profile tls)
//! ```

use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Credential, Enrollment};
use crate::Error;
use crate::layout::{KEY_MODE, PUBLIC_MODE, node_ous_of, write_file};

const CERTIFICATE: &str = "cert.pem";

/// How the files of a folder are named and what it is for.
#[derive(Debug, Clone)]
pub struct MspNames {
    /// What the CA's files are named by: `host-port-caname` by custom.
    pub ca: String,
    /// Whether the certificate is one for TLS.
    pub tls: bool,
}

/// Writes the folder; what lay there under the same names is replaced, keys only after their certificate's chain.
pub fn write_msp(folder: &Path, enrollment: &Enrollment, names: &MspNames) -> Result<(), Error> {
    let mut chain: Vec<String> = pem::parse_many(&enrollment.chain_pem)
        .map_err(|error| Error::Authority { name: "chain".to_owned(), reason: error.to_string() })?
        .iter()
        .map(pem::encode)
        .collect();
    let root = chain.pop().ok_or_else(|| Error::Authority {
        name: "chain".to_owned(),
        reason: "it is empty".to_owned(),
    })?;
    let file =
        if names.tls { format!("tls-{}.pem", names.ca) } else { format!("{}.pem", names.ca) };
    let (roots, between) = match names.tls {
        true => ("tlscacerts", "tlsintermediatecerts"),
        false => ("cacerts", "intermediatecerts"),
    };
    write_file(&folder.join(roots).join(&file), &root, PUBLIC_MODE)?;
    if !chain.is_empty() {
        write_file(&folder.join(between).join(&file), &chain.concat(), PUBLIC_MODE)?;
    }
    if !names.tls {
        // The certifier of the units is who signed the identity: the first of the chain.
        let certifier = if chain.is_empty() { roots } else { between };
        let yaml = node_ous_of(&format!("{certifier}/{file}"));
        write_file(&folder.join("config.yaml"), &yaml, PUBLIC_MODE)?;
    }
    let credential = &enrollment.credential;
    let id = hex::encode(Sha256::digest(&credential.certificate_pem));
    let keystore = folder.join("keystore");
    write_file(&keystore.join(format!("{id}_sk")), &credential.key_pem, KEY_MODE)?;
    write_file(
        &folder.join("signcerts").join(CERTIFICATE),
        &credential.certificate_pem,
        PUBLIC_MODE,
    )?;
    // An MSP folder holds one key; the one before belongs to the certificate that was just replaced.
    for entry in read_dir(&keystore)? {
        if entry.file_name() != Some(format!("{id}_sk").as_ref()) {
            std::fs::remove_file(&entry).map_err(|source| Error::File { path: entry, source })?;
        }
    }
    Ok(())
}

/// The certificate and key of an MSP folder.
pub fn read_msp(folder: &Path) -> Result<Credential, Error> {
    let only = |name: &str| {
        let folder = folder.join(name);
        read_dir(&folder)?.into_iter().next().ok_or_else(|| Error::File {
            path: folder,
            source: std::io::ErrorKind::NotFound.into(),
        })
    };
    let read = |path: std::path::PathBuf| {
        std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
    };
    Ok(Credential {
        certificate_pem: read(only("signcerts")?)?,
        key_pem: Zeroizing::new(read(only("keystore")?)?),
    })
}

fn read_dir(folder: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let failed = |source| Error::File { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}
