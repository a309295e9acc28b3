//! What this node remembers of each consenter's data, so that nobody votes again under an id whose votes it has lost.
//!
//! Place in the flow: a stream between consenters begins with a [`Hello`]. The one who is called holds it against the
//! pin of that consenter: the incarnation of its data at first contact, and how far its log and term were known to be.
//! Wiped data have another incarnation; an old backup has a shorter log or an older term than what is pinned.

use std::collections::BTreeMap;

use carecord_consensus::NodeId;
use carecord_proto::carecord::orderer::{Hello, Verdict};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::storage::{Folder, Incarnation};

const FILE: &str = "pins.json";

/// The pins of one channel.
#[derive(Debug)]
pub(crate) struct Pins {
    folder: Folder,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    pins: BTreeMap<NodeId, Pin>,
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    incarnation: String,
    /// The highest term that a message of it proves to be on its disk.
    term: u64,
    /// The highest committed index that it has confirmed to this node.
    confirmed: u64,
}

// === impl Pins ===

impl Pins {
    pub(crate) fn open(folder: &Folder) -> Result<Self, Error> {
        let pins = match folder.read(FILE)? {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_slice(&text).map_err(|error| Error::Pins {
                file: folder.path().join(FILE).display().to_string(),
                error,
            })?,
        };
        Ok(Self { folder: folder.clone(), known: Mutex::new(Known { pins, changed: false }) })
    }

    /// Whether a consenter comes with the data that it is known by. Who is new is pinned, durably, before the answer.
    pub(crate) fn check(&self, hello: &Hello) -> Result<Verdict, Error> {
        let Some(incarnation) = Incarnation::from_bytes(&hello.incarnation) else {
            return Ok(Verdict::OtherData);
        };
        let mut known = self.known.lock();
        if let Some(pin) = known.pins.get(&hello.from) {
            return Ok(pin.verdict(incarnation, hello));
        }
        let pin = Pin { incarnation: incarnation.to_string(), term: 0, confirmed: 0 };
        known.pins.insert(hello.from, pin);
        self.write(&mut known)?;
        Ok(Verdict::Welcome)
    }

    /// A message of `node` proves that it has this term on its disk.
    pub(crate) fn note_term(&self, node: NodeId, term: u64) {
        self.note(node, |pin| &mut pin.term, term);
    }

    /// `node` has confirmed this index, and it is committed.
    pub(crate) fn note_confirmed(&self, node: NodeId, index: u64) {
        self.note(node, |pin| &mut pin.confirmed, index);
    }

    fn note(&self, node: NodeId, field: fn(&mut Pin) -> &mut u64, value: u64) {
        let mut known = self.known.lock();
        let Some(pin) = known.pins.get_mut(&node) else { return };
        let field = field(pin);
        if *field < value {
            *field = value;
            known.changed = true;
        }
    }

    /// Makes durable what was noted; what a crash loses of it makes a backup harder to tell, and nothing else.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        let mut known = self.known.lock();
        if known.changed { self.write(&mut known) } else { Ok(()) }
    }

    fn write(&self, known: &mut Known) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(&known.pins).map_err(|error| Error::Pins {
            file: self.folder.path().join(FILE).display().to_string(),
            error,
        })?;
        self.folder.write(FILE, &text)?;
        known.changed = false;
        Ok(())
    }
}

// === impl Pin ===

impl Pin {
    fn verdict(&self, incarnation: Incarnation, hello: &Hello) -> Verdict {
        if self.incarnation != incarnation.to_string() {
            Verdict::OtherData
        } else if hello.log_end < self.confirmed || hello.term < self.term {
            Verdict::OldData
        } else {
            Verdict::Welcome
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Folders;

    fn hello(from: NodeId, incarnation: u8, term: u64, log_end: u64) -> Hello {
        let incarnation = vec![incarnation; 16].into();
        Hello { from, to: 1, incarnation, term, log_end }
    }

    fn folder(dir: &tempfile::TempDir) -> Folder {
        let block = carecord_proto::block::new(3, bytes::Bytes::new(), vec![]);
        Folders::open(dir.path()).unwrap().create("care", &block).unwrap()
    }

    #[test]
    fn who_is_known_comes_with_its_own_data_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(&dir);
        let pins = Pins::open(&folder).unwrap();
        assert_eq!(pins.check(&hello(2, 7, 0, 0)).unwrap(), Verdict::Welcome, "first contact");
        pins.note_term(2, 5);
        pins.note_confirmed(2, 40);
        pins.flush().unwrap();
        for (again, verdict) in [
            (hello(2, 7, 5, 40), Verdict::Welcome),
            (hello(2, 7, 9, 60), Verdict::Welcome),
            (hello(2, 8, 9, 60), Verdict::OtherData),
            (hello(2, 7, 5, 39), Verdict::OldData),
            (hello(2, 7, 4, 60), Verdict::OldData),
            (hello(3, 8, 0, 0), Verdict::Welcome),
        ] {
            let reopened = Pins::open(&folder).unwrap();
            assert_eq!(reopened.check(&again).unwrap(), verdict, "{again:?}");
        }
    }

    #[test]
    fn a_hello_without_a_name_for_its_data_is_no_hello() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::open(&folder(&dir)).unwrap();
        let nameless = Hello { incarnation: bytes::Bytes::new(), ..hello(2, 7, 0, 0) };
        assert_eq!(pins.check(&nameless).unwrap(), Verdict::OtherData);
    }

    #[test]
    fn pins_that_cannot_be_read_are_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(&dir);
        folder.write(FILE, b"{").unwrap();
        assert!(Pins::open(&folder).unwrap_err().to_string().contains("pins.json"));
    }
}
