//! The layout of every stored key, in one place.
//!
//! | column | key | value |
//! |---|---|---|
//! | State | `P` namespace key | [`super::Versioned`] |
//! | State | `H` namespace collection key-hash | [`super::Versioned`], value = hash of the value |
//! | History | namespace key !block !tx | nothing; newest first |
//! | Index | `T` tx id | first occurrence: block, position, code |
//! | Index | `B` block hash | block number |
//! | Index | `X` expiring block, committing block, namespace, collection, key hash | nothing |
//! | Index | `S` | savepoint: height, header hash, commit hash, config block |
//! | Index | `F` | format |
//! | Private | `R` | the newest file before files were last rewritten |
//! | Private | `V` namespace collection key | value, of collections that this peer holds |
//! | Private | `K` namespace collection key-hash | the key behind the hash |
//!
//! The folder `private` is an engine of its own, whose rows are in `crate::private::keys`.
//! Names are preceded by their length, so no two keys can run into each other whatever a name contains; keys and
//! hashes come last and are not, so that they sort as raw bytes. Numbers are big-endian; `!n` is the complement.

/// A column family of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Current values of public and hashed keys.
    State,
    /// Which transactions wrote a key.
    History,
    /// Transaction ids, block hashes, expiry schedule, savepoint.
    Index,
    /// Plaintext of collections that this peer holds.
    Private,
}

impl Column {
    /// Every column, in a fixed order.
    pub const ALL: [Column; 4] = [Column::State, Column::History, Column::Index, Column::Private];

    /// The name of the column family.
    pub fn name(self) -> &'static str {
        match self {
            Column::State => "state",
            Column::History => "history",
            Column::Index => "index",
            Column::Private => "private",
        }
    }
}

/// A stored key, by what it finds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    Public {
        namespace: &'a str,
        key: &'a [u8],
    },
    Hashed {
        namespace: &'a str,
        collection: &'a str,
        key_hash: &'a [u8],
    },
    History {
        namespace: &'a str,
        key: &'a [u8],
        block: u64,
        tx: u64,
    },
    HistoryOf {
        namespace: &'a str,
        key: &'a [u8],
    },
    TxId(&'a str),
    BlockHash(&'a [u8]),
    Expiry {
        expiring: u64,
        committing: u64,
        namespace: &'a str,
        collection: &'a str,
        key_hash: &'a [u8],
    },
    ExpiriesOf {
        expiring: u64,
    },
    Savepoint,
    Format,
    Rewritten,
    Private {
        namespace: &'a str,
        collection: &'a str,
        key: &'a [u8],
    },
    PrivateName {
        namespace: &'a str,
        collection: &'a str,
        key_hash: &'a [u8],
    },
}

impl Key<'_> {
    pub(crate) fn column(self) -> Column {
        match self {
            Key::Public { .. } | Key::Hashed { .. } => Column::State,
            Key::History { .. } | Key::HistoryOf { .. } => Column::History,
            Key::Private { .. } | Key::PrivateName { .. } | Key::Rewritten => Column::Private,
            _ => Column::Index,
        }
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Key::Public { namespace, key } => row(b"P").name(namespace).rest(key),
            Key::Hashed { namespace, collection, key_hash } => {
                row(b"H").name(namespace).name(collection).rest(key_hash)
            }
            Key::History { namespace, key, block, tx } => {
                row(b"").name(namespace).name(key).number(!block).number(!tx)
            }
            Key::HistoryOf { namespace, key } => row(b"").name(namespace).name(key),
            Key::TxId(id) => row(b"T").rest(id.as_bytes()),
            Key::BlockHash(hash) => row(b"B").rest(hash),
            Key::Expiry { expiring, committing, namespace, collection, key_hash } => {
                let row = row(b"X").number(expiring).number(committing);
                row.name(namespace).name(collection).rest(key_hash)
            }
            Key::ExpiriesOf { expiring } => row(b"X").number(expiring),
            Key::Savepoint => row(b"S"),
            Key::Format => row(b"F"),
            Key::Rewritten => row(b"R"),
            Key::Private { namespace, collection, key } => {
                row(b"V").name(namespace).name(collection).rest(key)
            }
            Key::PrivateName { namespace, collection, key_hash } => {
                row(b"K").name(namespace).name(collection).rest(key_hash)
            }
        }
        .0
    }
}

/// The first key behind all keys of a namespace: the end of an open range.
pub(crate) fn key_after_namespace(namespace: &str) -> Vec<u8> {
    successor(Key::Public { namespace, key: b"" }.bytes())
}

/// The first key behind all values of a collection, and behind the names of its keys.
pub(crate) fn key_after_collection(namespace: &str, collection: &str) -> Vec<u8> {
    successor(Key::Private { namespace, collection, key: b"" }.bytes())
}

/// The smallest key greater than every key that starts with `prefix`.
pub(crate) fn successor(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            break;
        }
    }
    prefix
}

/// A stored key in the making, from its first byte on.
struct Row(Vec<u8>);

fn row(kind: &[u8]) -> Row {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(kind);
    Row(bytes)
}

// === impl Row ===

impl Row {
    /// A name, behind its length.
    fn name(mut self, name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let length = u32::try_from(name.len()).expect("messages are limited to 100 MiB");
        self.0.extend_from_slice(&length.to_be_bytes());
        self.rest(name)
    }

    fn number(self, number: u64) -> Self {
        self.rest(&number.to_be_bytes())
    }

    /// Bytes as they are.
    fn rest(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Appends a name behind its length.
pub(crate) fn name(out: &mut Vec<u8>, bytes: &[u8]) {
    let Row(made) = Row(std::mem::take(out)).name(bytes);
    *out = made;
}

/// The names in front of a stored key, read back in the order they were written.
pub(crate) fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored bytes: a change here needs another format and a way from the old one.
    #[test]
    fn every_key_has_its_fixed_place() {
        let (namespace, collection) = ("ns", "c");
        let (ns, c) = ("\0\0\0\x02ns", "\0\0\0\x01c");
        let number = |low: u8| format!("\0\0\0\0\0\0\0{}", char::from(low));
        let check = |key: Key<'_>, expected: String| {
            assert_eq!(key.bytes(), expected.as_bytes(), "{key:?}");
        };
        check(Key::Public { namespace, key: b"k" }, format!("P{ns}k"));
        check(Key::Hashed { namespace, collection, key_hash: b"h" }, format!("H{ns}{c}h"));
        check(Key::HistoryOf { namespace, key: b"k" }, format!("{ns}\0\0\0\x01k"));
        check(Key::TxId("t"), "Tt".into());
        check(Key::BlockHash(b"h"), "Bh".into());
        let (one, two) = (number(1), number(2));
        let expiry =
            Key::Expiry { expiring: 1, committing: 2, namespace, collection, key_hash: b"h" };
        check(expiry, format!("X{one}{two}{ns}{c}h"));
        check(Key::ExpiriesOf { expiring: 1 }, format!("X{one}"));
        check(Key::Savepoint, "S".into());
        check(Key::Format, "F".into());
        check(Key::Private { namespace, collection, key: b"k" }, format!("V{ns}{c}k"));
        let name = Key::PrivateName { namespace, collection, key_hash: b"h" };
        check(name, format!("K{ns}{c}h"));
        check(Key::Rewritten, "R".into());
        let history = Key::History { namespace, key: b"k", block: 1, tx: 2 }.bytes();
        let end = [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], [0xff; 8]].concat();
        assert_eq!(history[11..history.len() - 1], end[..15]);
        assert_eq!(history.last(), Some(&0xfd));
    }

    #[test]
    fn names_cannot_run_into_keys() {
        let a = Key::Public { namespace: "a", key: b"\0b" }.bytes();
        let b = Key::Public { namespace: "a\0", key: b"b" }.bytes();
        assert_ne!(a, b);
    }

    #[test]
    fn keys_of_a_namespace_sort_as_bytes_and_end_before_the_next_namespace() {
        let keys: [&[u8]; 4] = [b"", b"\0", b"a", b"\xff\xff"];
        let stored: Vec<_> =
            keys.iter().map(|key| Key::Public { namespace: "cc", key }.bytes()).collect();
        assert!(stored.is_sorted());
        assert!(stored.iter().all(|key| *key < key_after_namespace("cc")));
        assert!(Key::Public { namespace: "cd", key: b"" }.bytes() >= key_after_namespace("cc"));
    }

    #[test]
    fn newer_history_comes_first() {
        let at = |block, tx| Key::History { namespace: "n", key: b"k", block, tx }.bytes();
        assert!(at(9, 1) < at(9, 0) && at(9, 0) < at(8, 7));
        assert!(at(0, 0).starts_with(&Key::HistoryOf { namespace: "n", key: b"k" }.bytes()));
    }

    #[test]
    fn a_name_reads_back() {
        let out = row(b"").name("abc").rest(b"rest").0;
        assert_eq!(split_name(&out), Some((&b"abc"[..], &b"rest"[..])));
        assert_eq!(split_name(&out[..5]), None);
    }
}
