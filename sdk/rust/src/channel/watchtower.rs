//! Objects to a close with an old state while the side that appointed it is away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use carecord_health::channels::{Channel, ChannelId, Mode, Side, SignedState, Status};
use carecord_health::events::{CHANNEL_CHANGED, ChannelChange};
use carecord_proto::protos::ChaincodeEvent;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::{Error, memory};
use crate::events::From;
use crate::health::Person;

/// What is to be done about a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The other side closed with an old state: show the newer one.
    Challenge,
    /// The channel's time is over and money was paid: the side itself must close with the state.
    Close,
}

/// Whether a channel, as the ledger holds it, is being ended at a loss of `side`, who knows `newest`.
pub fn objection(channel: &Channel, side: Side, newest: &SignedState) -> Option<Objection> {
    let closing = channel.closing.as_ref()?;
    let ours = newest.state.funding == channel.funding;
    if channel.status != Status::Closing || closing.closer == side || !ours {
        return None;
    }
    let (known, posted) = (&newest.state, &closing.state);
    if closing.expired {
        return (known.balance(side) > posted.balance(side)).then_some(Objection::Close);
    }
    let better = match channel.mode {
        Mode::Uni => known.bal_payee > posted.bal_payee,
        Mode::Bi => known.seq > posted.seq || (known.seq == posted.seq && known != posted),
    };
    better.then_some(Objection::Challenge)
}

/// A channel that is watched, for one of its sides.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    side: Side,
    newest: SignedState,
}

/// Somebody's watch over channels of others; what it was given is on its disk.
pub struct Watchtower {
    person: Person,
    folder: PathBuf,
    watched: BTreeMap<ChannelId, Watched>,
}

// === impl Watchtower ===

impl Watchtower {
    /// A watch that goes on with what lies in `folder`.
    pub fn open(person: Person, folder: PathBuf) -> Result<Self, Error> {
        let failed = |path: &PathBuf, cause: String| Error::Memory { path: path.clone(), cause };
        std::fs::create_dir_all(&folder).map_err(|e| failed(&folder, e.to_string()))?;
        let mut watched = BTreeMap::new();
        let entries = std::fs::read_dir(&folder).map_err(|e| failed(&folder, e.to_string()))?;
        for entry in entries {
            let path = entry.map_err(|e| failed(&folder, e.to_string()))?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).and_then(ChannelId::new);
            let (Some(id), Some("json")) = (name, path.extension().and_then(|e| e.to_str())) else {
                continue;
            };
            let bytes = std::fs::read(&path).map_err(|e| failed(&path, e.to_string()))?;
            let one = serde_json::from_slice(&bytes).map_err(|e| failed(&path, e.to_string()))?;
            watched.insert(id, one);
        }
        Ok(Self { person, folder, watched })
    }

    /// Watches a channel for a side, with the newest state that the side has; an older one than before is not taken.
    pub fn watch(
        &mut self,
        network: &str,
        channel: &Channel,
        side: Side,
        newest: SignedState,
    ) -> Result<(), Error> {
        newest.verify(network, channel).map_err(|error| Error::Proof(error.to_string()))?;
        let place = |signed: &SignedState| (signed.state.funding, signed.state.seq);
        if self.watched.get(&channel.id).is_some_and(|known| place(&known.newest) > place(&newest))
        {
            return Err(Error::Terms("a newer state is known"));
        }
        let one = Watched { side, newest };
        let bytes = serde_json::to_vec(&one).map_err(|_| Error::Terms("no JSON"))?;
        memory::replace(&memory::file_of(&self.folder, &channel.id), &bytes)?;
        self.watched.insert(channel.id.clone(), one);
        Ok(())
    }

    /// The channels that are watched.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.watched.keys()
    }

    /// Looks at every channel once; those that were objected to, and those whose side must close itself.
    pub async fn patrol(&mut self) -> Result<Vec<(ChannelId, Objection)>, crate::Error> {
        let mut acted = Vec::new();
        for id in self.watched.keys().cloned().collect::<Vec<_>>() {
            acted.extend(self.look(&id).await?.map(|objection| (id, objection)));
        }
        Ok(acted)
    }

    /// Looks at one channel and objects if need be.
    pub async fn look(&mut self, id: &ChannelId) -> Result<Option<Objection>, crate::Error> {
        let Some(watched) = self.watched.get(id).cloned() else { return Ok(None) };
        let channel = self.person.channel(id).await?;
        let found = objection(&channel, watched.side, &watched.newest);
        if found == Some(Objection::Challenge) {
            self.person.challenge_channel(id, &watched.newest).await?;
        }
        Ok(found)
    }

    /// Follows the ledger and looks at each watched channel that changes; ends with the first objection, or with the
    /// stream.
    ///
    /// A stream may begin too late: call [`Watchtower::patrol`] after it has begun, and after each reconnection.
    pub async fn follow(
        &mut self,
        from: From,
    ) -> Result<Option<(ChannelId, Objection)>, crate::Error> {
        let network = self.person.contract().network().clone();
        let mut stream = Box::pin(network.chaincode_events(carecord_health::NAME, from).await?);
        while let Some(block) = stream.next().await {
            for event in block?.events {
                let Some(id) = closing(&event) else { continue };
                if let Some(objection) = self.look(&id).await? {
                    return Ok(Some((id, objection)));
                }
            }
        }
        Ok(None)
    }
}

/// The channel that somebody begins to close, if that is what an event tells.
fn closing(event: &ChaincodeEvent) -> Option<ChannelId> {
    if event.event_name != CHANNEL_CHANGED {
        return None;
    }
    let change: ChannelChange = serde_json::from_slice(&event.payload).ok()?;
    (change.status == Status::Closing).then_some(change.channel)
}
