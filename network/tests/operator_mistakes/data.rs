//! Blocks, backups and snapshots in the wrong place, and what the ledger says of transactions.

use std::path::Path;

use carecord::session::{Session, from_sdk};
use carecord_sdk::{Commit, Contract};

use crate::place::{Place, entry, refused};
use crate::table::Table;
use crate::tool::Tool;

const CHANNEL: &str = "care";

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let session = Session::open(Path::new(&place.dir())).unwrap();
    runtime.block_on(transactions(place, &session, table));
    folders(place, table);
    stale_genesis(place, table);
}

async fn transactions(place: &Place, session: &Session, table: &mut Table) {
    let user = session.file().user("client-p256").unwrap();
    let gateway = session.gateway(user, Some("hospital-a")).unwrap();
    let contract = gateway.network(CHANNEL).contract("bench");
    place.must(&["tx", "submit", "--as", "client-p256", "bench", "put", "shared", "1"]);
    let said = overtaken(place, &contract).await;
    let cause = ["MVCC_READ_CONFLICT", "key \"shared\" of namespace bench", "by transaction"];
    table.add("read what another transaction then wrote", said, &cause);

    let said = half_endorsed(session, Commit::new, &gateway.network(CHANNEL)).await;
    let cause = ["ENDORSEMENT_POLICY_FAILURE", "endorsed by HospitalAMSP, not by HospitalBMSP"];
    table.add("peer chaincode invoke at one peer where two must endorse", said, &cause);
}

/// Endorsed, then overtaken by another write of the same key, then submitted.
async fn overtaken(place: &Place, contract: &Contract) -> String {
    let proposal = contract.proposal("get").arguments([&b"shared"[..]]).build().unwrap();
    let transaction = proposal.endorse().await.unwrap();
    place.must(&["tx", "submit", "--as", "client-p256", "bench", "put", "shared", "2"]);
    let commit = transaction.submit().await.unwrap();
    from_sdk(&commit.wait_valid().await.unwrap_err()).to_string()
}

async fn half_endorsed(
    session: &Session,
    commit: fn(carecord_sdk::Network, &str) -> Commit,
    network: &carecord_sdk::Network,
) -> String {
    let file = session.file();
    let (peer, orderer) = (file.node("hospital-a").unwrap(), file.node("orderer1").unwrap());
    let tool = Tool::new(session, file.user("client-p256").unwrap());
    let draft = tool.propose(CHANNEL, "bench", &[b"put", b"half", b"v"]);
    let response = tool.endorse(peer, &draft).await;
    let envelope = tool.assemble(&draft, &[response]);
    assert_eq!(tool.answer(orderer, envelope).await.status, 200);
    let committed = commit(network.clone(), &draft.tx_id).wait_valid().await;
    from_sdk(&committed.unwrap_err()).to_string()
}

fn folders(place: &Place, table: &mut Table) {
    let backups = place.path("backups");
    place.must(&["backup", "create", "--node", "hospital-a", "--to", &backups]);
    let made = std::fs::read_dir(&backups).unwrap().next().unwrap().unwrap().path();
    let (from, to) = (made.display().to_string(), place.dir());
    let said = refused(&["backup", "restore", "--from", &from, "--to", &to]);
    table.add("restores a backup into a folder that is in use", said, &["/net", "not empty"]);

    let said = place.refused(&["snapshot", "join", "--node", "hospital-a", "--from", &backups]);
    table.add("joins from a folder that is no snapshot", said, &["backups", "snapshot is missing"]);
}

/// The folder of an operator who kept the first block of a network that was made anew since.
fn stale_genesis(place: &Place, table: &mut Table) {
    let old = Place::new();
    let topology = old.file("topology.toml", include_str!("../../compat/topology.toml"));
    old.must(&["network", "init", "--topology", &topology]);
    let old = Session::open(Path::new(&old.dir())).unwrap();
    let stale = std::fs::read(&old.file().channels[0].genesis_file).unwrap();
    let path = place.path("stale.block");
    std::fs::write(&path, stale).unwrap();
    let dir = place.seen("seen-stale", |file| {
        entry(file, "channels", CHANNEL)["genesis_file"] = path.clone().into();
    });
    let out = place.path("config.json");
    let said = refused(&["channel", "config", "get", "--dir", &dir, "--out", &out]);
    table.add(
        "kept the first block of a network that was made anew",
        said,
        &["stale.block", "another"],
    );
    let said = refused(&[
        "channel",
        "config",
        "get",
        "--dir",
        &place.dir(),
        "--out",
        &out,
        "--as",
        "outsider",
    ]);
    let cause = ["may not read channel care", "implicit policy evaluation failed"];
    table.add("reads blocks as somebody who is no member", said, &cause);
}
