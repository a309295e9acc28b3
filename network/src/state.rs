//! The folder of a network: `network.json`, and where everything else lies.
//!
//! Place in the flow: bring-up writes it, every other command reads it. `network.json` is an interface that scripts
//! rely on; paths in it are absolute.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Version of the file's form; a reader refuses any other.
pub const SCHEMA: &str = "carecord.network/v1";
const FILE: &str = "network.json";

/// The folder of one network.
#[derive(Debug, Clone)]
pub struct NetworkDir {
    root: PathBuf,
}

/// Content of `network.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFile {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Name of the network.
    pub name: String,
    /// Version of carecord that made it.
    pub version: String,
    /// When it was made, in seconds since 1970.
    pub created_unix_s: i64,
    /// All organisations.
    pub organisations: Vec<OrganisationEntry>,
    /// All nodes.
    pub nodes: Vec<NodeEntry>,
    /// All people, an `Admin` of each organisation among them.
    pub users: Vec<UserEntry>,
    /// All channels.
    pub channels: Vec<ChannelEntry>,
    /// All chaincodes of all channels.
    pub chaincodes: Vec<ChaincodeEntry>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganisationEntry {
    /// Name of its group in the channel configuration.
    pub name: String,
    /// Its MSP id.
    pub msp_id: String,
    /// Its domain.
    pub domain: String,
    /// `orderer` or `peer`.
    pub role: String,
    /// Its verifying MSP folder.
    pub msp_dir: PathBuf,
    /// Certificate of its TLS CA.
    pub tls_ca_file: PathBuf,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Short name.
    pub name: String,
    /// `orderer` or `peer`.
    pub role: String,
    /// Name of its organisation.
    pub organisation: String,
    /// Its organisation's MSP id.
    pub msp_id: String,
    /// Where clients reach it, `host:port`.
    pub address: String,
    /// Where the other orderers reach it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cluster_address: Option<String>,
    /// Where metrics and health are served.
    pub operations_address: String,
    /// `https` or `http`.
    #[serde(default = "http")]
    pub operations_scheme: String,
    /// Where an orderer's channel participation is administered, over mutual TLS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub admin_address: Option<String>,
    /// What a client of an `https` operations service needs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operations_tls: Option<OperationsTls>,
    /// Name in its TLS certificate.
    pub tls_server_name: String,
    /// Certificate of the TLS CA to check it with.
    pub tls_ca_file: PathBuf,
    /// Its configuration.
    pub config_file: PathBuf,
    /// Its data.
    pub data_dir: PathBuf,
    /// Its log.
    pub log_file: PathBuf,
    /// Its process, while it runs.
    pub pid_file: PathBuf,
}

/// What a client of a node's operations service needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationsTls {
    /// Certificate of the TLS CA to check the node with.
    pub ca_file: PathBuf,
    /// Name in the node's certificate; its addresses stand there too.
    pub server_name: String,
    /// Certificate to show: `/metrics` and `/logspec` need one of the node's organisation.
    pub client_certificate_file: PathBuf,
    /// Its key.
    pub client_key_file: PathBuf,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// Name for `--as`.
    pub name: String,
    /// Name of the organisation.
    pub organisation: String,
    /// MSP id of the organisation.
    pub msp_id: String,
    /// Value of `carecord.role`.
    pub role: Option<String>,
    /// Whether it may administer the organisation.
    pub admin: bool,
    /// `p256`, `p384` or `ed25519`.
    pub key_kind: String,
    /// Signing certificate.
    pub certificate_file: PathBuf,
    /// Signing key.
    pub key_file: PathBuf,
    /// TLS client certificate.
    pub tls_certificate_file: PathBuf,
    /// TLS client key.
    pub tls_key_file: PathBuf,
    /// Certificate of the organisation's TLS CA.
    pub tls_ca_file: PathBuf,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelEntry {
    /// Channel id.
    pub name: String,
    /// Member organisations.
    pub organisations: Vec<String>,
    /// Names of its orderers.
    pub orderers: Vec<String>,
    /// Its first block.
    pub genesis_file: PathBuf,
}

/// A chaincode on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChaincodeEntry {
    /// Name.
    pub name: String,
    /// Version of its definition.
    pub version: String,
    /// Channel it is on.
    pub channel: String,
    /// Path of a channel policy, or an expression.
    pub endorsement: String,
    /// Whether its definition has been committed.
    pub deployed: bool,
}

// === impl NetworkDir ===

impl NetworkDir {
    /// The folder at `root`, made absolute.
    pub fn new(root: &Path) -> Outcome<Self> {
        let root = std::path::absolute(root).map_err(|error| Failure::file(root, &error))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The tree of certificates and keys.
    pub fn organizations(&self) -> PathBuf {
        self.root.join("organizations")
    }

    /// The topology that the network was made from.
    pub fn topology(&self) -> PathBuf {
        self.root.join("topology.toml")
    }

    /// First block of `channel`.
    pub fn genesis(&self, channel: &str) -> PathBuf {
        self.root.join("channels").join(format!("{channel}.block"))
    }

    /// Everything of the node `name` except its log.
    pub fn node(&self, name: &str) -> PathBuf {
        self.root.join("nodes").join(name)
    }

    /// Log of the node `name`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// Keys and records that the client side of this machine keeps (wallets of the people in the network).
    pub fn wallets(&self) -> PathBuf {
        self.root.join("wallets")
    }

    /// `network.json`.
    pub fn network_file(&self) -> PathBuf {
        self.root.join(FILE)
    }

    /// Whether a network was made here.
    pub fn has_network(&self) -> bool {
        self.network_file().exists()
    }

    /// Reads `network.json`.
    pub fn read(&self) -> Outcome<NetworkFile> {
        let path = self.network_file();
        let text = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::new(Code::NoNetwork, "there is no network in this folder")
                .at(self.root.display())
                .hint("name its folder with --dir or CARECORD_DIR, or make one there with `carecord network up --demo` or --topology FILE"),
            _ => Failure::file(&path, &error),
        })?;
        let damaged = |reason: String| Failure::new(Code::NetworkFile, reason).at(path.display());
        let schema: SchemaOnly =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if schema.schema != SCHEMA {
            return Err(damaged(format!(
                "the form is {}, this version reads {SCHEMA}",
                schema.schema
            ))
            .hint("use the version of carecord that made the network"));
        }
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
    }

    /// Writes `network.json`, so that a crash leaves the old or the new one.
    pub fn write(&self, file: &NetworkFile) -> Outcome<()> {
        let json = serde_json::to_vec_pretty(file).expect("names and paths have a JSON form");
        replace_file(&self.network_file(), &json)
    }

    /// Notes in `network.json` who is on `channel`; nothing if the network has no such channel.
    pub fn edit_channel(&self, channel: &str, edit: impl FnOnce(&mut ChannelEntry)) -> Outcome<()> {
        let mut file = self.read()?;
        let Some(entry) = file.channels.iter_mut().find(|entry| entry.name == channel) else {
            return Ok(());
        };
        edit(entry);
        self.write(&file)
    }
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: String,
}

// === impl NodeEntry ===

impl NodeEntry {
    /// URL of `path` at its operations service.
    pub fn operations_url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.operations_scheme, self.operations_address)
    }
}

fn http() -> String {
    "http".to_owned()
}

// === impl NetworkFile ===

impl NetworkFile {
    /// The node named `name`.
    pub fn node(&self, name: &str) -> Outcome<&NodeEntry> {
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .ok_or_else(|| unknown("node", name, self.nodes.iter().map(|node| node.name.as_str())))
    }

    /// The person named `name`: plainly, or as `name@domain` or `name@Organisation`.
    pub fn user(&self, name: &str) -> Outcome<&UserEntry> {
        let plain = |user: &&UserEntry| user.name == name;
        let with_organisation = |user: &&UserEntry| {
            name.split_once('@').is_some_and(|(first, place)| {
                user.name == first
                    && self
                        .organisations
                        .iter()
                        .filter(|organisation| organisation.name == user.organisation)
                        .any(|organisation| {
                            organisation.name == place || organisation.domain == place
                        })
            })
        };
        let namesakes: Vec<&UserEntry> = self.users.iter().filter(plain).collect();
        match namesakes[..] {
            [user] => return Ok(user),
            [] => {}
            _ => {
                let names: Vec<String> =
                    namesakes.iter().map(|user| self.full_name(user)).collect();
                let cause = format!("several users have the name {name:?}");
                return Err(Failure::new(Code::Argument, cause)
                    .hint(format!("it is one of {}", names.join(", "))));
            }
        }
        self.users.iter().find(with_organisation).ok_or_else(|| {
            let names: Vec<String> = self.users.iter().map(|user| self.full_name(user)).collect();
            unknown("user", name, names.iter().map(String::as_str))
        })
    }

    /// The name that means `user` and nobody else: `name@Organisation` where several have the name.
    pub fn full_name(&self, user: &UserEntry) -> String {
        let namesakes = self.users.iter().filter(|other| other.name == user.name).count();
        if namesakes < 2 {
            user.name.clone()
        } else {
            format!("{}@{}", user.name, user.organisation)
        }
    }

    /// The administrator of the organisation `name`.
    pub fn admin(&self, organisation: &str) -> Outcome<&UserEntry> {
        self.users
            .iter()
            .find(|user| user.admin && user.organisation == organisation)
            .ok_or_else(|| unknown("administrator of", organisation, std::iter::empty()))
    }

    /// The organisation named `name`.
    pub fn organisation(&self, name: &str) -> Outcome<&OrganisationEntry> {
        let names = || self.organisations.iter().map(|organisation| organisation.name.as_str());
        self.organisations
            .iter()
            .find(|organisation| organisation.name == name)
            .ok_or_else(|| unknown("organisation", name, names()))
    }

    /// The channel named `name`, or the first if none is named.
    pub fn channel(&self, name: Option<&str>) -> Outcome<&ChannelEntry> {
        let names = || self.channels.iter().map(|channel| channel.name.as_str());
        match name {
            None => self.channels.first().ok_or_else(|| unknown("channel", "", names())),
            Some(name) => self
                .channels
                .iter()
                .find(|channel| channel.name == name)
                .ok_or_else(|| unknown("channel", name, names())),
        }
    }

    /// Nodes that run as `role`.
    pub fn nodes_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a NodeEntry> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    /// The first peer of the organisation `name`.
    pub fn peer_of(&self, organisation: &str) -> Outcome<&NodeEntry> {
        self.nodes_of("peer").find(|node| node.organisation == organisation).ok_or_else(|| {
            unknown(
                "peer of",
                organisation,
                self.nodes_of("peer").map(|node| node.organisation.as_str()),
            )
        })
    }
}

/// Writes `bytes` beside `path`, syncs, and puts them in its place.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Outcome<()> {
    use std::io::Write;

    let failed = |error: std::io::Error| Failure::file(path, &error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let draft = path.with_extension("new");
    let mut file = std::fs::File::create(&draft).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)
}

/// Reads a text file that must be there.
pub fn read_text(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

/// Reads a certificate or key that must be there.
pub fn read_credential(path: &Path) -> Outcome<Vec<u8>> {
    // A pipe in its place would be waited for without end.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::new(Code::Certificate, "this certificate or key is no regular file")
            .at(path.display())
            .hint("restore it from a backup"));
    }
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(Code::Certificate, "this certificate or key is missing")
                .at(path.display())
                .hint("restore it from a backup, or make a new network in another folder")
        }
        _ => Failure::new(Code::Certificate, format!("this certificate or key cannot be read: {error}").to_lowercase())
            .at(path.display())
            .hint("let the user who runs carecord read it (ls -l shows whose it is), or restore it from a backup"),
    })
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let failure = Failure::new(Code::Unknown, format!("the network has no {what} {name:?}"));
    if known.is_empty() {
        return failure;
    }
    let all = format!("there is {}", known.join(", "));
    match nearest(name, &known) {
        Some(near) => failure.hint(format!("did you mean {near}? {all}")),
        None => failure.hint(all),
    }
}

/// The name that somebody who typed `name` most likely meant.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    /// Least likeness, of 1, that is worth a question.
    const LIKENESS_MIN: f64 = 0.8;
    let likeness = |other: &str| strsim::normalized_damerau_levenshtein(name, other);
    let near = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(near) >= LIKENESS_MIN).then_some(near)
}
