//! Making packages: equal content gives equal bytes, so that all organisations get the same package id.

use std::io::{Cursor, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// What a package is to make run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The chaincode of this name, which is part of every Carecord peer.
    BuiltIn(String),
    /// A chaincode service at this address.
    Service(String),
}

/// The bytes of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The file.
    pub bytes: Vec<u8>,
}

// === impl Package ===

impl Package {
    /// Packs `content` under `label`.
    pub fn new(label: &str, content: &Content) -> Outcome<Self> {
        let begins = label.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || !label.chars().all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c)) {
            let cause = format!("{label:?} is not a label");
            return Err(Failure::new(Code::ChaincodePackage, cause).hint(
                "letters, digits and _ . + - are allowed, the first must be a letter or digit",
            ));
        }
        let (kind, file, inside) = match content {
            Content::BuiltIn(name) => ("carecord", "chaincode.json", json!({ "name": name })),
            Content::Service(address) => {
                let connection =
                    json!({"address": address, "dial_timeout": "10s", "tls_required": false});
                ("ccaas", "connection.json", connection)
            }
        };
        let metadata = json!({"type": kind, "label": label, "path": ""}).to_string();
        let code = packed(&[(file, inside.to_string().as_bytes())])?;
        let files: [(&str, &[u8]); 2] =
            [("metadata.json", metadata.as_bytes()), ("code.tar.gz", &code)];
        Ok(Self { bytes: packed(&files)? })
    }

    /// Reads a package's file; peers check what it holds.
    pub fn read(path: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
        Ok(Self { bytes })
    }

    /// The id that it has under `label`.
    pub fn id(&self, label: &str) -> String {
        format!("{label}:{}", hex::encode(Sha256::digest(&self.bytes)))
    }
}

/// A gzipped tar without times, owners or anything else that differs between machines.
fn packed(files: &[(&str, &[u8])]) -> Outcome<Vec<u8>> {
    let failed = |error: std::io::Error| Failure::new(Code::ChaincodePackage, error);
    let mut archive = tar::Builder::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, name, *bytes).map_err(failed)?;
    }
    let archive = archive.into_inner().map_err(failed)?.into_inner();
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&archive).map_err(failed)?;
    packer.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_gives_equal_packages() {
        let content = Content::BuiltIn("bench".to_owned());
        let package = Package::new("bench_1.0", &content).unwrap();
        assert_eq!(package, Package::new("bench_1.0", &content).unwrap());
        assert!(package.id("bench_1.0").starts_with("bench_1.0:"));
        assert_ne!(package, Package::new("bench_1.1", &content).unwrap());
    }

    #[test]
    fn a_label_is_checked_before_anything_is_written() {
        for bad in ["", "-a", "a/b", "a:b", "../a"] {
            let content = Content::Service("localhost:9999".to_owned());
            assert_eq!(Package::new(bad, &content).unwrap_err().code(), "CR-LC-001", "{bad}");
        }
    }
}
