//! Rows O1 to O6 and O11 to O13 of the threats: what a client may put into a block, and what it hears otherwise.

use std::sync::Arc;

use bytes::Bytes;
use carecord_ca::{NodeRole, Organisation, Person, Validity};
use carecord_channel::Bundle;
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, genesis_block};
use carecord_consensus::{Admitted, ChannelParams, Class, Rejection, admit, admit_bytes};
use carecord_msp::{Signer, SigningIdentity, keystore};
use carecord_proto::common::{
    ChannelHeader, Envelope, HeaderType, Payload, SignatureHeader, Status,
};
use carecord_proto::envelope;
use carecord_proto::etcdraft::{Consenter, Options};
use carecord_proto::msp::MspConfig;
use carecord_proto::orderer::BatchSize;
use prost::Message;

const CHANNEL: &str = "care";
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const LIMIT: u32 = 200_000;

struct Org {
    msp_id: &'static str,
    authority: Organisation,
}

struct Room {
    bundle: Bundle,
    user: Arc<dyn Signer>,
    stranger: Arc<dyn Signer>,
}

impl Org {
    fn new(msp_id: &'static str, domain: &str) -> Self {
        let validity = Validity::days_from(NOW, 100);
        Self { msp_id, authority: Organisation::create(domain, None, validity).unwrap() }
    }

    fn msp(&self) -> MspConfig {
        let ca = self.authority.ca().certificate_pem().as_bytes().to_vec();
        let tls_ca = self.authority.tls_ca().certificate_pem().as_bytes().to_vec();
        let ous = keystore::default_node_ous(&ca);
        keystore::msp_config_from(self.msp_id, &[ca.into()], &[tls_ca.into()], Some(ous))
    }

    fn user(&self) -> Arc<dyn Signer> {
        let person = Person { name: "u".into(), role: None, admin: false, key: Default::default() };
        let issued = self.authority.person(&person, "u", Validity::days_from(NOW, 10)).unwrap();
        let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
        Arc::new(SigningIdentity::from_pem(self.msp_id, certificate, key).unwrap())
    }
}

fn spec(orderers: &Org, hospital: &Org) -> ChannelSpec {
    let validity = Validity::days_from(NOW, 10);
    let tls = orderers.authority.node("orderer", NodeRole::Orderer, validity).unwrap();
    let certificate = Bytes::copy_from_slice(tls.certificate_pem.as_bytes());
    let mut spec = ChannelSpec::new(CHANNEL);
    let endpoints = vec!["localhost:7050".to_owned()];
    spec.orderer.organizations = vec![
        OrganizationSpec::orderer("Orderers", orderers.msp_id, orderers.msp(), endpoints).unwrap(),
    ];
    spec.orderer.consenters = vec![Consenter {
        host: "localhost".into(),
        port: 7050,
        client_tls_cert: certificate.clone(),
        server_tls_cert: certificate,
    }];
    spec.orderer.raft = Options {
        tick_interval: "50ms".into(),
        election_tick: 10,
        heartbeat_tick: 2,
        max_inflight_blocks: 7,
        snapshot_interval_size: 16 << 20,
    };
    spec.orderer.batch_size = BatchSize {
        max_message_count: 100,
        absolute_max_bytes: LIMIT,
        preferred_max_bytes: LIMIT / 2,
    };
    let member =
        OrganizationSpec::application("Hospital", hospital.msp_id, hospital.msp(), Vec::new());
    spec.application.organizations = vec![member.unwrap()];
    spec
}

fn room() -> Room {
    let orderers = Org::new("OrdererMSP", "orderers.test");
    let hospital = Org::new("HospitalMSP", "a.test");
    let block = genesis_block(&spec(&orderers, &hospital), Bytes::from_static(&[7; 24]), NOW);
    let bundle = Bundle::from_block(&block.unwrap()).unwrap();
    let stranger = Org::new("HospitalMSP", "b.test").user();
    Room { bundle, user: hospital.user(), stranger }
}

/// What an orderer looks at in an envelope.
struct Draft {
    channel: &'static str,
    kind: i32,
    seconds: Option<i64>,
    tx_id: Option<&'static str>,
    size: usize,
}

impl Default for Draft {
    fn default() -> Self {
        let kind = HeaderType::EndorserTransaction as i32;
        Self { channel: CHANNEL, kind, seconds: Some(NOW), tx_id: None, size: 100 }
    }
}

impl Draft {
    fn signed_by(self, signer: &Arc<dyn Signer>) -> Envelope {
        let nonce = Bytes::from_static(&[3; 24]);
        let creator = signer.serialized();
        let own = envelope::tx_id(&nonce, &creator);
        let header = ChannelHeader {
            r#type: self.kind,
            channel_id: self.channel.to_owned(),
            tx_id: self.tx_id.map_or(own, str::to_owned),
            timestamp: self.seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
            ..ChannelHeader::default()
        };
        let data = Bytes::from(vec![1; self.size]);
        let payload = envelope::payload(&header, &SignatureHeader { creator, nonce }, data);
        let signature = signer.sign(&payload).unwrap().into();
        Envelope { payload, signature }
    }
}

fn refused(room: &Room, envelope: &Envelope, now: i64) -> (Status, String) {
    let Rejection { status, info } = admit(envelope, &room.bundle, now).unwrap_err();
    (status, info)
}

#[track_caller]
fn check(room: &Room, draft: Draft, status: Status, text: &str) {
    let (found, info) = refused(room, &draft.signed_by(&room.user), NOW);
    assert_eq!((found, info.contains(text)), (status, true), "{info}");
}

#[test]
fn a_writers_transaction_is_admitted_in_its_canonical_form() {
    let room = room();
    let envelope = Draft::default().signed_by(&room.user);
    let canonical = envelope::canonical(envelope.payload.clone(), envelope.signature.clone());
    for verdict in [admit(&envelope, &room.bundle, NOW), admit_bytes(&canonical, &room.bundle, NOW)]
    {
        let Admitted { envelope: bytes, size, config_seq, class } = verdict.unwrap();
        assert_eq!(bytes, canonical);
        assert_eq!(size, envelope.payload.len() + envelope.signature.len());
        assert_eq!((config_seq, class), (0, Class::Normal));
    }
}

#[test]
fn what_is_wrong_with_an_envelope_is_told_in_fabrics_words() {
    let room = room();
    let kind = |kind: HeaderType| Draft { kind: kind as i32, ..Draft::default() };
    let bad = Status::BadRequest;
    let direct = "message is of type that cannot be processed directly";
    check(&room, kind(HeaderType::Config), bad, direct);
    let gone = "message is of type that is no longer supported";
    check(&room, kind(HeaderType::OrdererTransaction), bad, gone);
    check(&room, kind(HeaderType::ConfigUpdate), bad, "must be proposed, not admitted");
    check(&room, Draft { channel: "other", ..Draft::default() }, bad, "channel does not exist");
    let large = format!("bytes and exceeds maximum allowed {LIMIT} bytes");
    check(&room, Draft { size: LIMIT as usize, ..Draft::default() }, bad, &large);
    let burnt = Draft { tx_id: Some("somebody else's"), ..Draft::default() };
    check(&room, burnt, bad, "incorrectly computed txid 'somebody else's' -- expected '");
    for seconds in [NOW - 901, NOW + 901] {
        let old = Draft { seconds: Some(seconds), ..Draft::default() };
        check(&room, old, bad, "is more than 15m0s apart from current server time");
    }
    let timeless = Draft { seconds: None, ..Draft::default() };
    check(&room, timeless, bad, "channel header in envelope must contain timestamp");
    let late = Draft { seconds: Some(NOW - 900), ..Draft::default() };
    assert!(admit(&late.signed_by(&room.user), &room.bundle, NOW).is_ok());
}

#[test]
fn an_empty_message_and_one_without_a_signature_are_bad_requests() {
    let room = room();
    let text = "Message was empty".to_owned();
    assert_eq!(refused(&room, &Envelope::default(), NOW), (Status::BadRequest, text));
    let unsigned = Envelope { signature: Bytes::new(), ..Draft::default().signed_by(&room.user) };
    let text = "envelope has no signature".to_owned();
    assert_eq!(refused(&room, &unsigned, NOW), (Status::BadRequest, text));
    let garbage =
        Envelope { payload: Bytes::from_static(b"\xff"), signature: Bytes::from_static(b"s") };
    let (status, info) = refused(&room, &garbage, NOW);
    assert_eq!(status, Status::BadRequest);
    assert!(info.starts_with("could not determine channel ID"), "{info}");
}

#[test]
fn a_forged_signature_and_a_stranger_are_forbidden() {
    let room = room();
    let mut forged = Draft::default().signed_by(&room.user);
    forged.signature = Draft { size: 7, ..Draft::default() }.signed_by(&room.user).signature;
    let mut trailing = Draft::default().signed_by(&room.user);
    trailing.signature = [&trailing.signature[..], &[0]].concat().into();
    let strange = Draft::default().signed_by(&room.stranger);
    for envelope in [forged, trailing, strange] {
        let (status, info) = refused(&room, &envelope, NOW);
        assert_eq!(status, Status::Forbidden);
        assert!(info.contains("'Writers' sub-policies") && info.ends_with(": permission denied"));
        let cause = "the envelope has no valid signature of a member of HospitalMSP: implicit";
        assert!(info.starts_with(cause), "{info}");
    }
}

#[test]
fn an_expired_client_is_a_bad_request() {
    let room = room();
    let later = NOW + 11 * DAY;
    let envelope = Draft { seconds: Some(later), ..Draft::default() }.signed_by(&room.user);
    let text = "broadcast client identity expired".to_owned();
    assert_eq!(refused(&room, &envelope, later), (Status::BadRequest, text));
}

#[test]
fn m14_a_creator_of_a_megabyte_is_a_bad_request() {
    let room = room();
    let mut envelope = Draft::default().signed_by(&room.user);
    let mut payload = Payload::decode(envelope.payload.clone()).unwrap();
    let header = payload.header.as_mut().unwrap();
    let mut signature = SignatureHeader::decode(header.signature_header.clone()).unwrap();
    signature.creator = [&signature.creator[..], &vec![b'x'; 100_000]].concat().into();
    let mut channel = ChannelHeader::decode(header.channel_header.clone()).unwrap();
    channel.tx_id = envelope::tx_id(&signature.nonce, &signature.creator);
    header.signature_header = signature.encode_to_vec().into();
    header.channel_header = channel.encode_to_vec().into();
    envelope.payload = payload.encode_to_vec().into();
    let (status, text) = refused(&room, &envelope, NOW);
    assert_eq!(status, Status::BadRequest);
    assert!(text.starts_with("creator has 10"), "{text}");
}

#[test]
fn envelopes_that_are_not_canonical_are_refused_by_their_bytes() {
    let room = room();
    let Envelope { payload, signature } = Draft::default().signed_by(&room.user);
    let canonical = envelope::canonical(payload, signature);
    let unknown = [&canonical[..], &[0x18, 0x01]].concat();
    let doubled = [&canonical[..], &canonical[..]].concat();
    let cut = canonical[..canonical.len() - 1].to_vec();
    for raw in [unknown, doubled, cut] {
        let rejection = admit_bytes(&raw.into(), &room.bundle, NOW).unwrap_err();
        assert_eq!(rejection.status, Status::BadRequest, "{rejection}");
    }
}

#[test]
fn the_channels_options_drive_the_core() {
    let params = ChannelParams::from_bundle(&room().bundle).unwrap();
    assert_eq!(params.raft.tick_interval.as_millis(), 50);
    assert_eq!((params.raft.election_tick, params.raft.heartbeat_tick), (10, 2));
    assert_eq!((params.raft.max_inflight_blocks, params.consenters), (7, 1));
    assert_eq!((params.batch.absolute_max_bytes, params.config_seq), (LIMIT, 0));
}
