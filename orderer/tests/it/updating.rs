//! Making configuration updates as an administrator's tools make them.

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::config::compute;
use carecord_msp::Signer;
use carecord_proto::block;
use carecord_proto::common::{
    Config, ConfigGroup, ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, ConfigValue,
    Envelope, HeaderType, SignatureHeader, Status,
};
use carecord_proto::etcdraft::ConfigMetadata;
use carecord_proto::orderer::ConsensusType;
use prost::Message;

use crate::deliver;
use crate::harness::{CHANNEL, Cluster, Draft};

/// The configuration in force, as an orderer delivers it, and the number of its block.
pub(crate) async fn current(cluster: &Cluster, index: usize) -> (Config, u64) {
    let user = cluster.user();
    let newest = deliver::one(cluster, index, &user, None).await;
    let number = block::last_config(&newest).unwrap();
    let config = deliver::one(cluster, index, &user, Some(number)).await;
    (block::config_envelope(&config).unwrap().unwrap().config.unwrap(), number)
}

/// The update that an edit of the configuration in force comes to.
pub(crate) async fn edited(
    cluster: &Cluster,
    index: usize,
    edit: impl FnOnce(&mut ConfigGroup),
) -> ConfigUpdate {
    let (original, _) = current(cluster, index).await;
    let mut updated = original.clone();
    edit(updated.channel_group.as_mut().unwrap());
    compute::update(CHANNEL, &original, &updated).unwrap()
}

/// An update with the consent of `admins`, sent by the first of them.
pub(crate) fn signed(update: &ConfigUpdate, admins: &[&Arc<dyn Signer>]) -> Envelope {
    signed_and_sent(update, admins, admins[0])
}

pub(crate) fn signed_and_sent(
    update: &ConfigUpdate,
    admins: &[&Arc<dyn Signer>],
    sender: &Arc<dyn Signer>,
) -> Envelope {
    let config_update = Bytes::from(update.encode_to_vec());
    let consent = |admin: &&Arc<dyn Signer>| {
        let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
        let header = SignatureHeader { creator: admin.serialized(), nonce }.encode_to_vec();
        let signed = [&header[..], &config_update[..]].concat();
        let signature = admin.sign(&signed).unwrap().into();
        ConfigSignature { signature_header: header.into(), signature }
    };
    let signatures = admins.iter().map(consent).collect();
    let envelope = ConfigUpdateEnvelope { config_update: config_update.clone(), signatures };
    let kind = HeaderType::ConfigUpdate as i32;
    Draft { kind, data: envelope.encode_to_vec(), ..Draft::default() }.signed_by(sender)
}

/// Sends an envelope to a node and tells what it answers.
pub(crate) async fn send(cluster: &Cluster, index: usize, envelope: Envelope) -> (Status, String) {
    let answers = cluster.broadcast(index, vec![envelope]).await;
    assert_eq!(answers.len(), 1, "one envelope, one answer");
    (answers[0].status(), answers[0].info.clone())
}

/// The value under `key` of the Orderer group.
pub(crate) fn orderer_value<'a>(root: &'a mut ConfigGroup, key: &str) -> &'a mut ConfigValue {
    root.groups.get_mut("Orderer").unwrap().values.get_mut(key).unwrap()
}

/// Edits the consenters and options of Raft.
pub(crate) fn edit_raft(root: &mut ConfigGroup, edit: impl FnOnce(&mut ConfigMetadata)) {
    edit_consensus(root, |consensus| {
        let mut metadata = ConfigMetadata::decode(consensus.metadata.clone()).unwrap();
        edit(&mut metadata);
        consensus.metadata = metadata.encode_to_vec().into();
    });
}

pub(crate) fn edit_consensus(root: &mut ConfigGroup, edit: impl FnOnce(&mut ConsensusType)) {
    let value = orderer_value(root, "ConsensusType");
    let mut consensus = ConsensusType::decode(value.value.clone()).unwrap();
    edit(&mut consensus);
    value.value = consensus.encode_to_vec().into();
}
