//! Channel participation over real mutual TLS: rows C10 and C11, with Fabric's codes, shapes and texts.

use carecord_proto::block;
use carecord_proto::common::{Block, BlockMetadata};
use prost::Message;

use crate::harness::{Answer, Ask, CHANNEL, Cluster};

const CHANNELS: &str = "/participation/v1/channels";
const INFO: &str = "{\"name\":\"care\",\"url\":\"/participation/v1/channels/care\",\
                    \"consensusRelation\":\"consenter\",\"status\":\"active\",\"height\":1}\n";

fn join(block: &Block) -> Ask {
    Ask::form("POST", CHANNELS, &[("config-block", &block.encode_to_vec())])
}

fn of_channel(method: &'static str) -> Ask {
    Ask::new(method, format!("{CHANNELS}/{CHANNEL}"))
}

fn error(answer: &Answer) -> String {
    let text = answer.text();
    let text = text.strip_prefix("{\"error\":\"").unwrap_or(&text);
    text.trim_end().trim_end_matches("\"}").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_only_the_own_organisation_gets_past_tls() {
    let cluster = Cluster::start(1).await;
    let list = Ask::new("GET", CHANNELS);
    assert!(cluster.ask_as(0, None, list.clone()).await.is_err(), "no certificate");
    assert!(cluster.ask_as_other(0, list.clone()).await.is_err(), "another organisation's");
    assert_eq!(cluster.ask(0, list).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_who_is_no_administrator_may_look_and_change_nothing() {
    let cluster = Cluster::start(1).await;
    let lead = format!("/carecord/v1/channels/{CHANNEL}/leader");
    let join_again = join(&cluster.genesis().clone());
    let update = Ask::form("PUT", CHANNELS, &[("config-update-envelope", b"x")]);
    for ask in [join_again, update, Ask::new("POST", lead), of_channel("DELETE")] {
        let what = format!("{} {}", ask.method, ask.path);
        for who in [cluster.person("joe", false), cluster.own_identity(0)] {
            let refused = cluster.ask_as(0, Some(who), ask.clone()).await.unwrap();
            assert_eq!(refused.status, 403, "{what}: {}", refused.text());
        }
        assert_ne!(cluster.ask(0, ask).await.status, 403, "{what} by an administrator");
    }
    let list = Ask::new("GET", CHANNELS);
    let shown = cluster.ask_as(0, Some(cluster.person("joe", false)), list).await;
    assert_eq!(shown.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_listed_shown_and_their_blocks_fetched() {
    let cluster = Cluster::start(1).await;
    let list = cluster.ask(0, Ask::new("GET", CHANNELS)).await;
    let short = "{\"name\":\"care\",\"url\":\"/participation/v1/channels/care\"}";
    assert_eq!(list.text(), format!("{{\"systemChannel\":null,\"channels\":[{short}]}}\n"));
    assert!(list.head.to_lowercase().contains("cache-control: no-store"));
    assert_eq!(cluster.ask(0, of_channel("GET")).await.text(), INFO);

    let root = cluster.ask(0, Ask::new("GET", "/participation/v1/")).await;
    assert_eq!(root.status, 302);
    assert!(root.head.contains(CHANNELS));

    for name in ["oldest", "newest", "config", "0"] {
        let path = format!("{CHANNELS}/{CHANNEL}/blocks/{name}");
        let fetched = cluster.ask(0, Ask::new("GET", path)).await;
        assert_eq!(fetched.status, 200, "{name}");
        assert!(fetched.head.to_lowercase().contains("application/octet-stream"));
        assert_eq!(Block::decode(&fetched.body[..]).unwrap(), *cluster.genesis(), "{name}");
    }
    for (channel, name, status, text) in [
        (CHANNEL, "1", 404, "block 1 is not in the log"),
        (
            CHANNEL,
            "last",
            400,
            "invalid block ID: 'last' not equal <newest|oldest|config|(number)>",
        ),
        ("other", "0", 404, "channel does not exist"),
    ] {
        let path = format!("{CHANNELS}/{channel}/blocks/{name}");
        let refused = cluster.ask(0, Ask::new("GET", path)).await;
        assert_eq!((refused.status, error(&refused).as_str()), (status, text), "{channel} {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_removed_stays_removed_and_can_be_joined_again() {
    let mut cluster = Cluster::start(1).await;
    let genesis = cluster.genesis().clone();
    let removed = cluster.ask(0, of_channel("DELETE")).await;
    assert_eq!((removed.status, removed.text().as_str()), (204, ""));
    let mut list = String::new();
    for _ in 0..100 {
        list = cluster.ask(0, Ask::new("GET", CHANNELS)).await.text();
        if list.contains("null}") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(list, "{\"systemChannel\":null,\"channels\":null}\n");
    assert!(!cluster.nodes[0].data().join(CHANNEL).exists());

    let again = cluster.ask(0, of_channel("DELETE")).await;
    assert_eq!(
        (again.status, error(&again).as_str()),
        (404, "cannot remove: channel does not exist")
    );
    cluster.stop_node(0).await;
    cluster.start_node(0).await;
    assert_eq!(cluster.ask(0, of_channel("GET")).await.status, 404, "not by its own configuration");

    let joined = cluster.ask(0, join(&genesis)).await;
    assert_eq!((joined.status, joined.text().as_str()), (201, INFO));
    assert!(joined.head.to_lowercase().contains("location: /participation/v1/channels/care"));
    cluster.leader().await;
    cluster.stop_node(0).await;
    cluster.start_node(0).await;
    assert_eq!(cluster.ask(0, of_channel("GET")).await.status, 200, "it is joined for good");
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_what_cannot_be_joined_is_refused_with_the_reason() {
    let cluster = Cluster::start(1).await;
    let genesis = cluster.genesis().clone();
    let bytes = genesis.encode_to_vec();
    let no_metadata = Block { metadata: None, ..genesis.clone() };
    let empty_metadata = Block { metadata: Some(BlockMetadata::default()), ..genesis.clone() };
    let mut other_hash = genesis.clone();
    other_hash.header.as_mut().unwrap().data_hash = vec![1; 32].into();
    let normal = block::new(3, bytes::Bytes::new(), vec![bytes::Bytes::from_static(b"x")]);
    let form = |parts: &[(&str, &[u8])]| Ask::form("POST", CHANNELS, parts);
    let plain = Ask { body: bytes.clone(), ..Ask::new("POST", CHANNELS) };
    let prefix = "invalid join block: ";
    for (ask, status, text) in [
        (join(&genesis), 405, "cannot join: channel already exists".to_owned()),
        (
            plain.clone().header("Content-Type", "application/json"),
            400,
            "unsupported Content-Type: [application/json]".to_owned(),
        ),
        (
            form(&[("block", &bytes)]),
            400,
            "form does not contains part key: config-block".to_owned(),
        ),
        (
            form(&[("config-block", &bytes), ("more", b"x")]),
            400,
            "form contains too many parts".to_owned(),
        ),
        (
            form(&[("config-block", &bytes), ("config-block", &bytes)]),
            400,
            "form contains too many parts".to_owned(),
        ),
        (join(&normal), 400, format!("{prefix}block is not a config block")),
        (join(&no_metadata), 400, format!("{prefix}invalid block: does not have metadata")),
        (join(&empty_metadata), 400, format!("{prefix}invalid block: does not have metadata")),
        (
            join(&other_hash),
            400,
            format!("{prefix}invalid block: Header.DataHash is different from Hash(block.Data)"),
        ),
        (
            join(&genesis).header("Accept", "text/html"),
            406,
            "response Content-Type is application/json only".to_owned(),
        ),
        (Ask::new("PATCH", CHANNELS), 405, "invalid request method: PATCH".to_owned()),
        (of_channel("POST"), 405, "invalid request method: POST".to_owned()),
    ] {
        let refused = cluster.ask(0, ask).await;
        assert_eq!((refused.status, error(&refused)), (status, text));
    }
    let garbage = cluster.ask(0, form(&[("config-block", b"\x0f\x0f")])).await;
    let text = "cannot unmarshal file part config-block into a block";
    assert!(garbage.status == 400 && error(&garbage).starts_with(text), "{garbage:?}");
    let cut = plain.header("Content-Type", "multipart/form-data; boundary=x");
    let cut = cluster.ask(0, cut).await;
    assert!(cut.status == 400 && error(&cut).starts_with("cannot read form"), "{cut:?}");
    let large = cluster.ask(0, form(&[("config-block", &vec![0; 9 << 20])])).await;
    assert_eq!(error(&large), "cannot read form from request body: http: request body too large");
    let allow = cluster.ask(0, join(&genesis)).await.head.to_lowercase();
    assert!(allow.contains("allow: get, delete"), "{allow}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_name_that_no_channel_can_have_makes_no_file() {
    let cluster = Cluster::start(1).await;
    let files = || {
        let folder = std::fs::read_dir(cluster.nodes[0].data()).unwrap();
        let mut names: Vec<_> = folder.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let long = "a".repeat(250);
    let too_long = "channel ID illegal, cannot be longer than 249".to_owned();
    let characters = |name: &str| format!("'{name}' contains illegal characters");
    for (sent, text) in [
        ("Care", characters("Care")),
        (".", characters(".")),
        ("..", characters("..")),
        ("..%2Fcare", characters("../care")),
        ("%2Fetc%2Fpasswd", characters("/etc/passwd")),
        ("a_b", characters("a_b")),
        (long.as_str(), too_long),
    ] {
        for method in ["GET", "DELETE"] {
            let refused = cluster.ask(0, Ask::new(method, format!("{CHANNELS}/{sent}"))).await;
            let expected = format!("invalid channel ID: {text}");
            assert_eq!((refused.status, error(&refused)), (400, expected), "{method} {sent}");
        }
        let block = Ask::new("GET", format!("{CHANNELS}/{sent}/blocks/0"));
        assert_eq!(cluster.ask(0, block).await.status, 400, "{sent}");
    }
    assert_eq!(files(), before);
}
