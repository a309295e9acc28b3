//! Connects the crate `fabric-sdk` to the network whose folder the environment variable `CARECORD_NETWORK` names.

use std::{error::Error, fs, path::PathBuf};

use fabric_sdk::{
    fabric::protos::SignedProposal,
    gateway::client::{Client, ClientBuilder},
    identity::IdentityBuilder,
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
    role: String,
    organisation: String,
    address: String,
    tls_ca_file: PathBuf,
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    organisation: String,
    msp_id: String,
    certificate_file: PathBuf,
    key_file: PathBuf,
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
        let is_admin = |user: &&User| user.admin && user.organisation == organisation;
        self.connect(self.users.iter().find(is_admin).ok_or("no administrator")?).await
    }

    async fn connect(&self, user: &User) -> Result<Client, Failure> {
        let is_home = |node: &&Node| node.role == "peer" && node.organisation == user.organisation;
        let peer = self.nodes.iter().find(is_home).ok_or("no peer of the organisation")?;
        let identity = IdentityBuilder::from_pem(fs::read(&user.certificate_file)?)?
            .with_msp(&user.msp_id)?
            .with_private_key(fs::read_to_string(&user.key_file)?)?
            .build()?;
        let mut client = ClientBuilder::new()
            .with_identity(identity)?
            .with_tls(fs::read(&peer.tls_ca_file)?)?
            .with_scheme("https")?
            .with_authority(&peer.address)?
            .build()?;
        client.connect().await?;
        Ok(client)
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
