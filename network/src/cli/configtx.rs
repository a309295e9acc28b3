//! `carecord configtx`: what Fabric's `configtxlator` does.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use carecord_proto::common::Config;
use clap::{Args, Subcommand};
use prost::Message;

use crate::codes::Code;
use crate::configtx;
use crate::configuring::compute_update;
use crate::error::{Failure, Outcome};
use crate::state::replace_file;

/// Stands for standard input or output.
const STANDARD: &str = "-";

#[derive(Debug, Subcommand)]
pub(super) enum Configtx {
    /// A message as JSON.
    Decode(Convert),
    /// JSON as a message.
    Encode(Convert),
    /// The update that leads from one configuration to another.
    ComputeUpdate {
        /// Channel.
        #[arg(short = 'C', long)]
        channel: String,
        /// The configuration in force: a common.Config, as message or JSON.
        #[arg(long, value_name = "FILE")]
        original: PathBuf,
        /// The configuration wanted.
        #[arg(long, value_name = "FILE")]
        updated: PathBuf,
        /// Where the common.ConfigUpdate goes.
        #[arg(long, value_name = "FILE", default_value = STANDARD)]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    /// Type of the message, for example common.Block, common.Config, common.ConfigUpdate, common.Envelope.
    #[arg(long = "type", value_name = "TYPE")]
    name: String,
    /// File to read; standard input if not named.
    #[arg(default_value = STANDARD)]
    input: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE", default_value = STANDARD)]
    out: PathBuf,
}

// === impl Configtx ===

impl Configtx {
    pub(super) fn run(self) -> Outcome<()> {
        match self {
            Self::Decode(convert) => {
                let json = configtx::decode(&convert.name, &read(&convert.input)?)
                    .map_err(|failure| failure.at(convert.input.display()))?;
                write(&convert.out, configtx::text(&json).as_bytes())
            }
            Self::Encode(convert) => {
                let json = json(&convert.input, &read(&convert.input)?)?;
                let bytes = configtx::encode(&convert.name, &json)
                    .map_err(|failure| failure.at(convert.input.display()))?;
                write(&convert.out, &bytes)
            }
            Self::ComputeUpdate { channel, original, updated, out } => {
                let update = compute_update(&channel, &config(&original)?, &config(&updated)?)?;
                write(&out, &update)
            }
        }
    }
}

/// A configuration from a file: JSON, or the message itself.
pub(super) fn config(path: &Path) -> Outcome<Config> {
    let bytes = read(path)?;
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        return configtx::from_json("common.Config", &json(path, &bytes)?)
            .map_err(|failure| failure.at(path.display()));
    }
    Config::decode(bytes.as_slice())
        .map_err(|error| Failure::new(Code::ConfigFile, error).at(path.display()))
}

pub(super) fn json(path: &Path, bytes: &[u8]) -> Outcome<serde_json::Value> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::new(Code::ConfigFile, error).at(path.display()))
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path == Path::new(STANDARD) {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(bytes)
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if path != Path::new(STANDARD) {
        return replace_file(path, bytes);
    }
    std::io::stdout().lock().write_all(bytes).map_err(|error| Failure::file(path, &error))
}
