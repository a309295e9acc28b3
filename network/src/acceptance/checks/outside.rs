//! Group `health`: key wraps and content ids as packages of others compute them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use carecord_proto::content;
use carecord_sdk::keys;
use carecord_sdk::seal::{Binding, DataKey};
use carecord_sdk::wrap::{self, EncryptionKey};
use serde_json::{Value, json};

use crate::acceptance::program::Program;
use crate::acceptance::suite::sources;
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const PATIENCE: Duration = Duration::from_secs(600);
/// The PyPI package, at the version that the check was written with.
const PYHPKE: &str = "pyhpke==0.6.5";
const WRAPS: u64 = 100;
/// Lengths around one block, a chunk, the largest raw content, a full node of the tree and one level more.
const SIZES: &[usize] = &[
    0,
    1,
    255,
    256 << 10,
    (256 << 10) + 1,
    1 << 20,
    (1 << 20) + 1,
    (5 << 20) + 17,
    174 * (256 << 10),
    174 * (256 << 10) + 1,
];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "wraps-pyhpke",
        group: "health",
        goal: "100 key wraps open with the PyPI package pyhpke, and with other info or data they do not",
        work: |context| Box::pin(wraps(context)),
    },
    Check {
        name: "content-ids",
        group: "health",
        goal: "content ids are those of the npm packages multiformats and ipfs-unixfs",
        work: |context| Box::pin(content_ids(context)),
    },
];

async fn wraps(context: &Context) -> Outcome<Finding> {
    let python = pyhpke().await?;
    let file = context.work.join("wraps.json");
    let wraps = (0..WRAPS).map(one_wrap).collect::<Outcome<Vec<Value>>>()?;
    write(&file, &json!(wraps))?;
    let script = outside().join("open_wraps.py");
    let said = Program::new(python).args([&script, &file]).succeed(PATIENCE).await?;
    let answer = answer(&said.out)?;
    let count = |name: &str| answer[name].as_u64().unwrap_or_default();
    let (same, refused) = (count("same"), count("refused"));
    let ok = same == WRAPS && refused == 2 * WRAPS;
    Ok(Finding::new(format!("{same} wraps opened, {refused} altered ones refused"), ok))
}

/// A wrap, and what its reader needs to open it.
fn one_wrap(version: u64) -> Outcome<Value> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Code::Short, error.to_string());
    let key = DataKey::random().map_err(|error| failed(&error))?;
    let words = keys::Words::random().map_err(|error| failed(&error))?;
    let reader: EncryptionKey = keys::Keys::new(words.seed("")).encryption();
    let binding = Binding { record_id: "0123456789abcdef0123456789abcdef", version };
    let kid = format!("{version:032x}");
    let wrapped = wrap::wrap(&key, "dek", binding, &kid, reader.public());
    let wrapped = wrapped.map_err(|error| failed(&error))?;
    Ok(json!({
        "private": hex::encode(reader.to_bytes()),
        "kid": kid,
        "enc": hex::encode(&wrapped.enc),
        "ciphertext": hex::encode(&wrapped.ciphertext),
        "aad": hex::encode(binding.associated_data()),
        "key": hex::encode(key.as_bytes()),
    }))
}

async fn content_ids(context: &Context) -> Outcome<Finding> {
    let folder = cache()?.join("outside");
    std::fs::create_dir_all(&folder).map_err(|error| Failure::new(Code::Short, error))?;
    for name in ["package.json", "package-lock.json", "content-ids.mjs"] {
        let copied = std::fs::copy(outside().join(name), folder.join(name));
        copied.map_err(|error| Failure::new(Code::Short, error).at(name))?;
    }
    let npm = ["ci", "--silent", "--prefer-offline", "--no-audit", "--no-fund"];
    Program::new("npm").args(npm).within(&folder).succeed(PATIENCE).await?;
    let file = context.work.join("content-ids.json");
    let contents: Vec<Value> = SIZES.iter().map(|size| one_id(*size)).collect();
    write(&file, &json!(contents))?;
    let script = folder.join("content-ids.mjs");
    let said = Program::new("node").args([&script, &file]).succeed(PATIENCE).await?;
    let answer = answer(&said.out)?;
    let differ = answer["differ"].as_array().map_or(SIZES.len(), Vec::len);
    let compared = answer["compared"].as_u64().unwrap_or_default();
    let ok = differ == 0 && compared == SIZES.len() as u64;
    let finding = Finding::new(format!("{compared} content ids compared, {differ} differ"), ok);
    Ok(if ok { finding } else { finding.remark(answer.to_string()) })
}

fn one_id(size: usize) -> Value {
    let mut hasher = content::Hasher::default();
    for from in (0..size).step_by(1 << 20) {
        let piece: Vec<u8> =
            (from..size.min(from + (1 << 20))).map(|at| ((at * 31) >> 3) as u8).collect();
        hasher.update(&piece);
    }
    json!({"size": size, "id": hasher.finish()})
}

/// Python with pyhpke, in an environment of the cache folder.
async fn pyhpke() -> Outcome<PathBuf> {
    let folder = cache()?.join("pyhpke");
    let python = folder.join("bin/python");
    let has = Program::new(&python).args(["-c", "import pyhpke"]).run(PATIENCE).await;
    if !has.is_ok_and(|said| said.ok) {
        let made = Program::new("python3").args(["-m", "venv"]).args([&folder]);
        made.succeed(PATIENCE)
            .await
            .map_err(|failure| failure.hint("it needs the packages python3 and python3-venv"))?;
        let install = ["-m", "pip", "install", "--quiet", PYHPKE];
        Program::new(&python).args(install).succeed(PATIENCE).await?;
    }
    Ok(python)
}

fn outside() -> PathBuf {
    sources().join("network/compat/outside")
}

/// Where what is fetched from registries lies, as `scripts/env.sh` says.
fn cache() -> Outcome<PathBuf> {
    let named = std::env::var_os("CARECORD_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/carecord"));
    let unknown = || Failure::new(Code::Short, "neither CARECORD_CACHE nor HOME is set");
    named.or_else(home).ok_or_else(unknown)
}

fn write(file: &Path, value: &Value) -> Outcome<()> {
    crate::state::replace_file(file, value.to_string().as_bytes())
}

fn answer(out: &str) -> Outcome<Value> {
    let line = out.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| Failure::new(Code::Short, error))
}
