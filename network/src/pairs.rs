//! A TLS certificate and its key, two files that are exchanged as one.
//!
//! ```text
//! certificate.new, key.new written and synced ─▶ key.new becomes the key ─▶ certificate.new becomes the certificate
//! ```
//!
//! The key in force decides: its certificate is the one beside it, or, after a crash between the two renames, the draft that
//! still waits. So a reader finds a whole pair at every moment, and the next exchange puts the files right.
//!
//! Place in the flow: `carecord cert renew` writes, nodes read.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use carecord_ca::Issued;
use carecord_comm::{Error, TlsIdentity};

use crate::error::{Failure, Outcome};
use crate::state::read_credential;

const KEY_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
/// Ending of a file that is to take another's place.
const DRAFT: &str = ".new";
/// An orderer's next TLS certificate, beside the one in force.
pub(crate) const NEXT_CERTIFICATE: &str = "next.crt";
/// Its key.
pub(crate) const NEXT_KEY: &str = "next.key";

/// Why a pair cannot be used, and which of its files it is.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) error: Error,
}

/// The pair in force; the outer failure is that a file cannot be read.
pub(crate) fn load(certificate: &Path, key: &Path) -> Outcome<Result<TlsIdentity, Unusable>> {
    let key_text = read_credential(key)?;
    let beside = read_credential(certificate);
    if let Some(identity) = beside.as_ref().ok().and_then(|text| fits(text, &key_text)) {
        return Ok(Ok(identity));
    }
    let waiting = waiting(certificate, &key_text).and_then(|(_, text)| fits(&text, &key_text));
    if let Some(identity) = waiting {
        return Ok(Ok(identity));
    }
    Ok(TlsIdentity::from_pem(&beside?, &key_text).map_err(|error| {
        let of_key = matches!(&error, Error::Pem { what } if what.contains("key"));
        let path = if of_key { key } else { certificate };
        Unusable { path: path.to_owned(), error }
    }))
}

/// Puts a new pair in force.
pub(crate) fn put(certificate: &Path, key: &Path, issued: &Issued) -> Outcome<()> {
    finish(certificate, key)?;
    for (from, to) in lay(certificate, key, issued)? {
        rename(&from, &to)?;
    }
    Ok(())
}

/// Makes the pair that lies beside the one in force (`next.crt`, `next.key`) the one in force.
pub(crate) fn promote(certificate: &Path, key: &Path) -> Outcome<()> {
    let (next, next_key) =
        (certificate.with_file_name(NEXT_CERTIFICATE), key.with_file_name(NEXT_KEY));
    finish(&next, &next_key)?;
    for (from, to) in [(next_key, key), (next, certificate)] {
        rename(&from, to)?;
    }
    Ok(())
}

/// Writes `text` in the place of what is at `path`, at once.
pub(crate) fn write_key(path: &Path, text: &str) -> Outcome<()> {
    rename(&write_draft(path, text, KEY_MODE)?, path)
}

/// The same for what everybody may read.
pub(crate) fn write_public(path: &Path, text: &str) -> Outcome<()> {
    rename(&write_draft(path, text, PUBLIC_MODE)?, path)
}

/// Puts `from` in the place of `to`, on the disk when it returns.
pub(crate) fn rename(from: &Path, to: &Path) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::file(to, &error);
    fs::rename(from, to).map_err(failed)?;
    let folder = to.parent().unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Writes both drafts; the renames that put them in force, in their order.
fn lay(certificate: &Path, key: &Path, issued: &Issued) -> Outcome<[(PathBuf, PathBuf); 2]> {
    let draft = write_draft(certificate, &issued.certificate_pem, PUBLIC_MODE)?;
    let key_draft = write_draft(key, &issued.key_pem, KEY_MODE)?;
    Ok([(key_draft, key.to_owned()), (draft, certificate.to_owned())])
}

/// Does what is left of an exchange that was cut short between its renames.
pub(crate) fn finish(certificate: &Path, key: &Path) -> Outcome<()> {
    let Ok(key_text) = fs::read(key) else { return Ok(()) };
    if fs::read(certificate).is_ok_and(|text| fits(&text, &key_text).is_some()) {
        return Ok(());
    }
    match waiting(certificate, &key_text) {
        Some((path, _)) => rename(&path, certificate),
        None => Ok(()),
    }
}

/// The file beside `certificate` that holds the certificate of the key, and its text.
fn waiting(certificate: &Path, key_text: &[u8]) -> Option<(PathBuf, Vec<u8>)> {
    let next = certificate.with_file_name(NEXT_CERTIFICATE);
    let there = [draft_of(certificate), next].into_iter().filter(|path| path.is_file());
    there.into_iter().find_map(|path| {
        let text = fs::read(&path).ok()?;
        fits(&text, key_text).map(|_| (path, text))
    })
}

fn fits(certificate: &[u8], key: &[u8]) -> Option<TlsIdentity> {
    TlsIdentity::from_pem(certificate, key).ok()
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(DRAFT);
    path.with_file_name(name)
}

fn write_draft(path: &Path, text: &str, mode: u32) -> Outcome<PathBuf> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let draft = draft_of(path);
    // A draft of a run that was cut short may have other permissions.
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use carecord_ca::{Organisation, Validity};

    use super::*;

    struct Room {
        folder: tempfile::TempDir,
        organisation: Organisation,
    }

    impl Room {
        fn new() -> Self {
            let validity = Validity { not_before: 1_700_000_000, not_after: 2_000_000_000 };
            let organisation = Organisation::create("a.test", None, validity).unwrap();
            Self { folder: tempfile::tempdir().unwrap(), organisation }
        }

        fn issued(&self) -> Issued {
            let validity = Validity { not_before: 1_700_000_000, not_after: 2_000_000_000 };
            self.organisation.tls("n", &["localhost".to_owned()], validity).unwrap()
        }

        fn files(&self) -> (PathBuf, PathBuf) {
            (self.folder.path().join("server.crt"), self.folder.path().join("server.key"))
        }
    }

    fn shown(certificate: &Path, key: &Path) -> Vec<u8> {
        load(certificate, key).unwrap().unwrap().leaf_der()
    }

    fn der(issued: &Issued) -> Vec<u8> {
        pem::parse(&issued.certificate_pem).unwrap().into_contents()
    }

    #[test]
    fn a_crash_between_any_two_steps_of_an_exchange_leaves_a_whole_pair() {
        for done in 0..=2 {
            let room = Room::new();
            let (certificate, key) = room.files();
            let (old, new, later) = (room.issued(), room.issued(), room.issued());
            put(&certificate, &key, &old).unwrap();
            for (from, to) in lay(&certificate, &key, &new).unwrap().into_iter().take(done) {
                rename(&from, &to).unwrap();
            }
            let expected = if done == 0 { &old } else { &new };
            assert_eq!(shown(&certificate, &key), der(expected), "{done} renames done");
            // The next exchange may be cut short likewise: at its drafts, the pair is still whole.
            finish(&certificate, &key).unwrap();
            lay(&certificate, &key, &later).unwrap();
            assert_eq!(shown(&certificate, &key), der(expected), "{done} renames done, then again");
            put(&certificate, &key, &later).unwrap();
            assert_eq!(shown(&certificate, &key), der(&later));
        }
    }

    #[test]
    fn a_crash_while_the_next_pair_takes_its_place_leaves_a_whole_pair() {
        for done in 0..=2 {
            let room = Room::new();
            let (certificate, key) = room.files();
            let [next, next_key] =
                [NEXT_CERTIFICATE, NEXT_KEY].map(|n| certificate.with_file_name(n));
            let (old, new, later) = (room.issued(), room.issued(), room.issued());
            put(&certificate, &key, &old).unwrap();
            put(&next, &next_key, &new).unwrap();
            let steps = [(&next_key, &key), (&next, &certificate)];
            for (from, to) in steps.into_iter().take(done) {
                rename(from, to).unwrap();
            }
            let expected = if done == 0 { &old } else { &new };
            assert_eq!(shown(&certificate, &key), der(expected), "{done} renames done");
            finish(&certificate, &key).unwrap();
            assert_eq!(shown(&certificate, &key), der(expected), "{done} renames done");
            put(&next, &next_key, &later).unwrap();
            assert_eq!(shown(&certificate, &key), der(expected));
            promote(&certificate, &key).unwrap();
            assert_eq!(shown(&certificate, &key), der(&later));
        }
    }

    #[test]
    fn a_key_without_any_certificate_of_its_own_is_no_pair() {
        let room = Room::new();
        let (certificate, key) = room.files();
        let (one, other) = (room.issued(), room.issued());
        put(&certificate, &key, &one).unwrap();
        write_key(&key, &other.key_pem).unwrap();
        assert!(load(&certificate, &key).unwrap().is_err());
        write_key(&key, "-----BEGIN PRIV").unwrap();
        assert_eq!(load(&certificate, &key).unwrap().unwrap_err().path, key);
    }
}
