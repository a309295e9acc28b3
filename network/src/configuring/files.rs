//! Updates and signatures on their way between administrators of several organisations: files of their own.
//!
//! An update that Fabric's tools have made is read too: a bare ConfigUpdate, or an envelope with the signatures that
//! `peer channel signconfigtx` has put under it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use carecord_proto::common::{ConfigSignature, ConfigUpdate, ConfigUpdateEnvelope, Envelope};
use carecord_proto::envelope::Opened;
use carecord_proto::hash::sha256;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::replace_file;

const UPDATE: &str = "carecord.config-update/v1";
const SIGNATURE: &str = "carecord.config-signature/v1";

/// An update that waits for signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The channel.
    pub channel: String,
    /// What it is for, in the proposer's words; nobody relies on it.
    pub title: String,
    /// The bytes that are signed.
    pub update: Bytes,
    /// Signatures that came with it.
    pub signatures: Vec<ConfigSignature>,
}

#[derive(Serialize, Deserialize)]
struct UpdateFile {
    schema: String,
    channel: String,
    title: String,
    update: String,
}

#[derive(Serialize, Deserialize)]
struct SignatureFile {
    schema: String,
    channel: String,
    update_sha256: String,
    signer: String,
    msp_id: String,
    signature: String,
}

// === impl Proposal ===

impl Proposal {
    /// Reads an update's file.
    pub fn read(path: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
        let wrong = |reason: String| Failure::new(Code::ConfigFile, reason).at(path.display());
        if let Ok(file) = serde_json::from_slice::<UpdateFile>(&bytes) {
            if file.schema != UPDATE {
                return Err(wrong(format!("the form is {}, expected {UPDATE}", file.schema)));
            }
            let update = STANDARD.decode(&file.update).map_err(|error| wrong(error.to_string()))?;
            let (channel, title) = (file.channel, file.title);
            return Self::of(channel, title, update.into(), Vec::new()).map_err(wrong);
        }
        Self::of_fabric(bytes.into()).map_err(wrong)
    }

    /// Writes it as a file.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        let file = UpdateFile {
            schema: UPDATE.to_owned(),
            channel: self.channel.clone(),
            title: self.title.clone(),
            update: STANDARD.encode(&self.update),
        };
        write(path, &file)
    }

    fn of_fabric(bytes: Bytes) -> Result<Self, String> {
        let envelope =
            Envelope::decode(bytes.clone()).ok().and_then(|envelope| Opened::open(&envelope).ok());
        if let Some(opened) = envelope {
            let inner = ConfigUpdateEnvelope::decode(opened.payload.data)
                .map_err(|error| format!("no configuration update: {error}"))?;
            let channel = opened.channel_header.channel_id;
            return Self::of(channel, String::new(), inner.config_update, inner.signatures);
        }
        let update = ConfigUpdate::decode(bytes.clone())
            .map_err(|_| "neither an update of ours nor one of Fabric's tools".to_owned())?;
        Self::of(update.channel_id, String::new(), bytes, Vec::new())
    }

    fn of(
        channel: String,
        title: String,
        update: Bytes,
        signatures: Vec<ConfigSignature>,
    ) -> Result<Self, String> {
        let inside = ConfigUpdate::decode(update.clone())
            .map_err(|error| format!("no configuration update: {error}"))?
            .channel_id;
        if inside != channel {
            return Err(format!("the update is for channel {inside:?}, the file says {channel:?}"));
        }
        Ok(Self { channel, title, update, signatures })
    }

    /// Writes a signature over it as a file of its own.
    pub fn write_signature(
        &self,
        path: &Path,
        signature: &ConfigSignature,
        signer: &str,
        msp_id: &str,
    ) -> Outcome<()> {
        let file = SignatureFile {
            schema: SIGNATURE.to_owned(),
            channel: self.channel.clone(),
            update_sha256: hex::encode(sha256(&[&self.update])),
            signer: signer.to_owned(),
            msp_id: msp_id.to_owned(),
            signature: STANDARD.encode(signature.encode_to_vec()),
        };
        write(path, &file)
    }

    /// Takes the signatures in a file: one of ours, or an envelope of Fabric's tools with the same update.
    pub fn add_signatures(&mut self, path: &Path) -> Outcome<()> {
        let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
        let wrong = |reason: &str| Failure::new(Code::ConfigFile, reason).at(path.display());
        let other = || {
            wrong("the signature is over another update")
                .hint("sign the very file that is submitted")
        };
        if let Ok(file) = serde_json::from_slice::<SignatureFile>(&bytes) {
            if file.update_sha256 != hex::encode(sha256(&[&self.update])) {
                return Err(other());
            }
            let signature = STANDARD
                .decode(&file.signature)
                .ok()
                .and_then(|bytes| ConfigSignature::decode(bytes.as_slice()).ok())
                .ok_or_else(|| wrong("the signature cannot be read"))?;
            self.signatures.push(signature);
            return Ok(());
        }
        let signed = Self::of_fabric(bytes.into()).map_err(|_| wrong("this is no signature"))?;
        if signed.update != self.update {
            return Err(other());
        }
        self.signatures.extend(signed.signatures);
        Ok(())
    }
}

fn write(path: &Path, file: &impl Serialize) -> Outcome<()> {
    let json = serde_json::to_vec_pretty(file).expect("texts have a JSON form");
    replace_file(path, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        let update = ConfigUpdate { channel_id: "care".into(), ..Default::default() };
        let update = update.encode_to_vec().into();
        Proposal { channel: "care".into(), title: "t".into(), update, signatures: Vec::new() }
    }

    #[test]
    fn updates_and_signatures_come_back_from_their_files_and_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let (update, signature) = (folder.path().join("u"), folder.path().join("s"));
        let mut proposal = proposal();
        proposal.write(&update).unwrap();
        assert_eq!(Proposal::read(&update).unwrap(), proposal);
        let signed = ConfigSignature { signature: "x".into(), ..Default::default() };
        proposal.write_signature(&signature, &signed, "Admin", "AMSP").unwrap();
        proposal.add_signatures(&signature).unwrap();
        assert_eq!(proposal.signatures, [signed]);
        let other = ConfigUpdate { channel_id: "other".into(), ..Default::default() };
        proposal.update = other.encode_to_vec().into();
        let refused = proposal.add_signatures(&signature).unwrap_err().to_string();
        assert!(refused.contains("over another update"), "{refused}");
        proposal.write(&update).unwrap();
        let refused = Proposal::read(&update).unwrap_err().to_string();
        assert!(refused.contains("is for channel \"other\""), "{refused}");
    }

    #[test]
    fn what_fabrics_tools_write_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("u.pb");
        std::fs::write(&path, &proposal().update).unwrap();
        assert_eq!(Proposal::read(&path).unwrap().channel, "care");
        std::fs::write(&path, b"{}").unwrap();
        assert!(Proposal::read(&path).is_err());
    }
}
