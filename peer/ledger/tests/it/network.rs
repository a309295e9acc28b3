//! A channel of our own: one ordering organisation, two that transact, and transactions made by hand.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_ca::{Authority, NodeRole, Organisation, Validity};
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, genesis_block};
use carecord_channel::policy::dsl;
use carecord_ledger::Ledger;
use carecord_ledger::definition::{LIFECYCLE, field_key, metadata_key};
use carecord_msp::keystore::{default_node_ous, msp_config_from};
use carecord_msp::{Signer, SigningIdentity};
use carecord_proto::common::{Block, ChannelHeader, Header, Payload, SignatureHeader};
use carecord_proto::etcdraft::{BlockMetadata, Consenter};
use carecord_proto::lifecycle::state_data::Type as Field;
use carecord_proto::lifecycle::{
    ChaincodeEndorsementInfo, ChaincodeValidationInfo, StateData, StateMetadata,
};
use carecord_proto::protos::application_policy::Type as PolicyType;
use carecord_proto::protos::*;
use carecord_proto::rwset::{KeyMetadata, RwSetBuilder};
use carecord_proto::{block, envelope, proposal, transaction};
use prost::Message;

pub const CHANNEL: &str = "care";
const MSPS: [&str; 2] = ["Org1MSP", "Org2MSP"];
const VALIDITY: Validity = Validity { not_before: 1_700_000_000, not_after: 4_000_000_000 };

/// One second long ago.
const PAST: Validity = Validity { not_before: 1_700_000_000, not_after: 1_700_000_001 };

/// Place of the client whose certificate has expired, of the first organisation.
pub const EXPIRED: usize = 2;

pub struct Network {
    pub genesis: Block,
    pub peers: Vec<SigningIdentity>,
    /// One of each organisation, and the one at [`EXPIRED`].
    pub clients: Vec<SigningIdentity>,
    orderer: SigningIdentity,
    nonce: Cell<u64>,
}

fn organisation(msp_id: &str) -> (Organisation, carecord_proto::msp::MspConfig) {
    let domain = format!("{}.example", msp_id.to_lowercase());
    let organisation = Organisation::create(&domain, None, VALIDITY).unwrap();
    let pem = |ca: &Authority| Bytes::from(ca.certificate_pem().to_owned());
    let (ca, tls) = (pem(organisation.ca()), pem(organisation.tls_ca()));
    let config =
        msp_config_from(msp_id, std::slice::from_ref(&ca), &[tls], Some(default_node_ous(&ca)));
    (organisation, config)
}

fn identity(
    organisation: &Organisation,
    msp_id: &str,
    name: &str,
    role: NodeRole,
    validity: Validity,
) -> SigningIdentity {
    let issued = organisation.node(name, role, validity).unwrap();
    let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
    SigningIdentity::from_pem(msp_id, certificate, key).unwrap()
}

impl Network {
    pub fn new() -> Self {
        let mut spec = ChannelSpec::new(CHANNEL);
        let (ordering, config) = organisation("OrdererMSP");
        let tls = Bytes::from(ordering.tls("orderer", &[], VALIDITY).unwrap().certificate_pem);
        let endpoints = vec!["orderer.example:7050".to_owned()];
        let ordering_spec = OrganizationSpec::orderer("Orderer", "OrdererMSP", config, endpoints);
        spec.orderer.organizations.push(ordering_spec.unwrap());
        spec.orderer.consenters.push(Consenter {
            host: "orderer.example".into(),
            port: 7050,
            client_tls_cert: tls.clone(),
            server_tls_cert: tls,
        });
        let (mut peers, mut clients, mut expired) = (Vec::new(), Vec::new(), Vec::new());
        for msp_id in MSPS {
            let (organisation, config) = organisation(msp_id);
            let name = msp_id.trim_end_matches("MSP");
            let member = OrganizationSpec::application(name, msp_id, config, Vec::new()).unwrap();
            spec.application.organizations.push(member);
            let issue =
                |name, role, validity| identity(&organisation, msp_id, name, role, validity);
            peers.push(issue("peer0", NodeRole::Peer, VALIDITY));
            clients.push(issue("user1", NodeRole::Client, VALIDITY));
            expired.push(issue("user2", NodeRole::Client, PAST));
        }
        clients.push(expired.swap_remove(0));
        let genesis = genesis_block(&spec, Bytes::from_static(b"nonce"), 1_700_000_000).unwrap();
        let orderer = identity(&ordering, "OrdererMSP", "orderer", NodeRole::Orderer, VALIDITY);
        Network { genesis, peers, clients, orderer, nonce: Cell::new(0) }
    }

    pub fn fresh_nonce(&self) -> Bytes {
        self.nonce.set(self.nonce.get() + 1);
        Bytes::copy_from_slice(&self.nonce.get().to_be_bytes())
    }

    /// The next block of `ledger` with these envelopes, signed by the orderer.
    pub fn block(&self, ledger: &Ledger, envelopes: Vec<Bytes>) -> Block {
        let previous = Bytes::copy_from_slice(&ledger.header_hash());
        self.sign(block::new(ledger.height(), previous, envelopes))
    }

    pub fn sign(&self, block: Block) -> Block {
        self.sign_as(&self.orderer, block)
    }

    pub fn sign_as(&self, signer: &SigningIdentity, mut block: Block) -> Block {
        let creator = signer.serialized();
        let signature_header = SignatureHeader { creator, nonce: self.fresh_nonce() };
        let signature_header = Bytes::from(signature_header.encode_to_vec());
        let value = block::orderer_metadata_value(0, &BlockMetadata::default());
        let header = block.header.clone().unwrap();
        let signed = block::signed_bytes(&value, &signature_header, &header);
        let signature = signer.sign(&signed).unwrap().into();
        block::set_signature(&mut block, value, signature_header, signature, 0);
        block
    }

    /// An ordinary transaction of `chaincode`, endorsed by both organisations.
    pub fn draft(&self, chaincode: &str, rwset: RwSetBuilder) -> Draft<'_> {
        Draft {
            network: self,
            channel: CHANNEL.into(),
            chaincode: chaincode.into(),
            results: rwset.build().public,
            event: Bytes::new(),
            version: "1.0".into(),
            endorsers: vec![0, 1],
            client: 0,
            header_type: 3,
            epoch: 0,
            nonce: self.fresh_nonce(),
            tx_id: None,
            data: None,
            endorse_other: false,
            break_signature: false,
        }
    }

    /// The transaction that commits a chaincode's definition.
    pub fn define(&self, definition: Defined<'_>) -> Bytes {
        let mut rwset = RwSetBuilder::new();
        let name = definition.name;
        let fields = ["Sequence", "EndorsementInfo", "ValidationInfo", "Collections"];
        let metadata = StateMetadata {
            datatype: "ChaincodeDefinition".into(),
            fields: fields.map(str::to_owned).to_vec(),
        };
        rwset.add_write(LIFECYCLE, &metadata_key(name), metadata.encode_to_vec().into());
        let endorsement = ChaincodeEndorsementInfo {
            version: "1.0".into(),
            init_required: false,
            endorsement_plugin: "escc".into(),
        };
        let validation = ChaincodeValidationInfo {
            validation_plugin: "vscc".into(),
            validation_parameter: application_policy(definition.policy).encode_to_vec().into(),
        };
        let collections = CollectionConfigPackage { config: definition.collections };
        let values = [
            Field::Int64(1),
            Field::Bytes(endorsement.encode_to_vec().into()),
            Field::Bytes(validation.encode_to_vec().into()),
            Field::Bytes(collections.encode_to_vec().into()),
        ];
        for (field, value) in fields.into_iter().zip(values) {
            let value = StateData { r#type: Some(value) }.encode_to_vec();
            rwset.add_write(LIFECYCLE, &field_key(name, field), value.into());
        }
        self.draft(LIFECYCLE, rwset).envelope()
    }
}

/// A chaincode definition to commit.
pub struct Defined<'a> {
    pub name: &'a str,
    pub policy: &'a str,
    pub collections: Vec<CollectionConfig>,
}

pub fn application_policy(rule: &str) -> ApplicationPolicy {
    let policy = dsl::parse(rule).unwrap();
    ApplicationPolicy { r#type: Some(PolicyType::SignaturePolicy(policy)) }
}

/// The metadata that gives a key its own endorsement policy.
pub fn key_policy(rule: &str) -> KeyMetadata {
    let policy = dsl::parse(rule).unwrap().encode_to_vec();
    BTreeMap::from([("VALIDATION_PARAMETER".to_owned(), policy.into())])
}

pub fn collection(name: &str, policy: Option<&str>, block_to_live: u64) -> CollectionConfig {
    let members = dsl::parse("OR('Org1MSP.member','Org2MSP.member')").unwrap();
    let config = StaticCollectionConfig {
        name: name.into(),
        member_orgs_policy: Some(CollectionPolicyConfig {
            payload: Some(collection_policy_config::Payload::SignaturePolicy(members)),
        }),
        block_to_live,
        endorsement_policy: policy.map(application_policy),
        ..StaticCollectionConfig::default()
    };
    CollectionConfig { payload: Some(collection_config::Payload::StaticCollectionConfig(config)) }
}

/// A transaction in the making; what the fields do not reach is replaced through `data`.
#[derive(Clone)]
pub struct Draft<'a> {
    network: &'a Network,
    pub channel: String,
    pub chaincode: String,
    pub results: Bytes,
    pub event: Bytes,
    pub version: String,
    pub endorsers: Vec<usize>,
    pub client: usize,
    pub header_type: i32,
    pub epoch: u64,
    pub nonce: Bytes,
    pub tx_id: Option<String>,
    /// In place of the encoded `Transaction`.
    pub data: Option<Bytes>,
    /// Whether the endorsers signed another payload.
    pub endorse_other: bool,
    /// Whether the client's signature is wrong.
    pub break_signature: bool,
}

impl Draft<'_> {
    pub fn tx_id(&self) -> String {
        let creator = self.network.clients[self.client].serialized();
        self.tx_id.clone().unwrap_or_else(|| envelope::tx_id(&self.nonce, &creator))
    }

    pub fn header(&self) -> Header {
        let chaincode_id = Some(ChaincodeId { name: self.chaincode.clone(), ..Default::default() });
        let channel_header = ChannelHeader {
            r#type: self.header_type,
            channel_id: self.channel.clone(),
            tx_id: self.tx_id(),
            epoch: self.epoch,
            extension: ChaincodeHeaderExtension { chaincode_id }.encode_to_vec().into(),
            timestamp: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 }),
            ..ChannelHeader::default()
        };
        let creator = self.network.clients[self.client].serialized();
        let signature_header = SignatureHeader { creator, nonce: self.nonce.clone() };
        Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        }
    }

    pub fn action(&self) -> TransactionAction {
        let header = self.header();
        let input = Bytes::from(ChaincodeProposalPayload::default().encode_to_vec());
        let hash =
            proposal::proposal_hash(&header.channel_header, &header.signature_header, &input);
        let name = self.chaincode.clone();
        let chaincode_id = ChaincodeId { name, version: self.version.clone(), path: String::new() };
        let action = ChaincodeAction {
            results: self.results.clone(),
            events: self.event.clone(),
            response: Some(Response { status: 200, ..Response::default() }),
            chaincode_id: Some(chaincode_id),
        };
        let answer = ProposalResponsePayload {
            proposal_hash: Bytes::copy_from_slice(&hash),
            extension: action.encode_to_vec().into(),
        };
        let answer = Bytes::from(answer.encode_to_vec());
        let endorsements = self.endorsers.iter().map(|peer| self.endorse(*peer, &answer)).collect();
        let payload = ChaincodeActionPayload {
            chaincode_proposal_payload: input,
            action: Some(ChaincodeEndorsedAction {
                proposal_response_payload: answer,
                endorsements,
            }),
        };
        TransactionAction {
            header: header.signature_header,
            payload: payload.encode_to_vec().into(),
        }
    }

    fn endorse(&self, peer: usize, answer: &Bytes) -> Endorsement {
        let peer = &self.network.peers[peer];
        let endorser = peer.serialized();
        let signed = match self.endorse_other {
            true => b"something else".to_vec(),
            false => transaction::endorsed_bytes(answer, &endorser),
        };
        Endorsement { endorser, signature: peer.sign(&signed).unwrap().into() }
    }

    pub fn envelope(&self) -> Bytes {
        let data = self
            .data
            .clone()
            .unwrap_or_else(|| Transaction { actions: vec![self.action()] }.encode_to_vec().into());
        let payload = Payload { header: Some(self.header()), data };
        self.network.seal(self.client, payload.encode_to_vec().into(), self.break_signature)
    }
}

impl Network {
    /// Signs a payload as a client and gives the canonical envelope.
    pub fn seal(&self, client: usize, payload: Bytes, broken: bool) -> Bytes {
        let signed: &[u8] = if broken { b"other" } else { &payload };
        let signature = self.clients[client].sign(signed).unwrap();
        envelope::canonical(payload, signature.into())
    }
}
