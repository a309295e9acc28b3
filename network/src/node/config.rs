//! The configuration file of a node.

use std::path::{Path, PathBuf};

use carecord_ca::service::CaConfig;
use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::error::{Failure, Outcome};

const COMMENT: &str =
    "# Configuration of one node. Paths are absolute; `carecord node run` reads this file.\n\n";

/// What a node needs to know before it reads its channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Name, for logs.
    pub name: String,
    /// MSP id of its organisation.
    pub msp_id: String,
    /// Its local MSP: certificate, key, CAs.
    pub msp_dir: PathBuf,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// Where clients reach it, `host:port`.
    pub address: String,
    /// Where the other orderers reach it; orderers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_address: Option<String>,
    /// Where metrics and health are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations_address: Option<String>,
    /// Where channel participation is administered, over mutual TLS; orderers only, and off without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_address: Option<String>,
    /// TLS CAs whose client certificates may administer; those of the node's own organisation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin_client_roots: Vec<PathBuf>,
    /// First blocks of the channels that it joins if it has not yet.
    #[serde(default)]
    pub channels: Vec<PathBuf>,
    /// Worker threads of the network part; one is the cheapest, since heavy work has threads of its own.
    #[serde(default = "one")]
    pub threads: usize,
    /// Orderers only: how far the clock is put back when TLS certificates are looked at, in seconds; as Fabric's
    /// `TLSHandshakeTimeShift`, for orderers whose certificates have all expired.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub handshake_time_shift_s: u64,
    /// TLS of the listeners.
    pub tls: TlsConfig,
    /// TLS of the operations service, with the node's own certificate; without, it is plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations_tls: Option<OperationsTlsConfig>,
    /// The CAs that it answers for, the first where none is named; CA nodes only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cas: Vec<CaConfig>,
    /// What is logged.
    #[serde(default)]
    pub log: LogConfig,
    /// Limits of the vault; peers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultConfig>,
}

/// What a peer's vault takes, and from whom how much; what is left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultConfig {
    /// The address by which clients name this vault, if it is not the node's `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// MiB that one person may have stored without a committed record that names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed_mib_per_person: Option<u32>,
    /// Contents that one person may have stored so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed_contents_per_person: Option<u32>,
    /// MiB that the people of one organisation may have stored so, together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed_mib_per_organisation: Option<u32>,
    /// After how many hours a content that no record names is removed; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed_hours: Option<u32>,
    /// After how many seconds the copies of all contents are looked after again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_seconds: Option<u32>,
    /// MiB of the disk that the vault leaves free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_mib: Option<u32>,
    /// Wraps of one version of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wraps_per_version: Option<u32>,
    /// Wraps of all versions of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wraps_per_record: Option<u32>,
}

/// TLS files of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Own certificate.
    pub certificate: PathBuf,
    /// Own key.
    pub key: PathBuf,
    /// TLS CAs whose certificates are accepted, from clients and from nodes that are dialled.
    pub roots: Vec<PathBuf>,
    /// Whether a client must send a certificate; one that is sent is always verified.
    #[serde(default)]
    pub require_client_certificate: bool,
}

/// Who may read metrics and set log levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsTlsConfig {
    /// TLS CAs whose client certificates open `/metrics` and `/logspec`.
    pub client_roots: Vec<PathBuf>,
}

/// What a node logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Fabric's form of a log specification, for example `info` or `gateway=debug:info`.
    #[serde(default = "info")]
    pub spec: String,
    /// `text` or `json`.
    #[serde(default = "text")]
    pub format: String,
}

// === impl LogConfig ===

impl Default for LogConfig {
    fn default() -> Self {
        Self { spec: info(), format: text() }
    }
}

// === impl NodeConfig ===

impl NodeConfig {
    /// Reads the file; a mistake is shown with its line.
    pub fn load(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::new(Code::NodeConfig, "the configuration file does not exist")
                    .at(path.display())
                    .hint("`carecord network init` writes one for each node; they name absolute paths, so a network whose folder was moved must be moved back")
            }
            _ => Failure::file(path, &error),
        })?;
        Self::parse(&text).map_err(|(line, message)| {
            Failure::new(Code::NodeConfig, message).at(format!("{}:{line}", path.display()))
        })
    }

    /// Reads the text; on failure the line and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            (line, error.message().to_lowercase().replace('\n', "; "))
        })
    }

    /// The configuration of a node that answers for `ca` alone; its files are still to be named.
    pub fn of_ca(name: &str, msp_id: &str, address: &str, ca: CaConfig) -> Self {
        Self {
            name: name.to_owned(),
            msp_id: msp_id.to_owned(),
            msp_dir: PathBuf::new(),
            data_dir: PathBuf::new(),
            address: address.to_owned(),
            cluster_address: None,
            operations_address: None,
            admin_address: None,
            admin_client_roots: Default::default(),
            handshake_time_shift_s: Default::default(),
            channels: Vec::new(),
            threads: 1,
            tls: TlsConfig {
                certificate: PathBuf::new(),
                key: PathBuf::new(),
                roots: Vec::new(),
                require_client_certificate: false,
            },
            operations_tls: None,
            cas: vec![ca],
            vault: Default::default(),
            log: LogConfig::default(),
        }
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        let body = toml::to_string(self).expect("names, numbers and paths have a TOML form");
        format!("{COMMENT}{body}")
    }
}

fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

fn one() -> usize {
    1
}

fn info() -> String {
    "info".to_owned()
}

fn text() -> String {
    "text".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> NodeConfig {
        NodeConfig {
            name: "orderer1".to_owned(),
            msp_id: "OrdererMSP".to_owned(),
            msp_dir: "/n/msp".into(),
            data_dir: "/n/data".into(),
            address: "127.0.0.1:7050".to_owned(),
            cluster_address: Some("127.0.0.1:7051".to_owned()),
            operations_address: None,
            admin_address: Some("127.0.0.1:7053".to_owned()),
            admin_client_roots: vec!["/n/own.crt".into()],
            channels: vec!["/n/care.block".into()],
            threads: 1,
            handshake_time_shift_s: 0,
            tls: TlsConfig {
                certificate: "/n/tls/server.crt".into(),
                key: "/n/tls/server.key".into(),
                roots: vec!["/n/ca.crt".into()],
                require_client_certificate: false,
            },
            operations_tls: Some(OperationsTlsConfig { client_roots: vec!["/n/own.crt".into()] }),
            cas: Vec::new(),
            log: LogConfig::default(),
            vault: Some(VaultConfig { unnamed_hours: Some(48), ..VaultConfig::default() }),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(NodeConfig::parse(&example().to_toml()), Ok(example()));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = example().to_toml().replace("threads = 1", "thread = 1");
        let (line, message) = NodeConfig::parse(&text).unwrap_err();
        assert!(message.starts_with("unknown field `thread`"), "{message}");
        assert!(text.lines().nth(line - 1).unwrap().starts_with("thread = 1"));
    }
}
