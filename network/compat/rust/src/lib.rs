//! Connects the crate `fabric-sdk` to the network whose folder the environment variable `CARECORD_NETWORK` names.

use std::{error::Error, fs, path::PathBuf};

use fabric_sdk::{
    fabric::protos::SignedProposal,
    gateway::client::{Client, ClientBuilder},
    identity::{Identity, IdentityBuilder},
    osnadmin::{OsnadminClient, OsnadminClientBuilder},
};
use serde::Deserialize;

/// Whatever went wrong, for a test to print.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The channel of the compatibility network.
pub const CHANNEL: &str = "care";
/// The key-value chaincode.
pub const BENCH: &str = "bench";

/// The part of `network.json` that a client needs.
#[derive(Debug, Deserialize)]
pub struct Network {
    nodes: Vec<Node>,
    users: Vec<User>,
}

#[derive(Debug, Deserialize)]
struct Node {
    name: String,
    role: String,
    organisation: String,
    address: String,
    admin_address: Option<String>,
    tls_ca_file: PathBuf,
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    organisation: String,
    msp_id: String,
    certificate_file: PathBuf,
    key_file: PathBuf,
    tls_certificate_file: PathBuf,
    tls_key_file: PathBuf,
    #[serde(default)]
    admin: bool,
}

// === impl Network ===

impl Network {
    /// Reads the `network.json` of the network under test.
    pub fn read() -> Result<Self, Failure> {
        let dir = std::env::var("CARECORD_NETWORK")
            .map_err(|_| "CARECORD_NETWORK names no network; run scripts/compat.sh")?;
        let file = PathBuf::from(dir).join("network.json");
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }

    /// A client as the person `name`, connected to the peer of the own organisation.
    pub async fn client(&self, name: &str) -> Result<Client, Failure> {
        let user = self.users.iter().find(|user| user.name == name).ok_or("no such user")?;
        self.connect(user).await
    }

    /// A client as the administrator of an organisation.
    pub async fn admin(&self, organisation: &str) -> Result<Client, Failure> {
        self.connect(self.administrator(organisation)?).await
    }

    /// The administrator of an organisation as one who signs.
    pub fn admin_identity(&self, organisation: &str) -> Result<Identity, Failure> {
        self.administrator(organisation)?.identity()
    }

    /// The crate's osnadmin client for the orderer `node`, as the administrator of an organisation.
    pub fn osnadmin(&self, node: &str, organisation: &str) -> Result<OsnadminClient, Failure> {
        let (node, user) = (self.orderer(node)?, self.administrator(organisation)?);
        let (certificate, key) =
            (fs::read(&user.tls_certificate_file)?, fs::read(&user.tls_key_file)?);
        Ok(OsnadminClientBuilder::new()
            .with_url(node.admin_url()?)?
            .with_client_identity(certificate, key)?
            .with_tls(fs::read(&node.tls_ca_file)?)
            .build()?)
    }

    /// A plain HTTP client with what `osnadmin` shows an orderer of the own organisation, and the orderer's URL.
    pub fn plain(&self, node: &str) -> Result<(reqwest::Client, String), Failure> {
        let node = self.orderer(node)?;
        let user = self.administrator(&node.organisation)?;
        let mut pem = fs::read(&user.tls_certificate_file)?;
        pem.extend(fs::read(&user.tls_key_file)?);
        let client = reqwest::Client::builder()
            .identity(reqwest::Identity::from_pem(&pem)?)
            .add_root_certificate(reqwest::Certificate::from_pem(&fs::read(&node.tls_ca_file)?)?)
            .build()?;
        Ok((client, node.admin_url()?))
    }

    fn administrator(&self, organisation: &str) -> Result<&User, Failure> {
        let is_admin = |user: &&User| user.admin && user.organisation == organisation;
        Ok(self.users.iter().find(is_admin).ok_or("no administrator")?)
    }

    fn orderer(&self, name: &str) -> Result<&Node, Failure> {
        Ok(self.nodes.iter().find(|node| node.name == name).ok_or("no such orderer")?)
    }

    async fn connect(&self, user: &User) -> Result<Client, Failure> {
        let is_home = |node: &&Node| node.role == "peer" && node.organisation == user.organisation;
        let peer = self.nodes.iter().find(is_home).ok_or("no peer of the organisation")?;
        let mut client = ClientBuilder::new()
            .with_identity(user.identity()?)?
            .with_tls(fs::read(&peer.tls_ca_file)?)?
            .with_scheme("https")?
            .with_authority(&peer.address)?
            .build()?;
        client.connect().await?;
        Ok(client)
    }
}

// === impl User ===

impl User {
    fn identity(&self) -> Result<Identity, Failure> {
        Ok(IdentityBuilder::from_pem(fs::read(&self.certificate_file)?)?
            .with_msp(&self.msp_id)?
            .with_private_key(fs::read_to_string(&self.key_file)?)?
            .build()?)
    }
}

// === impl Node ===

impl Node {
    fn admin_url(&self) -> Result<String, Failure> {
        let address =
            self.admin_address.as_ref().ok_or("the node has no administration service")?;
        Ok(format!("https://{address}"))
    }
}

/// A signed proposal to call `function` of the key-value chaincode.
pub fn proposal<'a>(
    client: &Client,
    function: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<SignedProposal, Failure> {
    let arguments: Vec<&str> = arguments.into_iter().collect();
    let mut call = client.get_chaincode_call_builder();
    call.with_channel_name(CHANNEL)?
        .with_chaincode_id(BENCH)?
        .with_function_name(function)?
        .with_function_args(arguments)?;
    Ok(call.build()?)
}
