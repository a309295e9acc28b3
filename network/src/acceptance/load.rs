//! Load from outside the network's processes: clients that write unique keys and log every acknowledgement.
//!
//! Two promises are logged: `accepted` (an orderer answered SUCCESS, which means that Raft has committed it) and
//! `valid` (a peer told the client VALID). Neither may be broken by whatever happens to the nodes.

pub(super) mod steady;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_proto::protos::TxValidationCode;
use carecord_sdk::{Contract, Deadlines, Error};

use super::trial::{CHANNEL, Trial};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk};

const CHAINCODE: &str = "bench";
/// Pause of a client after a failure, so that a network that is down is not flooded.
const PAUSE: Duration = Duration::from_millis(50);
const POLL: Duration = Duration::from_millis(10);
/// Shorter than the SDK's own: a client whose peer was killed is to go on soon.
const DEADLINES: Deadlines = Deadlines {
    evaluate: Duration::from_secs(5),
    endorse: Duration::from_secs(5),
    submit: Duration::from_secs(10),
    commit_status: Duration::from_secs(30),
};

/// An acknowledgement, as it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// The ordering service took the transaction.
    Accepted { tx_id: String },
    /// A client has endorsements and keeps sending the transaction until it is VALID.
    Sent { tx_id: String },
    /// The transaction was reported VALID in this block; it wrote `key`.
    Valid { tx_id: String, block: u64, key: String },
}

/// Clients at work in a thread of their own.
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Outcome<()>>>,
    log: PathBuf,
}

struct Shared {
    stop: AtomicBool,
    log: Mutex<File>,
    valid: AtomicU64,
    /// When the last VALID came, and the longest wait for one since somebody asked.
    pulse: Mutex<(Instant, Duration)>,
    errors: Mutex<BTreeMap<String, u64>>,
    /// How many transactions of a steady load were sent again so often.
    resends: Mutex<[u64; steady::RESENDS_MAX + 1]>,
}

/// How clients go about it.
enum Style {
    /// One transaction after the other, each once, by so many clients.
    Once(usize),
    /// So many each second; none is given up before it was sent again a few times.
    Steady(u64),
}

// === impl Load ===

impl Load {
    /// Starts `clients` clients, in turn at the peers named; at all peers if none is named.
    pub(super) fn start(trial: &Trial, clients: usize, peers: &[&str]) -> Outcome<Self> {
        Self::begin(trial, Style::Once(clients), peers)
    }

    /// Starts a load of `rate` transactions each second at all peers there are by now.
    pub(super) fn steady(trial: &Trial, rate: u64) -> Outcome<Self> {
        Self::begin(trial, Style::Steady(rate), &[])
    }

    fn begin(trial: &Trial, style: Style, peers: &[&str]) -> Outcome<Self> {
        let log = trial.dir().join(format!("acknowledged-{:08x}.log", rand::random::<u32>()));
        let file = File::create(&log).map_err(|error| Failure::file(&log, &error))?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            log: Mutex::new(file),
            valid: AtomicU64::new(0),
            pulse: Mutex::new((Instant::now(), Duration::ZERO)),
            errors: Mutex::new(BTreeMap::new()),
            resends: Mutex::default(),
        });
        let (dir, peers) =
            (trial.dir().to_owned(), peers.iter().map(ToString::to_string).collect());
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || work(&own, &dir, &style, peers));
        Ok(Self { shared, thread: Some(thread), log })
    }

    /// How many transactions were reported VALID so far.
    pub(super) fn valid(&self) -> u64 {
        self.shared.valid.load(Ordering::SeqCst)
    }

    /// Waits for `count` further VALID reports.
    pub(super) async fn wait_for(&self, count: u64, patience: Duration) -> Outcome<()> {
        let goal = self.valid() + count;
        let deadline = Instant::now() + patience;
        while self.valid() < goal {
            let over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            if over || Instant::now() >= deadline {
                let missing = goal - self.valid();
                let errors = self.errors();
                let cause = format!("{missing} of {count} acknowledgements did not come: {errors}");
                return Err(Failure::new(Code::Short, cause));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The longest wait for a VALID since this was asked last.
    pub(super) fn longest_pause(&self) -> Duration {
        std::mem::take(&mut lock(&self.shared.pulse).1)
    }

    /// How often what failed; failures are expected while nodes are down.
    pub(super) fn errors(&self) -> String {
        let errors = lock(&self.shared.errors);
        let kinds: Vec<String> =
            errors.iter().map(|(kind, times)| format!("{times} × {kind}")).collect();
        if kinds.is_empty() { "no errors".to_owned() } else { kinds.join("; ") }
    }

    /// Lets calls under way end, and gives the log back.
    pub(super) fn stop(mut self) -> Outcome<Vec<Acknowledged>> {
        self.end()?;
        let text = crate::state::read_text(&self.log)?;
        text.lines().map(|line| parse(line).ok_or_else(|| damaged(&self.log, line))).collect()
    }

    /// The same, and how many transactions became VALID after no resend, one, two and so on.
    pub(super) fn stop_and_count(
        self,
    ) -> Outcome<(Vec<Acknowledged>, [u64; steady::RESENDS_MAX + 1])> {
        let shared = Arc::clone(&self.shared);
        let log = self.stop()?;
        let resends = *lock(&shared.resends);
        Ok((log, resends))
    }

    fn end(&mut self) -> Outcome<()> {
        self.shared.stop.store(true, Ordering::SeqCst);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Failure::new(Code::Short, "the load's thread panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn damaged(path: &Path, line: &str) -> Failure {
    Failure::new(Code::Short, format!("{line:?} is no acknowledgement")).at(path.display())
}

fn parse(line: &str) -> Option<Acknowledged> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["sent", tx_id] => Some(Acknowledged::Sent { tx_id: tx_id.to_owned() }),
        ["accepted", tx_id] => Some(Acknowledged::Accepted { tx_id: tx_id.to_owned() }),
        ["valid", tx_id, block, key] => Some(Acknowledged::Valid {
            tx_id: tx_id.to_owned(),
            block: block.parse().ok()?,
            key: key.to_owned(),
        }),
        _ => None,
    }
}

fn work(shared: &Shared, dir: &Path, style: &Style, peers: Vec<String>) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Short, error))?;
    let session = Session::open(dir)?;
    runtime.block_on(async {
        let contracts = contracts(&session, &peers)?;
        match *style {
            Style::Once(clients) => {
                let clients = (0..clients).map(|number| client(shared, &contracts, number));
                futures::future::join_all(clients).await;
            }
            Style::Steady(rate) => {
                let pace = steady::Pace::new(rate);
                let clients = (0..steady::CLIENTS)
                    .map(|number| steady::client(shared, &contracts, number, &pace));
                futures::future::join_all(clients).await;
            }
        }
        Ok(())
    })
}

/// The bench chaincode, seen by one person at each peer.
fn contracts(session: &Session, peers: &[String]) -> Outcome<Vec<Contract>> {
    let wanted = |name: &str| peers.is_empty() || peers.iter().any(|peer| peer == name);
    let file = session.file();
    let nodes = file.nodes_of("peer").filter(|node| wanted(&node.name));
    nodes.map(|node| contract(session, &node.name)).collect()
}

/// The bench chaincode at `peer`, for a person of the peer's organisation.
pub(super) fn contract(session: &Session, peer: &str) -> Outcome<Contract> {
    let file = session.file();
    let node = file.node(peer)?;
    let of_organisation =
        |user: &&crate::state::UserEntry| user.organisation == node.organisation && !user.admin;
    let user = match file.users.iter().find(of_organisation) {
        Some(user) => user,
        None => file.admin(&node.organisation)?,
    };
    let gateway = session.gateway(user, Some(peer))?.with_deadlines(DEADLINES);
    Ok(gateway.network(CHANNEL).contract(CHAINCODE))
}

async fn client(shared: &Shared, contracts: &[Contract], client: usize) {
    let run = rand::random::<u32>();
    for number in 0_usize.. {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        // The next peer after each transaction: one that is down holds nobody up for long.
        let contract = &contracts[(client + number) % contracts.len()];
        let key = format!("{run:08x}-{client}-{number}");
        if let Err(error) = attempt(shared, contract, &key).await {
            *lock(&shared.errors).entry(from_sdk(&error).code().to_owned()).or_default() += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes `key` once; what was promised on the way is in the log before the next step.
async fn attempt(shared: &Shared, contract: &Contract, key: &str) -> Result<(), Error> {
    let value = Bytes::copy_from_slice(key.as_bytes());
    let args = [value.clone(), value];
    let transaction = contract.proposal("put").arguments(args).build()?.endorse().await?;
    let tx_id = transaction.tx_id().to_owned();
    let commit = transaction.submit().await?;
    shared.note(&format!("accepted {tx_id}"));
    let status = commit.status().await?;
    if status.code != TxValidationCode::Valid {
        return Err(status.into_error(tx_id));
    }
    shared.note(&format!("valid {tx_id} {} {key}", status.block));
    shared.beat();
    Ok(())
}

// === impl Shared ===

impl Shared {
    fn note(&self, line: &str) {
        // A log that cannot be written must not look like a promise kept.
        writeln!(lock(&self.log), "{line}").expect("the log of acknowledgements can be written");
    }

    fn beat(&self) {
        self.valid.fetch_add(1, Ordering::SeqCst);
        let mut pulse = lock(&self.pulse);
        let now = Instant::now();
        *pulse = (now, pulse.1.max(now - pulse.0));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_read_again() {
        let valid = Acknowledged::Valid { tx_id: "ab".to_owned(), block: 7, key: "k-1".to_owned() };
        assert_eq!(parse("valid ab 7 k-1"), Some(valid));
        assert_eq!(parse("accepted ab"), Some(Acknowledged::Accepted { tx_id: "ab".to_owned() }));
        assert_eq!(parse("sent ab"), Some(Acknowledged::Sent { tx_id: "ab".to_owned() }));
        assert_eq!(parse("valid ab"), None);
    }
}
