//! Embeds the pages of `docs/errors`, so that `carecord explain` works without the sources, and the compiler's version,
//! which nodes tell as a metric; and describes Fabric's messages, so that `carecord configtx` can show them by name.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rustc-env=CARECORD_RUSTC={}", compiler());
    embed_pages();
    describe_messages();
}

/// The compiler's version alone, `unknown` if it cannot be asked.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = said.ok().and_then(|text| text.split(' ').nth(1).map(str::to_owned));
    version.unwrap_or_else(|| "unknown".to_owned())
}

fn embed_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut pages: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("docs/errors is part of the sources")
        .map(|entry| entry.expect("a folder of ours can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    let mut code = "&[\n".to_owned();
    for page in pages {
        let name = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = page.canonicalize().expect("a page that was just listed exists");
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(code, "    ({name:?}, include_str!({:?})),", path.display().to_string())
            .expect("writing to a string does not fail");
    }
    code.push(']');
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(target.join("pages.rs"), code).expect("OUT_DIR can be written");
}

/// Descriptors of the messages that may stand in a block, for reading and writing them as JSON.
fn describe_messages() {
    use prost::Message;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/fabric");
    println!("cargo::rerun-if-changed={}", folder.display());
    let files = [
        "common.proto",
        "etcdraft.proto",
        "kvrwset.proto",
        "lifecycle.proto",
        "msp.proto",
        "orderer.proto",
        "peer.proto",
        "rwset.proto",
    ];
    let descriptors = protox::compile(files, [folder]).expect("the interface texts compile");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(target.join("messages.bin"), descriptors.encode_to_vec())
        .expect("OUT_DIR can be written");
}
