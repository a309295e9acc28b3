//! What a side must not forget, in a file that is replaced whole and synced before anything is sent.

use std::fs::{File, rename};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use carecord_health::channels::{Channel, ChannelId, Close, SignedState, State};
use serde::{Deserialize, Serialize};

use super::Error;

/// Version of the file's form.
const FORM: u32 = 1;

/// What one side of one channel knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    form: u32,
    network: String,
    channel: Channel,
    /// The newest state with every signature that it needs.
    newest: Option<SignedState>,
    /// A state that this side signed and has not got back.
    pending: Option<SignedState>,
    /// The state at which both end the channel, as far as it is signed.
    ending: Option<SignedState>,
    /// The base of a top-up that is under way.
    base: Option<SignedState>,
}

/// The durable knowledge of one side.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    content: Content,
}

// === impl Memory ===

impl Memory {
    /// What is kept in `folder` of this channel, or a fresh memory of it.
    ///
    /// `channel` as peers of two organisations told it, `network` as [`crate::health::Person::network_name`] did. What
    /// was kept counts for the channel's present funding only.
    pub fn open(folder: &Path, network: &str, channel: Channel) -> Result<Self, Error> {
        let path = folder.join(format!("{}.json", channel.id));
        let failed = |cause: String| Error::Memory { path: path.clone(), cause };
        let fresh = Content {
            form: FORM,
            network: network.to_owned(),
            channel: channel.clone(),
            newest: None,
            pending: None,
            ending: None,
            base: None,
        };
        let kept = match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error.to_string())),
        };
        let Some(bytes) = kept else {
            let memory = Self { path, content: fresh };
            memory.save()?;
            return Ok(memory);
        };
        let content: Content =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        let same = content.form == FORM
            && content.network == network
            && content.channel.id == channel.id
            && content.channel.payer_key == channel.payer_key
            && content.channel.payee_key == channel.payee_key;
        if !same {
            return Err(failed("it is of another channel, network or form".to_owned()));
        }
        let mut memory = Self { path, content };
        memory.follow(channel)?;
        Ok(memory)
    }

    /// The channel as the ledger was last seen to hold it.
    pub fn channel(&self) -> &Channel {
        &self.content.channel
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.content.network
    }

    /// The newest state with every signature that it needs.
    pub fn newest(&self) -> Option<&SignedState> {
        self.content.newest.as_ref()
    }

    /// How the deposits are divided by the newest state, or by the base.
    pub fn division(&self) -> &State {
        self.newest().map_or(&self.content.channel.base, |signed| &signed.state)
    }

    /// How this side closes alone now.
    pub fn close(&self) -> Close {
        Close { state: self.newest().cloned(), pending: Some(self.content.pending.is_some()) }
    }

    /// Takes in what the ledger says; a funding that has begun makes what was signed before it worthless.
    pub fn follow(&mut self, channel: Channel) -> Result<(), Error> {
        let began = channel.funding > self.content.channel.funding;
        self.change(|content| {
            content.channel = channel;
            if began {
                content.newest = None;
                content.pending = None;
                content.ending = None;
                content.base = None;
            }
        })
    }

    pub(super) fn pending(&self) -> Option<&SignedState> {
        self.content.pending.as_ref()
    }

    pub(super) fn ending(&self) -> Option<&SignedState> {
        self.content.ending.as_ref()
    }

    pub(super) fn base(&self) -> Option<&SignedState> {
        self.content.base.as_ref()
    }

    /// Nothing that would be signed twice is under way.
    pub(super) fn check_free(&self) -> Result<(), Error> {
        if self.content.ending.is_some() {
            return Err(Error::Waiting("the end is signed"));
        }
        if self.content.base.is_some() {
            return Err(Error::Waiting("a top-up is signed and not on the ledger"));
        }
        if self.content.pending.is_some() {
            return Err(Error::Waiting("the other side has not answered"));
        }
        if !self.content.channel.is_open() {
            return Err(Error::Waiting("the channel is not open"));
        }
        Ok(())
    }

    pub(super) fn keep_newest(&mut self, state: SignedState) -> Result<(), Error> {
        self.change(|content| {
            content.newest = Some(state);
            content.pending = None;
        })
    }

    pub(super) fn keep_pending(&mut self, state: SignedState) -> Result<(), Error> {
        self.change(|content| content.pending = Some(state))
    }

    pub(super) fn keep_ending(&mut self, state: SignedState) -> Result<(), Error> {
        self.change(|content| content.ending = Some(state))
    }

    pub(super) fn keep_base(&mut self, state: SignedState) -> Result<(), Error> {
        self.change(|content| content.base = Some(state))
    }

    /// First on the disk, then in memory: what failed to be kept is not known either.
    fn change(&mut self, change: impl FnOnce(&mut Content)) -> Result<(), Error> {
        let before = self.content.clone();
        change(&mut self.content);
        if self.content == before {
            return Ok(());
        }
        self.save().inspect_err(|_| self.content = before)
    }

    fn save(&self) -> Result<(), Error> {
        let bytes = serde_json::to_vec(&self.content).map_err(|error| error.to_string());
        let bytes = bytes.map_err(|cause| Error::Memory { path: self.path.clone(), cause })?;
        replace(&self.path, &bytes)
    }
}

/// Puts bytes in a file's place: the old ones or the new ones are there, also after a power loss.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(folder)?;
        let draft = path.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| Error::Memory { path: path.to_owned(), cause: error.to_string() })
}

/// The file of a channel in a folder of a watchtower.
pub(super) fn file_of(folder: &Path, id: &ChannelId) -> PathBuf {
    folder.join(format!("{id}.json"))
}
