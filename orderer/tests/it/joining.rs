//! Channel participation where it is not all plain: blocks that join no channel, a crash while blocks are fetched, a channel
//! on its way out, and updates over REST. Status codes and texts are those that `osnadmin` sees from Fabric.

use std::time::Duration;

use carecord_proto::block;
use carecord_proto::common::{
    Block, BlockData, ConfigEnvelope, ConfigGroup, Envelope, Payload, Status,
};
use carecord_proto::orderer::BatchSize;
use prost::Message;

use crate::harness::{Answer, Ask, CHANNEL, Cluster, Draft};
use crate::updating::{current, edited, orderer_value, send, signed};

const CHANNELS: &str = "/participation/v1/channels";
/// Files that make the removal of a channel's folder last.
const LITTER: usize = 60_000;

fn join(block: &Block) -> Ask {
    Ask::form("POST", CHANNELS, &[("config-block", &block.encode_to_vec())])
}

fn put(envelope: &Envelope) -> Ask {
    Ask::form("PUT", CHANNELS, &[("config-update-envelope", &envelope.encode_to_vec())])
}

fn of_channel(method: &'static str) -> Ask {
    Ask::new(method, format!("{CHANNELS}/{CHANNEL}"))
}

/// Status and text of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let text = answer.text();
    let text = text.strip_prefix("{\"error\":\"").unwrap_or(&text);
    (answer.status, text.trim_end().trim_end_matches("\"}").to_owned())
}

/// The block with another configuration in it and the hash that goes with it.
fn with_config(block: &Block, edit: impl FnOnce(&mut ConfigGroup)) -> Block {
    let mut envelope = Envelope::decode(block::envelopes(block)[0].clone()).unwrap();
    let mut payload = Payload::decode(envelope.payload).unwrap();
    let mut config = ConfigEnvelope::decode(payload.data).unwrap();
    edit(config.config.as_mut().unwrap().channel_group.as_mut().unwrap());
    payload.data = config.encode_to_vec().into();
    envelope.payload = payload.encode_to_vec().into();
    let data = BlockData { data: vec![envelope.encode_to_vec().into()] };
    let mut header = block.header.clone().unwrap();
    header.data_hash = block::data_hash(&data).to_vec().into();
    Block { header: Some(header), data: Some(data), metadata: block.metadata.clone() }
}

/// An update that allows so many transactions in a block, signed by the orderers' administrator.
async fn limit(cluster: &Cluster, most: u32) -> Envelope {
    let update = edited(cluster, 0, |root| {
        let value = orderer_value(root, "BatchSize");
        let mut size = BatchSize::decode(value.value.clone()).unwrap();
        size.max_message_count = most;
        value.value = size.encode_to_vec().into();
    });
    signed(&update.await, &[&cluster.orderers.admin()])
}

/// Waits until what a node says of the channel has all of `words`.
async fn tells(cluster: &Cluster, index: usize, words: &[&str]) {
    let mut last = String::new();
    for _ in 0..400 {
        last = cluster.ask(index, of_channel("GET")).await.text();
        if words.iter().all(|word| last.contains(word)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("node {index} never told {words:?}, but {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_a_block_of_a_system_channel_or_of_no_application_joins_nothing() {
    let mut cluster = Cluster::start(1).await;
    let new = cluster.add_node_without_channels().await;
    let genesis = cluster.genesis().clone();
    let system = with_config(&genesis, |root| {
        let group = ConfigGroup { mod_policy: "Admins".into(), ..ConfigGroup::default() };
        root.groups.insert("Consortiums".to_owned(), group);
    });
    let bare = with_config(&genesis, |root| {
        root.groups.remove("Application").unwrap();
    });
    for (block, text) in [
        (system, "invalid config: contains consortiums: system channel not supported"),
        (bare, "invalid config: must contain application config"),
    ] {
        let expected = (400, format!("invalid join block: {text}"));
        assert_eq!(refusal(&cluster.ask(new, join(&block)).await), expected);
    }
    let list = cluster.ask(new, Ask::new("GET", CHANNELS)).await.text();
    assert_eq!(list, "{\"systemChannel\":null,\"channels\":null}\n");
    assert!(!cluster.nodes[new].data().join(CHANNEL).exists());
    let unchanged = with_config(&genesis, |_| {});
    assert_eq!(cluster.ask(new, join(&unchanged)).await.status, 201, "the edit alone is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_onboarding_goes_on_from_the_join_block() {
    let mut cluster = Cluster::start(1).await;
    let new = cluster.add_node_without_channels().await;
    for _ in 0..5 {
        let envelope = Draft::default().signed_by(&cluster.user());
        assert_eq!(send(&cluster, 0, envelope).await.0, Status::Success);
    }
    assert_eq!(cluster.ask(0, put(&limit(&cluster, 9).await)).await.status, 201);
    let path = format!("{CHANNELS}/{CHANNEL}/blocks/config");
    let newest = cluster.ask(0, Ask::new("GET", path)).await.body;
    let height = block::number(&Block::decode(&newest[..]).unwrap()) + 1;
    assert!(height > 2, "{height}");

    cluster.stop_node(0).await; // so that no block comes before the crash
    let form = Ask::form("POST", CHANNELS, &[("config-block", &newest)]);
    assert_eq!(cluster.ask(new, form).await.status, 201);
    let kept = cluster.nodes[new].data().join(CHANNEL).join("join.block");
    for _ in 0..2 {
        tells(&cluster, new, &["\"follower\"", "\"onboarding\"", "\"height\":0"]).await;
        cluster.stop_node(new).await;
        assert_eq!(std::fs::read(&kept).unwrap(), newest);
        cluster.start_node_without_channels(new).await;
    }
    tells(&cluster, new, &["\"onboarding\""]).await;
    cluster.start_node(0).await;
    tells(&cluster, new, &["\"follower\"", "\"active\"", &format!("\"height\":{height}")]).await;
    assert!(!kept.exists(), "the chain has led to it");
    cluster.stop_node(new).await;
    cluster.start_node_without_channels(new).await;
    tells(&cluster, new, &["\"active\"", &format!("\"height\":{height}")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_on_its_way_out_can_be_neither_joined_nor_changed_nor_removed_again() {
    let cluster = Cluster::start(1).await;
    let (genesis, update) = (cluster.genesis().clone(), limit(&cluster, 9).await);
    let litter = cluster.nodes[0].data().join(CHANNEL).join("litter");
    std::fs::create_dir(&litter).unwrap();
    for number in 0..LITTER {
        std::fs::File::create(litter.join(number.to_string())).unwrap();
    }
    assert_eq!(cluster.ask(0, of_channel("DELETE")).await.status, 204);
    for (ask, step) in
        [(of_channel("DELETE"), "remove"), (join(&genesis), "join"), (put(&update), "update")]
    {
        let expected = (409, format!("cannot {step}: channel pending removal"));
        assert_eq!(refusal(&cluster.ask(0, ask).await), expected);
    }
    let shown = cluster.ask(0, of_channel("GET")).await;
    assert!(shown.status == 200 && shown.text().contains("\"height\":0"), "{}", shown.text());
    for _ in 0..1_000 {
        if cluster.ask(0, of_channel("GET")).await.status == 404 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cluster.ask(0, join(&genesis)).await.status, 201, "nothing stands in the way");
}

/// What Fabric's answer to a join says, and what a node says that comes back without its data.
#[tokio::test(flavor = "multi_thread")]
async fn f23_a_wiped_node_never_calls_itself_a_consenter_and_one_that_joins_does() {
    let mut cluster = Cluster::start(3).await;
    cluster.wait_height(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await; // all have greeted each other
    let wiped = (cluster.leader().await + 1) % 3;
    cluster.stop_node(wiped).await;
    cluster.wipe(wiped);
    cluster.start_node(wiped).await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        let said = cluster.ask(wiped, of_channel("GET")).await.text();
        assert!(said.contains("\"follower\""), "{said}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(cluster.ask(wiped, of_channel("DELETE")).await.status, 204);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let genesis = cluster.genesis().clone();
    let joined = cluster.ask(wiped, join(&genesis)).await;
    assert!(joined.text().contains("\"consenter\",\"status\":\"active\",\"height\":1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_over_rest_is_answered_when_it_is_in_a_block() {
    let mut cluster = Cluster::start(3).await;
    let update = limit(&cluster, 9).await;
    let follower = (cluster.leader().await + 1) % 3;
    let answer = cluster.ask(follower, put(&update)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.head.to_lowercase().contains("location: /participation/v1/channels/care"));
    assert!(answer.text().starts_with("{\"name\":\"care\""), "{}", answer.text());
    cluster.wait_height(2).await;
    let (config, number) = current(&cluster, follower).await;
    assert_eq!((config.sequence, number), (1, 1));

    let new = cluster.add_node_without_channels().await;
    let genesis = cluster.genesis().clone();
    let text = |answer: &Answer| refusal(answer).1;
    let unknown = cluster.ask(new, put(&update)).await;
    assert_eq!(text(&unknown), "cannot update: channel does not exist");
    assert_eq!(cluster.ask(new, join(&genesis)).await.status, 201);
    let expected = (403, "cannot update: channel is not ready, he is a follower".to_owned());
    assert_eq!(refusal(&cluster.ask(new, put(&update)).await), expected);

    let other = Draft::default().signed_by(&cluster.user());
    let by_member = {
        let update = edited(&cluster, 0, |root| {
            root.groups.get_mut("Orderer").unwrap().mod_policy = "Readers".into();
        });
        signed(&update.await, &[&cluster.hospital.admin()])
    };
    let junk = Ask::form("PUT", CHANNELS, &[("config-update-envelope", b"\x0f\x0f")]);
    let elsewhere = Ask::form("PUT", CHANNELS, &[("config-block", b"")]);
    let failed = "cannot update: failed update config of channel care: ";
    for (ask, begins) in [
        (put(&update), failed), // made from an older configuration
        (put(&by_member), failed),
        (put(&other), "invalid config update envelope: bad type"),
        (put(&Envelope::default()), "invalid config update envelope: "),
        (junk, "cannot unmarshal file part config-update-envelope into an envelope"),
        (elsewhere, "form does not contains part key: config-update-envelope"),
    ] {
        let refused = cluster.ask(follower, ask).await;
        let (status, said) = refusal(&refused);
        assert!(status == 400 && said.starts_with(begins), "{status} {said}, not {begins}");
    }
    assert_eq!(current(&cluster, follower).await.1, 1, "nothing else was changed");
}
