//! Certificate and key files exchanged so that neither a crash nor a reader in between finds nothing.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use carecord_ca::Issued;
use carecord_ca::layout::MemberFolder;

use crate::error::{Failure, Outcome};

const KEY_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;
/// A key beside the one in force: whoever reads an MSP takes the one that fits the certificate.
const NEXT_KEY: &str = "next_sk";

/// Puts a signing certificate and its key in force; at every moment a key is there for the certificate.
pub(super) fn signing(member: &MemberFolder, issued: &Issued) -> Outcome<()> {
    let next = member.key().with_file_name(NEXT_KEY);
    write(&next, &issued.key_pem, KEY_MODE)?;
    write(&member.certificate(), &issued.certificate_pem, PUBLIC_MODE)?;
    rename(&next, &member.key())
}

/// Puts a TLS certificate and its key in force. Between the two a reader finds a pair that does not fit, keeps the one it
/// has, and looks again.
pub(super) fn pair(certificate: &Path, key: &Path, issued: &Issued) -> Outcome<()> {
    write(key, &issued.key_pem, KEY_MODE)?;
    write(certificate, &issued.certificate_pem, PUBLIC_MODE)
}

/// Makes a pair that lies beside the one in force the one in force.
pub(super) fn promote(from: (&Path, &Path), to: (&Path, &Path)) -> Outcome<()> {
    rename(from.1, to.1)?;
    rename(from.0, to.0)
}

fn write(path: &Path, text: &str, mode: u32) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    // A draft of a run that was cut short may have other permissions.
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    rename(&draft, path)
}

fn rename(from: &Path, to: &Path) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::file(to, &error);
    fs::rename(from, to).map_err(failed)?;
    let folder = to.parent().unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
