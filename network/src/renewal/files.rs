//! A signing certificate and its key exchanged so that neither a crash nor a reader in between finds nothing.

use carecord_ca::Issued;
use carecord_ca::layout::MemberFolder;

use crate::error::Outcome;
use crate::pairs::{rename, write_key, write_public};

/// A key beside the one in force: whoever reads an MSP takes the one that fits the certificate.
const NEXT_KEY: &str = "next_sk";

/// Puts a signing certificate and its key in force; at every moment a key is there for the certificate.
pub(crate) fn signing(member: &MemberFolder, issued: &Issued) -> Outcome<()> {
    let next = member.key().with_file_name(NEXT_KEY);
    write_key(&next, &issued.key_pem)?;
    write_public(&member.certificate(), &issued.certificate_pem)?;
    rename(&next, &member.key())
}
