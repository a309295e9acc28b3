//! `carecord private`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carecord_channel::Bundle;
use carecord_proto::carecord::privdata::{Receipt, SignedReceipt};
use carecord_proto::common::Block;
use carecord_proto::hash::sha256;
use clap::{Args, Subcommand};
use prost::Message;
use serde_json::{Value, json};

use crate::chain;
use crate::cli::target::Chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::{Output, table};
use crate::receipts::{self, Asked};
use crate::session::Session;

/// How long to wait between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// Letters of a hash that a table shows.
const HASH_SHOWN: usize = 16;

#[derive(Debug, Subcommand)]
pub(super) enum Private {
    /// Ask every peer of the channel what it has of a private key; each signs its answer.
    Receipt(Ask),
    /// Check receipts without any network.
    Verify {
        /// Receipts that `receipt --save` has written.
        #[arg(required = true)]
        receipts: Vec<PathBuf>,
        /// A configuration block of the channel, such as its first one.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The block that has the purge; without it only the peers' word is checked.
        #[arg(long, value_name = "FILE")]
        block: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Ask {
    #[command(flatten)]
    chain: Chain,
    /// Chaincode.
    #[arg(long)]
    chaincode: String,
    /// Collection.
    #[arg(long)]
    collection: String,
    /// The key; only its hash leaves this program.
    #[arg(long, required_unless_present = "key_hash", conflicts_with = "key_hash")]
    key: Option<String>,
    /// SHA-256 of the key, hexadecimal.
    #[arg(long, value_name = "HEX")]
    key_hash: Option<String>,
    /// Seconds to wait until every member says that nothing is left.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    wait: u64,
    /// Folder to write the signed receipts to, one file for each peer, and the block that has the purge.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

// === impl Private ===

impl Private {
    pub(super) async fn run(self, output: Output) -> Outcome<()> {
        match self {
            Self::Receipt(ask) => ask.run(output).await,
            Self::Verify { receipts, config, block } => {
                verify(&receipts, &config, block.as_deref(), output)
            }
        }
    }
}

// === impl Ask ===

impl Ask {
    async fn run(&self, output: Output) -> Outcome<()> {
        let session = self.chain.open()?;
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        loop {
            let answers = self.answers(&session).await?;
            let held = answers.iter().any(|(_, _, receipt)| !receipts::says_gone(receipt));
            if held && Instant::now() < deadline {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if let Some(folder) = &self.save {
                save(folder, &answers)?;
                self.save_block(&session, folder, &answers).await?;
            }
            show(output, answers.iter().map(|(name, _, receipt)| (name.as_str(), receipt)));
            if held && self.wait > 0 {
                let cause = format!("some peer has not removed it within {} s", self.wait);
                return Err(Failure::new(Code::StillHeld, cause));
            }
            return Ok(());
        }
    }

    async fn answers(&self, session: &Session) -> Outcome<Vec<(String, SignedReceipt, Receipt)>> {
        let channel = session.file().channel(self.chain.channel.as_deref())?;
        let asked = Asked {
            channel: &channel.name,
            chaincode: &self.chaincode,
            collection: &self.collection,
            key_hash: self.key_hash()?,
        };
        let wanted = |name: &str| self.chain.node.as_deref().is_none_or(|node| node == name);
        let mut answers = Vec::new();
        for node in session.file().nodes_of("peer") {
            if !channel.organisations.contains(&node.organisation) || !wanted(&node.name) {
                continue;
            }
            let user = session.file().admin(&node.organisation)?;
            let signed = receipts::ask(session, node, user, &asked).await?;
            let receipt = Receipt::decode(signed.receipt.clone())
                .map_err(|error| Failure::new(Code::Receipt, error).at(&node.name))?;
            answers.push((node.name.clone(), signed, receipt));
        }
        Ok(answers)
    }

    /// The block that the receipts name, as the first peer has it; whoever checks compares its hash.
    async fn save_block(
        &self,
        session: &Session,
        folder: &Path,
        answers: &[(String, SignedReceipt, Receipt)],
    ) -> Outcome<()> {
        let named =
            answers.iter().find_map(|(name, _, receipt)| Some((name, receipt.purge.as_ref()?)));
        let Some((name, purge)) = named else { return Ok(()) };
        let node = session.file().node(name)?;
        let channel = self.chain.channel(session)?;
        let block = chain::block(session, node, channel, purge.block).await?;
        let path = folder.join(format!("purge-{}.block", purge.block));
        crate::state::replace_file(&path, &block.encode_to_vec())
    }

    fn key_hash(&self) -> Outcome<[u8; 32]> {
        if let Some(key) = &self.key {
            return Ok(sha256(&[key.as_bytes()]));
        }
        let given = self.key_hash.as_deref().unwrap_or_default();
        let bytes = hex::decode(given).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| {
            Failure::new(
                Code::Argument,
                format!("--key-hash {given:?} is not 64 hexadecimal digits"),
            )
        })
    }
}

fn save(folder: &Path, answers: &[(String, SignedReceipt, Receipt)]) -> Outcome<()> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    for (name, signed, receipt) in answers {
        let hash = hex::encode(&receipt.key_hash);
        let short = hash.get(..HASH_SHOWN).unwrap_or_default();
        let path = folder.join(format!("{name}-{short}.receipt"));
        crate::state::replace_file(&path, &signed.encode_to_vec())?;
    }
    Ok(())
}

fn verify(paths: &[PathBuf], config: &Path, block: Option<&Path>, output: Output) -> Outcome<()> {
    let config_block = read::<Block>(config)?;
    let bundle = Bundle::from_block(&config_block)
        .map_err(|error| Failure::new(Code::ConfigFile, error).at(config.display()))?;
    let purging = block.map(read::<Block>).transpose()?;
    let mut receipts = Vec::new();
    for path in paths {
        let signed = read::<SignedReceipt>(path)?;
        let receipt = receipts::verify(&signed, &bundle, purging.as_ref());
        receipts.push((path.display().to_string(), receipt.map_err(|it| it.at(path.display()))?));
    }
    show(output, receipts.iter().map(|(name, receipt)| (name.as_str(), receipt)));
    Ok(())
}

fn read<M: Message + Default>(path: &Path) -> Outcome<M> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    M::decode(bytes.as_slice())
        .map_err(|error| Failure::new(Code::Receipt, error).at(path.display()))
}

fn show<'a>(output: Output, receipts: impl Iterator<Item = (&'a str, &'a Receipt)>) {
    let receipts: Vec<_> = receipts.collect();
    let values: Vec<Value> = receipts.iter().map(|(name, receipt)| value(name, receipt)).collect();
    let value = json!({ "schema": "carecord.purge-receipts/v1", "receipts": values });
    output.result(&value, || {
        let rows = receipts.iter().map(|(name, receipt)| row(name, receipt));
        table(["PEER", "ORGANISATION", "MEMBER", "PURGED IN", "GONE", "AT HEIGHT"], rows)
    });
}

fn value(name: &str, receipt: &Receipt) -> Value {
    let purge = receipt.purge.as_ref().map(|purge| {
        json!({
            "block": purge.block, "position": purge.tx, "tx_id": purge.tx_id,
            "header_hash": hex::encode(&purge.header_hash),
        })
    });
    json!({
        "peer": name, "organisation": organisation(receipt), "member": receipt.is_member,
        "channel": receipt.channel_id, "chaincode": receipt.namespace,
        "collection": receipt.collection, "key_hash": hex::encode(&receipt.key_hash),
        "purge": purge, "gone": receipts::says_gone(receipt), "height": receipt.height,
        "header_hash": hex::encode(&receipt.header_hash), "time_unix_s": receipt.timestamp,
        "hash_in_state": receipt.hash_in_state, "value_held": receipt.value_held,
        "kept_sets": receipt.kept_sets, "waiting_sets": receipt.waiting_sets,
        "files_rewritten": receipt.files_rewritten,
    })
}

fn row(name: &str, receipt: &Receipt) -> [String; 6] {
    let yes = |it: bool| if it { "yes" } else { "no" }.to_owned();
    let purged = receipt.purge.as_ref().map_or_else(|| "-".to_owned(), |it| it.block.to_string());
    [
        name.to_owned(),
        organisation(receipt),
        yes(receipt.is_member),
        purged,
        yes(receipts::says_gone(receipt)),
        receipt.height.to_string(),
    ]
}

fn organisation(receipt: &Receipt) -> String {
    let identity = carecord_proto::msp::SerializedIdentity::decode(receipt.identity.clone());
    identity.map(|identity| identity.mspid).unwrap_or_default()
}
