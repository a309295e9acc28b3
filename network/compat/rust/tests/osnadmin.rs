//! Channel participation by the osnadmin client of the crate `fabric-sdk`, unmodified: list, show, join, remove. It has no
//! calls for `osnadmin channel update` and `fetch`; those requests are sent by a plain HTTP client, the update made and
//! signed by the crate.
//!
//! An orderer without channels answers `"channels":null`, as Fabric does, which the crate does not read; so every
//! orderer here has one when it is asked for its list.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carecord_compat_rust::{CHANNEL, Failure, Network};
use fabric_sdk::error::OsnadminError;
use fabric_sdk::fabric::common::{Block, Config, ConfigEnvelope, Envelope, Payload};
use fabric_sdk::fabric::orderer::BatchSize;
use fabric_sdk::gateway::configtx;
use fabric_sdk::osnadmin::{ChannelInfo, OsnadminClient};
use fabric_sdk::prelude::Message;
use reqwest::multipart::{Form, Part};

/// The only consenter of the channels that are made here, and an orderer that they do not name.
const CONSENTER: &str = "orderer1";
const OTHER: &str = "orderer2";
const ORDERERS: &str = "Orderer";
const CHANNELS: &str = "/participation/v1/channels";

/// A new channel with one consenter.
fn create() -> Result<String, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let name = format!("osn{}", now.as_nanos());
    let program = std::env::var("CARECORD_BIN")?;
    let made = Command::new(program)
        .args(["channel", "create", &name, "--orderer", CONSENTER, "--member", "HospitalA"])
        .args(["--quiet", "--dir", &std::env::var("CARECORD_NETWORK")?])
        .output()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(name)
}

/// What `osnadmin channel fetch` sends, and what comes back.
async fn fetch(network: &Network, channel: &str, block: &str) -> Result<(u16, Vec<u8>), Failure> {
    let (client, url) = network.plain(CONSENTER)?;
    let answer = client.get(format!("{url}{CHANNELS}/{channel}/blocks/{block}")).send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
}

/// What `osnadmin channel update` sends, and what comes back.
async fn update(network: &Network, bytes: Vec<u8>) -> Result<(u16, String), Failure> {
    let (client, url) = network.plain(CONSENTER)?;
    let part = Part::bytes(bytes).file_name("config_update.pb");
    let form = Form::new().part("config-update-envelope", part);
    let answer = client.put(format!("{url}{CHANNELS}")).multipart(form).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The configuration in a block.
fn config_in(block: &[u8]) -> Result<Config, Failure> {
    let block = Block::decode(block)?;
    let data = block.data.ok_or("a block without data")?.data;
    let envelope = Envelope::decode(data.first().ok_or("an empty block")?.as_slice())?;
    let payload = Payload::decode(envelope.payload.as_slice())?;
    Ok(ConfigEnvelope::decode(payload.data.as_slice())?.config.ok_or("no configuration")?)
}

/// Reads and replaces how many transactions a block of the channel may have.
fn batch(config: &mut Config, edit: impl FnOnce(&mut BatchSize)) -> Result<u32, Failure> {
    let root = config.channel_group.as_mut().ok_or("no channel group")?;
    let orderer = root.groups.get_mut("Orderer").ok_or("no orderer group")?;
    let value = orderer.values.get_mut("BatchSize").ok_or("no batch size")?;
    let mut size = BatchSize::decode(value.value.as_slice())?;
    edit(&mut size);
    value.value = size.encode_to_vec();
    Ok(size.max_message_count)
}

/// An update that allows so many transactions in a block, signed by the administrator of an organisation.
async fn limit(network: &Network, channel: &str, most: u32, by: &str) -> Result<Vec<u8>, Failure> {
    let original = config_in(&fetch(network, channel, "config").await?.1)?;
    let mut updated = original.clone();
    batch(&mut updated, |size| size.max_message_count = most)?;
    let update = configtx::compute_config_update(&original, &updated, channel)?;
    let identity = network.admin_identity(by)?;
    let mut envelope = configtx::create_config_update_envelope(&update);
    configtx::add_signature(&mut envelope, &identity);
    Ok(configtx::build_config_update_transaction(&identity, &envelope)?.encode_to_vec())
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, OsnadminError>) -> (u16, String) {
    match answer {
        Err(OsnadminError::ServerError { status, message }) => (status, message),
        other => panic!("not refused: {other:?}"),
    }
}

/// Asks until the orderer has all blocks below the one that it joined by.
async fn settled(client: &OsnadminClient, channel: &str) -> Result<ChannelInfo, Failure> {
    for _ in 0..200 {
        let info = client.get_channel(channel).await?;
        if info.status != "onboarding" {
            return Ok(info);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the orderer stays onboarding".into())
}

#[tokio::test]
async fn channels_are_listed_shown_joined_and_removed() -> Result<(), Failure> {
    let network = Network::read()?;
    let channel = create()?;
    let (one, other) = (network.osnadmin(CONSENTER, ORDERERS)?, network.osnadmin(OTHER, ORDERERS)?);
    let list = one.list_channels().await?;
    assert!(list.system_channel.is_none());
    for name in [CHANNEL, &channel] {
        let entry = list.channels.iter().find(|entry| entry.name == name).ok_or("not listed")?;
        assert_eq!(entry.url, format!("{CHANNELS}/{name}"));
    }
    let info = one.get_channel(&channel).await?;
    assert_eq!((&*info.consensus_relation, &*info.status), ("consenter", "active"));
    let unknown = (404, "channel does not exist".to_owned());
    assert_eq!(refusal(other.get_channel(&channel).await), unknown);

    let (status, said) = update(&network, limit(&network, &channel, 11, ORDERERS).await?).await?;
    assert_eq!(status, 201, "{said}");
    let (_, newest) = fetch(&network, &channel, "config").await?;
    let joined = other.join_channel(newest.clone()).await?;
    assert_eq!((&*joined.name, &*joined.consensus_relation), (&*channel, "follower"));
    let info = settled(&other, &channel).await?;
    assert_eq!((&*info.consensus_relation, &*info.status, info.height), ("follower", "active", 2));
    let again = refusal(other.join_channel(newest).await);
    assert_eq!(again, (405, "cannot join: channel already exists".to_owned()));
    assert!(other.list_channels().await?.channels.iter().any(|entry| entry.name == channel));

    other.remove_channel(&channel).await?;
    let gone = (404, "cannot remove: channel does not exist".to_owned());
    let going = (409, "cannot remove: channel pending removal".to_owned());
    let mut said = refusal(other.remove_channel(&channel).await);
    for _ in 0..100 {
        if said != going {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        said = refusal(other.remove_channel(&channel).await);
    }
    assert_eq!(said, gone);
    assert!(other.list_channels().await?.channels.iter().all(|entry| entry.name != channel));
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_fabrics_words() -> Result<(), Failure> {
    let network = Network::read()?;
    let client = network.osnadmin(OTHER, ORDERERS)?;
    let (status, text) = refusal(client.join_channel(b"\x0f\x0f".to_vec()).await);
    assert_eq!(status, 400);
    assert!(text.starts_with("cannot unmarshal file part config-block into a block"), "{text}");
    let empty = refusal(client.join_channel(Vec::new()).await);
    assert_eq!(empty, (400, "invalid join block: block is not a config block".to_owned()));
    let name = refusal(client.get_channel("Bad_Name").await);
    let text = "invalid channel ID: 'Bad_Name' contains illegal characters".to_owned();
    assert_eq!(name, (400, text));
    let member = network.osnadmin(OTHER, "HospitalA")?.list_channels().await;
    assert!(matches!(member, Err(OsnadminError::HttpError(_))), "no way past TLS: {member:?}");
    Ok(())
}

#[tokio::test]
async fn blocks_are_fetched_and_updates_committed() -> Result<(), Failure> {
    let network = Network::read()?;
    let channel = create()?;
    for name in ["oldest", "newest", "config", "0"] {
        let (status, block) = fetch(&network, &channel, name).await?;
        assert_eq!(status, 200, "{name}");
        assert_eq!(Block::decode(block.as_slice())?.header.ok_or("no header")?.number, 0, "{name}");
    }
    assert_eq!(fetch(&network, &channel, "1").await?.0, 404);
    assert_eq!(fetch(&network, &channel, "last").await?.0, 400);

    let envelope = limit(&network, &channel, 23, ORDERERS).await?;
    let (status, said) = update(&network, envelope.clone()).await?;
    assert_eq!(status, 201, "{said}");
    let info: ChannelInfo = serde_json::from_str(&said)?;
    assert_eq!((&*info.name, &*info.status, info.height), (&*channel, "active", 2));
    let (_, block) = fetch(&network, &channel, "newest").await?;
    assert_eq!(batch(&mut config_in(&block)?, |_| {})?, 23);

    let (status, said) = update(&network, envelope).await?;
    assert_eq!(status, 400, "made from an older configuration: {said}");
    let (status, said) = update(&network, limit(&network, &channel, 5, "HospitalA").await?).await?;
    assert_eq!(status, 400, "not for a member to decide: {said}");
    assert!(said.contains("cannot update: failed update config of channel"), "{said}");
    let (_, block) = fetch(&network, &channel, "config").await?;
    assert_eq!(batch(&mut config_in(&block)?, |_| {})?, 23);
    Ok(())
}
