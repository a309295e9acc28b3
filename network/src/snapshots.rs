//! Snapshots of channels at a running peer: asked for over `protos.Snapshot`, found in the peer's data folder.
//!
//! Place in the flow: `carecord snapshot` calls in here; so does the acceptance run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use carecord_comm::protos::endorser_client::EndorserClient;
use carecord_comm::protos::snapshot_client::SnapshotClient;
use carecord_ledger::{Snapshot, SnapshotError, snapshot};
use carecord_msp::Signer;
use carecord_proto::common::SignatureHeader;
use carecord_proto::proposal::{Request, build_request};
use carecord_proto::protos::{
    JoinBySnapshotStatus, SignedProposal, SignedSnapshotRequest, SnapshotQuery, SnapshotRequest,
};
use prost::Message;
use serde::Serialize;
use tonic::transport::Channel;

use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::process::Process;
use crate::session::Session;
use crate::state::NodeEntry;

/// Finished snapshots below a peer's data.
const COMPLETED: &str = "snapshots/completed";
/// Ledgers below a peer's data.
const LEDGERS: &str = "ledgers";
const NONCE_BYTES: usize = 24;
const POLL: Duration = Duration::from_millis(100);
const JOIN_PATIENCE: Duration = Duration::from_secs(3_600);

/// A snapshot as it is shown, schema `carecord.snapshot/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Always `carecord.snapshot/v1`.
    pub schema: &'static str,
    /// Its channel.
    pub channel: String,
    /// The last block that it covers.
    pub block: u64,
    /// Its hash: equal at peers that agree.
    pub hash: String,
    /// Commit hash of the last block.
    pub commit_hash: Option<String>,
    /// Its files' bytes.
    pub bytes: u64,
    /// Its folder.
    pub folder: PathBuf,
}

/// An administrator's way to one peer's snapshots of one channel.
pub struct Snapshots<'a> {
    session: &'a Session,
    node: &'a NodeEntry,
    channel: &'a str,
}

// === impl Snapshots ===

impl<'a> Snapshots<'a> {
    /// Those of `channel` at the peer `node`.
    pub fn of(session: &'a Session, node: &'a NodeEntry, channel: &'a str) -> Outcome<Self> {
        match node.role == "peer" {
            true => Ok(Self { session, node, channel }),
            false => Err(Failure::new(Code::Argument, "only peers have snapshots").at(&node.name)),
        }
    }

    /// Asks for a snapshot: of block 0, of the state as it is now; of a later block, once that is committed.
    pub async fn generate(&self, block: u64) -> Outcome<()> {
        let request = SnapshotRequest {
            signature_header: Some(self.header()?),
            channel_id: self.channel.to_owned(),
            block_number: block,
        };
        let signed = self.sign(request.encode_to_vec().into())?;
        let done = self.client()?.generate(signed).await;
        done.map(|_| ()).map_err(|status| refused(self.node, &status))
    }

    /// Takes a request back whose block has not come.
    pub async fn cancel(&self, block: u64) -> Outcome<()> {
        let request = SnapshotRequest {
            signature_header: Some(self.header()?),
            channel_id: self.channel.to_owned(),
            block_number: block,
        };
        let signed = self.sign(request.encode_to_vec().into())?;
        let done = self.client()?.cancel(signed).await;
        done.map(|_| ()).map_err(|status| refused(self.node, &status))
    }

    /// Blocks of which a snapshot is wanted or being made.
    pub async fn pending(&self) -> Outcome<Vec<u64>> {
        let query = SnapshotQuery {
            signature_header: Some(self.header()?),
            channel_id: self.channel.to_owned(),
        };
        let signed = self.sign(query.encode_to_vec().into())?;
        let answer = self.client()?.query_pendings(signed).await;
        let answer = answer.map_err(|status| refused(self.node, &status))?;
        Ok(answer.into_inner().block_numbers)
    }

    /// Asks for a snapshot and waits until its files are there.
    pub async fn make(&self, block: u64, patience: Duration) -> Outcome<Shown> {
        let before = self.completed()?;
        self.generate(block).await?;
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            // Asked first: what is finished by then is in the folder.
            let waiting = !self.pending().await?.is_empty();
            let made = self.completed()?.into_iter().find(|(number, _)| match block {
                0 => !before.contains_key(number),
                wanted => *number == wanted,
            });
            if let Some((_, shown)) = made {
                return Ok(shown);
            }
            if !waiting {
                return Err(Failure::new(Code::Snapshot, "the peer did not make the snapshot")
                    .at(&self.node.name)
                    .hint(format!("its log says why: {}", self.node.log_file.display())));
            }
            if tokio::time::Instant::now() >= deadline {
                let cause = "the snapshot is not made yet; the peer goes on with it";
                return Err(Failure::new(Code::Deadline, cause).at(&self.node.name));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Finished snapshots in the peer's folder, by their last block.
    pub fn completed(&self) -> Outcome<BTreeMap<u64, Shown>> {
        let folder = self.node.data_dir.join(COMPLETED).join(self.channel);
        let mut found = BTreeMap::new();
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            entries => entries.map_err(|error| Failure::file(&folder, &error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| Failure::file(&folder, &error))?.path();
            let shown = show(&path, Snapshot::read(&path).map_err(|error| damaged(&error))?);
            found.insert(shown.block, shown);
        }
        Ok(found)
    }

    fn header(&self) -> Outcome<SignatureHeader> {
        let nonce = Bytes::from(rand::random::<[u8; NONCE_BYTES]>().to_vec());
        Ok(SignatureHeader { creator: admin(self.session, self.node)?.serialized(), nonce })
    }

    fn sign(&self, request: Bytes) -> Outcome<SignedSnapshotRequest> {
        let signature = admin(self.session, self.node)?.sign(&request);
        let signature = signature.map_err(|error| Failure::new(Code::Certificate, error))?.into();
        Ok(SignedSnapshotRequest { request, signature })
    }

    fn client(&self) -> Outcome<SnapshotClient<Channel>> {
        let admin = self.session.file().admin(&self.node.organisation)?;
        Ok(SnapshotClient::new(self.session.connect(self.node, admin)?))
    }
}

/// Compares every file of a snapshot with the hash that it states.
pub fn verify(folder: &Path) -> Outcome<Shown> {
    let verified = snapshot::verify(folder).map_err(|error| damaged(&error))?;
    Ok(show(folder, verified))
}

/// Lets a peer begin a channel with a snapshot: by a call if it runs, else in its folder, for its next start.
pub async fn join(session: &Session, node: &NodeEntry, folder: &Path) -> Outcome<Shown> {
    let folder = std::path::absolute(folder).map_err(|error| Failure::file(folder, &error))?;
    let shown = verify(&folder)?;
    if Process::of_file(&node.pid_file).is_none() {
        let config = NodeConfig::load(&node.config_file)?;
        let ledger = config.data_dir.join(LEDGERS).join(&shown.channel);
        snapshot::install(&folder, &ledger).map_err(|error| match error {
            SnapshotError::Exists(_) => already(node, &shown.channel),
            error => damaged(&error),
        })?;
        return Ok(shown);
    }
    let path = folder.to_string_lossy().into_owned();
    call(session, node, &["JoinChainBySnapshot", &path]).await?;
    let deadline = tokio::time::Instant::now() + JOIN_PATIENCE;
    loop {
        let answer = call(session, node, &["JoinBySnapshotStatus"]).await?;
        let status = JoinBySnapshotStatus::decode(answer)
            .map_err(|error| Failure::new(Code::Snapshot, error).at(&node.name))?;
        if !status.in_progress {
            return Ok(shown);
        }
        if tokio::time::Instant::now() >= deadline {
            let cause = "the peer has not read the snapshot yet; it goes on with it";
            return Err(Failure::new(Code::Deadline, cause).at(&node.name));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Calls `cscc` without a channel, as an administrator of the peer's organisation.
async fn call(session: &Session, node: &NodeEntry, args: &[&str]) -> Outcome<Bytes> {
    let signer = admin(session, node)?;
    let (proposal, _) = build_request(Request {
        channel_id: String::new(),
        chaincode: "cscc".to_owned(),
        args: args.iter().map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
        transient: BTreeMap::new(),
        creator: signer.serialized(),
        nonce: Bytes::from(rand::random::<[u8; NONCE_BYTES]>().to_vec()),
        timestamp: prost_types::Timestamp { seconds: now_unix_s(), nanos: 0 },
        is_init: false,
    });
    let proposal_bytes = Bytes::from(proposal.encode_to_vec());
    let signature = signer.sign(&proposal_bytes);
    let signature = signature.map_err(|error| Failure::new(Code::Certificate, error))?.into();
    let user = session.file().admin(&node.organisation)?;
    let mut client = EndorserClient::new(session.connect(node, user)?);
    let answer = client.process_proposal(SignedProposal { proposal_bytes, signature }).await;
    let answer = answer.map_err(|status| refused(node, &status))?.into_inner();
    let response = answer.response.unwrap_or_default();
    match response.status {
        200 => Ok(response.payload),
        _ if response.message.contains("already exists") => {
            Err(Failure::new(Code::SnapshotExists, response.message).at(&node.name))
        }
        _ => Err(Failure::new(Code::Snapshot, response.message).at(&node.name)),
    }
}

fn admin(session: &Session, node: &NodeEntry) -> Outcome<std::sync::Arc<dyn Signer>> {
    session.signer(session.file().admin(&node.organisation)?)
}

fn show(folder: &Path, snapshot: Snapshot) -> Shown {
    let size = |name: &String| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    Shown {
        schema: "carecord.snapshot/v1",
        bytes: snapshot.files.keys().map(size).sum(),
        channel: snapshot.channel,
        block: snapshot.block,
        hash: snapshot.hash,
        commit_hash: snapshot.commit_hash.map(hex::encode),
        folder: folder.to_owned(),
    }
}

fn refused(node: &NodeEntry, status: &tonic::Status) -> Failure {
    match status.code() {
        tonic::Code::Unavailable => Failure::new(Code::GatewayUnreachable, status.message()),
        tonic::Code::DeadlineExceeded => Failure::new(Code::Deadline, status.message()),
        _ => Failure::new(Code::Snapshot, status.message()),
    }
    .at(format!("{} at {}", node.name, node.address))
}

fn already(node: &NodeEntry, channel: &str) -> Failure {
    Failure::new(Code::SnapshotExists, format!("the peer has a ledger of channel {channel}"))
        .at(&node.name)
}

fn damaged(error: &SnapshotError) -> Failure {
    match error {
        SnapshotError::File { file, source } => {
            let failure = Failure::file(Path::new(file), source);
            match source.kind() {
                std::io::ErrorKind::NotFound => {
                    Failure::new(Code::SnapshotDamaged, "this file of the snapshot is missing")
                        .at(file)
                }
                _ => failure,
            }
        }
        error => Failure::new(Code::SnapshotDamaged, error),
    }
}
