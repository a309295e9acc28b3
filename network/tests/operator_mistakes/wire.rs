//! Mistakes in what Fabric's own tools send: the text is what the node answers.

use std::path::Path;
use std::time::{Duration, SystemTime};

use carecord::participation;
use carecord::session::Session;

use crate::place::Place;
use crate::table::Table;
use crate::tool::{Tool, at};

const CHANNEL: &str = "care";
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let session = Session::open(Path::new(&place.dir())).unwrap();
    runtime.block_on(proposals(&session, table));
    administration(&session, table);
}

async fn proposals(session: &Session, table: &mut Table) {
    let file = session.file();
    let peer = file.node("hospital-a").unwrap();
    let user = Tool::new(session, file.user("client-p256").unwrap());
    let admin = Tool::new(session, file.admin("HospitalA").unwrap());

    let late = SystemTime::now() - HOUR;
    let draft = user.propose_at(at(late), CHANNEL, "bench", &[b"put", b"k", b"v"]);
    let said = user.refusal(peer, &draft).await;
    let cause = ["incorrect timestamp 20", "peer time 20"];
    table.add("has a clock that is an hour slow", said, &cause);

    let answer = user.ask(peer, "cares", "bench", &[b"get", b"k"]).await;
    table.add(
        "peer chaincode query on a channel that is not there",
        answer.message,
        &["channel 'cares' not found"],
    );

    let genesis = std::fs::read(&file.channel(Some(CHANNEL)).unwrap().genesis_file).unwrap();
    let answer = admin.ask(peer, "", "cscc", &[b"JoinChain", &genesis]).await;
    let cause = ["ledger [care] already exists"];
    table.add("peer channel join a second time", answer.message, &cause);

    let draft = user.propose(CHANNEL, "bench", &[b"put", b"lonely", b"v"]);
    let response = user.endorse(peer, &draft).await;
    let orderer = file.node("orderer1").unwrap();
    let mut envelope = user.assemble(&draft, &[response]);
    envelope.signature = b"no signature".to_vec().into();
    let answer = user.answer(orderer, envelope).await;
    let cause = ["no valid signature of a member of HospitalAMSP", "permission denied"];
    table.add("sends the orderer a damaged envelope", answer.info, &cause);
}

fn administration(session: &Session, table: &mut Table) {
    let orderer = session.file().node("orderer1").unwrap();
    let genesis = std::fs::read(&session.file().channels[0].genesis_file).unwrap();
    let said = participation::join(session, orderer, &genesis).unwrap_err().to_string();
    let cause = ["cannot join: channel already exists"];
    table.add("osnadmin channel join a second time", said, &cause);
    let said = participation::join(session, orderer, b"no block").unwrap_err().to_string();
    table.add("osnadmin channel join with a file that is no block", said, &["block"]);
}
