//! Typed health calls for one person: what is sealed, wrapped, checked and sent in which order.
//!
//! Place in the flow: on top of [`crate::Contract`] and [`crate::vault::Vault`]. A [`Person`] acts through the gateway of
//! their home organisation; each record's bytes lie in the vault of the organisation that wrote it.

mod appointments;
mod audit;
mod channels;
pub mod claims;
mod consent;
mod identity;
mod records;
mod research;
mod storage;
mod telemetry;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_health::ids::{Id, Kid, MspId};
use carecord_health::page::Page;
use serde::de::DeserializeOwned;

use crate::vault::{PeerAt, Vault};
use crate::wrap::EncryptionKey;
use crate::{Contract, Error, Gateway, Network};

pub use appointments::{freeze_batch, qualify, run_batch, verify_batch, verify_batch_at_peer};
pub use carecord_health as model;
pub use identity::{register_org, register_person};
pub use records::{Content, Opened};
pub use storage::{OpenedChallenge, object_root};
pub use telemetry::{Sample, Samples};
pub use token::{init_token, mint};

/// Entries asked for in one page of a list.
const PAGE: usize = 100;

/// The peers of the organisations, where their vaults answer.
pub type Peers = Arc<BTreeMap<String, PeerAt>>;

/// Somebody who acts on the health contracts; cheap to clone.
#[derive(Clone)]
pub struct Person {
    id: Id,
    contract: Contract,
    encryption: EncryptionKey,
    peers: Peers,
}

// === impl Person ===

impl Person {
    /// A person with this id, acting through `home` with this encryption key.
    pub fn new(id: Id, home: &Network, encryption: EncryptionKey, peers: Peers) -> Self {
        Self { id, contract: home.contract(carecord_health::NAME), encryption, peers }
    }

    /// The pseudonymous id under which the ledger knows the person.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The id of the person's encryption key.
    pub fn kid(&self) -> Kid {
        carecord_health::keys::kid(crate::wrap::SUITE, self.encryption.public())
    }

    /// The health chaincode as this person calls it.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    fn network(&self) -> &Network {
        self.contract.network()
    }

    fn gateway(&self) -> &Gateway {
        self.network().gateway()
    }

    fn peer_of(&self, org: &MspId) -> Result<&PeerAt, Error> {
        let unknown = Error::Untrusted("the record names an organisation whose peer is not known");
        self.peers.get(org.as_str()).ok_or(unknown)
    }

    fn vault(&self, org: &MspId) -> Result<Vault, Error> {
        let signer = Arc::clone(self.gateway().signer());
        Ok(Vault::new(self.peer_of(org)?, org.as_str(), self.network().name(), signer))
    }

    /// The channel as another organisation's peer shows it to this person.
    fn network_at(&self, org: &MspId) -> Result<Network, Error> {
        let channel = self.peer_of(org)?.channel.clone();
        let gateway = Gateway::new(channel, self.gateway().signer().clone());
        Ok(gateway.network(self.network().name()))
    }

    async fn evaluate<T: DeserializeOwned>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = String>,
    ) -> Result<T, Error> {
        parse(&self.contract.evaluate(function, args).await?)
    }

    /// An evaluation on which data keys hang: peers of two organisations must answer alike, since one lying peer
    /// could name a reader, or a key, of its own.
    async fn agreed<T: DeserializeOwned>(
        &self,
        function: &str,
        args: &[String],
    ) -> Result<T, Error> {
        let own = self.gateway().signer().msp_id().to_owned();
        let other = self.peers.keys().find(|org| **org != own);
        let mut answers = Vec::new();
        for org in std::iter::once(&own).chain(other) {
            let proposal = self
                .contract
                .proposal(function)
                .arguments(args.iter().cloned())
                .organisations([org.as_str()])
                .build()?;
            answers.push(proposal.evaluate().await?);
        }
        if answers.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Error::Untrusted(
                "peers of two organisations answer differently; try again",
            ));
        }
        parse(&answers[0])
    }

    async fn submit<T: DeserializeOwned>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = String>,
    ) -> Result<T, Error> {
        parse(&self.contract.submit(function, args).await?)
    }

    /// All entries of a list, page after page.
    async fn list<T: DeserializeOwned>(
        &self,
        function: &str,
        args: &[String],
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let paging = [after, PAGE.to_string()];
            let page: Page<T> = self.evaluate(function, args.iter().cloned().chain(paging)).await?;
            all.extend(page.items);
            if page.next.is_empty() {
                return Ok(all);
            }
            after = page.next;
        }
    }
}

/// 128 fresh random bits, as the ledger names things.
pub fn random_id() -> Result<Id, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(Id::new(hex::encode(bytes)).expect("16 bytes are 32 hex digits"))
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|_| Error::Answer("a result of the health chaincode"))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types are always JSON")
}
