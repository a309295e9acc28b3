//! Certificates of people that were replaced by newer ones for the same key. They hold until they end, so whoever takes a
//! person's rights back must name them, too; not every one of them is known to a CA.

use std::path::{Path, PathBuf};

use crate::certificates::{self, Certificate};
use crate::error::{Failure, Outcome};
use crate::state::{UserEntry, read_credential, replace_file};

/// Folder beside the MSP; an MSP that is loaded does not look at it.
const FOLDER: &str = "replaced";

fn folder(user: &UserEntry) -> PathBuf {
    let home = user.certificate_file.ancestors().nth(3);
    home.map(|home| home.join(FOLDER)).unwrap_or_else(|| FOLDER.into())
}

/// Whether a file holds a certificate that was replaced.
pub fn is_replaced(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|folder| folder == FOLDER)
}

/// Keeps the certificate that is about to be replaced.
pub(super) fn keep(user: &UserEntry, certificate: &Certificate, pem: &str) -> Outcome<()> {
    replace_file(&folder(user).join(format!("{}.pem", certificate.fingerprint)), pem.as_bytes())
}

/// Every signing certificate that the person has, as far as this folder knows: the one in force first.
pub(super) fn certificates_of(user: &UserEntry) -> Outcome<Vec<Certificate>> {
    let text = read_credential(&user.certificate_file)?;
    let mut found: Vec<_> = Certificate::of_pem(&text).into_iter().take(1).collect();
    let folder = folder(user);
    match certificates::below(&folder) {
        Ok(older) => found.extend(older.into_iter().map(|(_, one)| one)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file(&folder, &error)),
    }
    Ok(found)
}
