//! Group `membership`: certificates that expire while nodes work (row F29 of the faults), on real processes.
//!
//! Clients lose their streams and requests, an administrator's updates are refused, a peer gets no further block; each
//! is served again with a new certificate, without a restart.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_ca::{Issued, NodeRole, Person, Validity};
use carecord_proto::common::{ConfigGroup, Envelope};
use carecord_proto::orderer::BatchTimeout;
use prost::Message;
use tokio::task::JoinHandle;

use super::certificates::transaction;
use crate::acceptance::trial::{BENCH, CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::bringup::now_unix_s;
use crate::chain::{self, Range};
use crate::codes::Code;
use crate::configuring::{self, broadcast};
use crate::error::{Failure, Outcome};
use crate::renewal;
use crate::state::{NodeEntry, UserEntry, replace_file};

const EACH: usize = 10;
/// How long what expires is good for, and a little more.
const LASTS_S: i64 = 25;
const LASTS: Duration = Duration::from_secs(26);
/// The same of a peer, of which there is one at a time.
const PEER_LASTS_S: i64 = 10;
const PEER_LASTS: Duration = Duration::from_secs(11);
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Clock differences that an earlier begin of a certificate allows for, in seconds.
const EARLIER_S: i64 = 60;
const PEER: &str = "hospital-a";
const ORDERER: &str = "orderer1";

pub(super) const CHECKS: &[Check] = &[Check {
    name: "expiry",
    group: "membership",
    goal: "10 clients, 10 administrators and a peer 10 times expire mid-stream: FORBIDDEN, BAD_REQUEST, no block; all served again with new certificates (F29)",
    work: |context| Box::pin(expiry(context)),
}];

/// What came of it, in cases that went as they should.
#[derive(Default)]
struct Counts {
    streams: usize,
    requests: usize,
    updates: usize,
    back: usize,
    peers: usize,
    wrong: Vec<String>,
}

async fn expiry(context: &Context) -> Outcome<Finding> {
    let each = context.scaled(EACH, 2);
    let trial = Trial::up(context, "expiry", BENCH).await?;
    let mut counts = Counts::default();
    people(&trial, each, &mut counts).await?;
    for _ in 0..each {
        counts.peers += usize::from(peer(&trial).await?);
    }
    trial.agreed().await?;
    let Counts { streams, requests, updates, back, peers, wrong } = counts;
    let figure = format!(
        "{streams} streams ended FORBIDDEN, {requests} envelopes BAD_REQUEST, {updates} updates BAD_REQUEST, {back} people back, a peer {peers} times without a block and back"
    );
    let ok = (streams, requests, updates, back, peers) == (2 * each, each, each, 2 * each, each);
    let finding = context.scale_remark(Finding::new(figure, ok), &format!("{each} of each"));
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join("; ")) })
}

/// Clients with open streams, and administrators, who all expire at once.
async fn people(trial: &Trial, each: usize, counts: &mut Counts) -> Outcome<()> {
    let session = trial.session();
    let file = session.file();
    let (orderer, at) = (file.node(ORDERER)?, file.node(PEER)?);
    let client = |number: usize, lasts| person(trial, "client-a", &format!("c{number}"), lasts);
    let admin = |number: usize, lasts| {
        let base = file.admin("Orderer")?;
        person_of(trial, base, &format!("a{number}"), lasts)
    };
    let clients: Vec<_> = (0..each).map(|n| client(n, LASTS_S)).collect::<Outcome<_>>()?;
    let admins: Vec<_> = (0..each).map(|n| admin(n, LASTS_S)).collect::<Outcome<_>>()?;
    let issued = Instant::now();
    let height = trial.agreed().await?.height;
    let mut streams = Vec::new();
    for user in &clients {
        broadcast(session, orderer, user, &transaction(trial, user).await?).await?;
        streams.extend([orderer, at].map(|node| follow(trial, node, user, height)));
    }
    let mut updates = Vec::new();
    for (number, admin) in admins.iter().enumerate() {
        updates.push(update_of(trial, admin, number).await?);
    }
    tokio::time::sleep_until((issued + LASTS).into()).await;

    // The next block is the one that nobody gets who has expired.
    let valid = file.user("client-a")?;
    broadcast(session, orderer, valid, &transaction(trial, valid).await?).await?;
    for stream in streams {
        match tokio::time::timeout(PATIENCE, stream).await {
            Ok(Ok(Err(failure))) if failure.to_string().contains("FORBIDDEN") => {
                counts.streams += 1
            }
            other => counts.wrong.push(format!("a stream: {other:?}")),
        }
    }
    for user in &clients {
        let answer = broadcast(session, orderer, user, &transaction(trial, user).await?).await;
        counts.requests += usize::from(answer.err().is_some_and(is_bad_request));
    }
    for (admin, update) in admins.iter().zip(&updates) {
        let answer = broadcast(session, orderer, admin, update).await;
        counts.updates += usize::from(answer.err().is_some_and(is_bad_request));
    }
    for number in 0..each {
        let user = client(number, 10 * LASTS_S)?;
        let served = broadcast(session, orderer, &user, &transaction(trial, &user).await?).await;
        counts.back += usize::from(served.is_ok());
        let user = admin(number, 10 * LASTS_S)?;
        let update = update_of(trial, &user, number).await?;
        counts.back += usize::from(broadcast(session, orderer, &user, &update).await.is_ok());
    }
    Ok(())
}

fn is_bad_request(failure: Failure) -> bool {
    failure.to_string().contains("BAD_REQUEST")
}

/// A stream of all blocks from `height` on, as a task that ends with it.
fn follow(
    trial: &Trial,
    node: &NodeEntry,
    user: &UserEntry,
    height: u64,
) -> JoinHandle<Outcome<()>> {
    let (dir, node, user) = (trial.dir().to_owned(), node.clone(), user.clone());
    tokio::spawn(async move {
        let session = crate::session::Session::open(&dir)?;
        chain::stream_as(&session, &node, &user, CHANNEL, Range::From(height), |_| Ok(())).await
    })
}

/// An update that an administrator signs and sends.
async fn update_of(trial: &Trial, admin: &UserEntry, number: usize) -> Outcome<Envelope> {
    let session = trial.session();
    let channel = session.file().channel(Some(CHANNEL))?;
    let current = configuring::current(session, channel, admin).await?;
    let update = configuring::edited(&current, |root| set_timeout(root, 300 + number))?;
    let signer = session.signer(admin)?;
    let consent = configuring::sign(signer.as_ref(), &update)?;
    configuring::envelope(CHANNEL, signer.as_ref(), update, vec![consent])
}

fn set_timeout(root: &mut ConfigGroup, ms: usize) -> Outcome<()> {
    let orderer = root.groups.get_mut("Orderer");
    let value = orderer.and_then(|orderer| orderer.values.get_mut("BatchTimeout"));
    let value = value.ok_or_else(|| Failure::new(Code::Short, "there is no BatchTimeout"))?;
    value.value = BatchTimeout { timeout: format!("{ms}ms") }.encode_to_vec().into();
    Ok(())
}

/// A peer whose certificate expires gets no further block, and all of them with the next certificate.
async fn peer(trial: &Trial) -> Outcome<bool> {
    let session = trial.session();
    let file = session.file();
    let (node, other) = (file.node(PEER)?, file.node("hospital-b")?);
    let (folder, authority) = renewal::organisation(session, &node.organisation)?;
    let member = folder.node(&node.name).map_err(failed)?;
    let short = validity(PEER_LASTS_S);
    let issued = authority.node(member.full_name(), NodeRole::Peer, short).map_err(failed)?;
    renewal::signing(&member, &issued)?;
    let expired = Instant::now() + PEER_LASTS;
    // The stream that it has was opened with another certificate.
    trial.kill(&[PEER]).await?;
    trial.restart().await?;
    trial.agreed().await?;
    tokio::time::sleep_until(expired.into()).await;
    let valid = file.user("client-b")?;
    for _ in 0..2 {
        let envelope = transaction(trial, valid).await?;
        broadcast(session, file.node(ORDERER)?, valid, &envelope).await?;
    }
    // The other peer has them, so this one could.
    let before = chain::tip(session, node, CHANNEL).await?.height;
    let deadline = Instant::now() + PATIENCE;
    while chain::tip(session, other, CHANNEL).await?.height < before + 2 {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(POLL).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stood = chain::tip(session, node, CHANNEL).await?.height
        < chain::tip(session, other, CHANNEL).await?.height;
    trial.run(&["cert", "renew", "--node", PEER], PATIENCE).await?;
    trial.agreed().await?;
    Ok(stood)
}

fn person(trial: &Trial, like: &str, name: &str, lasts_s: i64) -> Outcome<UserEntry> {
    person_of(trial, trial.session().file().user(like)?, name, lasts_s)
}

/// Somebody of the organisation of `base` with a signing certificate that lasts so long; TLS is `base`'s.
fn person_of(trial: &Trial, base: &UserEntry, name: &str, lasts_s: i64) -> Outcome<UserEntry> {
    let (_, authority) = renewal::organisation(trial.session(), &base.organisation)?;
    let person =
        Person { name: name.into(), role: None, admin: base.admin, key: Default::default() };
    let issued = authority.person(&person, name, validity(lasts_s)).map_err(failed)?;
    let folder = trial.dir().join("short-lived").join(format!("{name}-{lasts_s}"));
    let (certificate_file, key_file) = write(&folder, &issued)?;
    Ok(UserEntry { name: name.to_owned(), certificate_file, key_file, ..base.clone() })
}

fn write(folder: &Path, issued: &Issued) -> Outcome<(std::path::PathBuf, std::path::PathBuf)> {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    replace_file(&certificate, issued.certificate_pem.as_bytes())?;
    replace_file(&key, Bytes::copy_from_slice(issued.key_pem.as_bytes()).as_ref())?;
    Ok((certificate, key))
}

fn validity(lasts_s: i64) -> Validity {
    let now = now_unix_s();
    Validity { not_before: now - EARLIER_S, not_after: now + lasts_s }
}

fn failed(error: carecord_ca::Error) -> Failure {
    Failure::new(Code::Renew, error)
}
