//! Packages as they come: good, bad, and made to do harm.

use super::*;
use flate2::{Compression, write::GzEncoder};

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).expect("memory takes it");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("memory takes it")
}

fn package(kind: &str, label: &str, code: &[(&str, &[u8])]) -> Vec<u8> {
    let metadata = format!(r#"{{"type":"{kind}","label":"{label}","path":""}}"#);
    packed(&[("metadata.json", metadata.as_bytes()), ("code.tar.gz", &packed(code))])
}

fn good(label: &str) -> Vec<u8> {
    package("carecord", label, &[("chaincode.json", br#"{"name":"bench"}"#)])
}

fn packages(dir: &Path) -> Packages {
    let built_in = vec!["bench".to_owned(), "health".to_owned()];
    Packages::open(dir.join("packages"), built_in).expect("a folder")
}

#[test]
fn an_installed_package_is_there_after_a_restart_byte_for_byte() {
    let dir = tempfile::tempdir().expect("a folder");
    let bytes = good("bench_1.0");
    let id = packages(dir.path()).install(&bytes).expect("installed").id.clone();
    assert_eq!(id, format!("bench_1.0:{}", hex::encode(Sha256::digest(&bytes))));
    let again = packages(dir.path());
    assert_eq!(again.bytes(&id).expect("kept"), bytes);
    assert_eq!(again.get(&id).expect("kept").code, Code::BuiltIn("bench".to_owned()));
    let refused = again.install(&bytes).expect_err("twice");
    assert_eq!(refused, format!("chaincode already successfully installed (package ID '{id}')"));
}

#[test]
fn what_is_no_package_or_cannot_run_is_refused_in_fabrics_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let packages = packages(dir.path());
    let parse = "could not parse as a chaincode install package: ";
    let build = "could not build chaincode: ";
    let service = |json: &'static [u8]| package("ccaas", "cc", &[("connection.json", json)]);
    for (bytes, text) in [
        (b"no archive".to_vec(), format!("{parse}error reading as gzip stream: ")),
        (Vec::new(), format!("{parse}error reading as gzip stream: ")),
        (
            packed(&[("code.tar.gz", b"x")]),
            format!("{parse}did not find any package metadata (missing metadata.json)"),
        ),
        (
            packed(&[("metadata.json", br#"{"label":"a"}"#)]),
            format!("{parse}did not find a code package inside the package"),
        ),
        (
            packed(&[("metadata.json", b"{"), ("code.tar.gz", b"x")]),
            format!("{parse}could not unmarshal metadata.json as json: "),
        ),
        (good(""), format!("{parse}invalid label ''. Label must be non-empty")),
        (good("../up"), format!("{parse}invalid label '../up'.")),
        (good("-a"), format!("{parse}invalid label '-a'.")),
        (
            package("golang", "cc", &[("src/main.go", b"package main")]),
            format!("{build}this peer builds no chaincode of type 'golang'"),
        ),
        (package("carecord", "cc", &[]), format!("{build}chaincode.json not found in code.tar.gz")),
        (
            package("carecord", "cc", &[("chaincode.json", br#"{"name":"other"}"#)]),
            format!("{build}this peer has no built-in chaincode 'other'; it has bench, health"),
        ),
        (service(b"{}"), format!("{build}chaincode address not provided in connection.json")),
    ] {
        let refused = packages.install(&bytes).expect_err(&text);
        assert!(refused.starts_with(&text), "{refused} instead of {text}");
    }
    assert!(packages.all().is_empty());
    let installed = packages.install(&service(br#"{"address":"cc:9999"}"#)).expect("a service");
    assert_eq!(installed.code, Code::Service("cc:9999".to_owned()));
}

#[test]
fn links_and_folders_are_not_unpacked() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive.append_link(&mut header, "metadata.json", "/etc/passwd").expect("memory takes it");
    let bytes = archive.into_inner().and_then(GzEncoder::finish).expect("memory takes it");
    let refused = packages(dir.path()).install(&bytes).expect_err("a link");
    assert!(
        refused.ends_with("tar entry metadata.json is not a regular file, type 50"),
        "{refused}"
    );
}

#[test]
fn a_bomb_is_refused_before_it_unpacks() {
    let dir = tempfile::tempdir().expect("a folder");
    let zeros = vec![0; 65 << 20];
    let outer = packed(&[("metadata.json", br#"{"label":"a"}"#), ("code.tar.gz", &zeros)]);
    assert!(outer.len() < 1 << 20, "it is small as it comes");
    let inner = package("carecord", "cc", &[("chaincode.json", &zeros)]);
    let many: Vec<(String, &[u8])> = (0..1_001).map(|n| (format!("f{n}"), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (&name[..], *bytes)).collect();
    let packages = packages(dir.path());
    for (bytes, text) in [
        (outer, "it unpacks to more than 67108864 bytes"),
        (inner, "it unpacks to more than 67108864 bytes"),
        (packed(&many), "it holds more than 1000 files"),
        (vec![0; (16 << 20) + 1], "a package may have 16777216 bytes, not 16777217"),
    ] {
        let refused = packages.install(&bytes).expect_err(text);
        assert!(refused.contains(text), "{refused}");
    }
}

#[test]
fn a_damaged_package_counts_as_not_installed_and_can_be_installed_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let bytes = good("bench");
    let first = packages(dir.path());
    let id = first.install(&bytes).expect("installed").id.clone();
    let path = first.path(&id);
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    std::fs::write(path.with_extension("gz.new"), b"cut short").expect("written");
    let again = packages(dir.path());
    assert!(again.get(&id).is_none());
    again.install(&bytes).expect("installed again");
    assert_eq!(std::fs::read(&path).expect("there"), bytes);
    assert_eq!(std::fs::read_dir(dir.path().join("packages")).expect("there").count(), 1);
}
