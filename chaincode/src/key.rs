//! State keys: the rules that Fabric's shims apply before a key reaches the peer.
//!
//! | key | form |
//! |---|---|
//! | simple | any text, not empty, not beginning with U+0000 |
//! | composite | U+0000 objectType U+0000 attribute U+0000 … |
//! | range start `""` | U+0001, so composite keys are left out |
//! | prefix scan | from the prefix to the prefix followed by U+10FFFF |

/// Separates and introduces the parts of a composite key.
const SEPARATOR: char = '\u{0}';
/// Sorts after everything that may stand in a composite key.
const LAST: char = '\u{10FFFF}';
/// Stands for an empty range start.
const FIRST_SIMPLE: &str = "\u{1}";

/// Why a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An empty key names nothing.
    #[error("key must not be an empty string")]
    Empty,
    /// A simple key may not look like a composite one.
    #[error("first character of the key [{0:?}] contains a null character which is not allowed")]
    NullFirst(String),
    /// A part of a composite key holds one of the two reserved characters.
    #[error("input contains unicode U+{0:04X}, which is not allowed in a composite key")]
    Reserved(u32),
    /// The key is not a composite key.
    #[error("not a composite key")]
    NotComposite,
}

/// Builds a composite key from an object type and its attributes.
pub fn composite(object_type: &str, attributes: &[&str]) -> Result<String, KeyError> {
    let length = attributes.iter().map(|a| a.len() + 1).sum::<usize>();
    let mut key = String::with_capacity(object_type.len() + length + 2);
    key.push(SEPARATOR);
    for part in std::iter::once(&object_type).chain(attributes) {
        if let Some(c) = part.chars().find(|&c| c == SEPARATOR || c == LAST) {
            return Err(KeyError::Reserved(c as u32));
        }
        key.push_str(part);
        key.push(SEPARATOR);
    }
    Ok(key)
}

/// Takes a composite key apart: its object type and its attributes.
pub fn split(key: &str) -> Result<(&str, Vec<&str>), KeyError> {
    let inner = key.strip_prefix(SEPARATOR).ok_or(KeyError::NotComposite)?;
    let inner = inner.strip_suffix(SEPARATOR).ok_or(KeyError::NotComposite)?;
    let mut parts = inner.split(SEPARATOR);
    let object_type = parts.next().ok_or(KeyError::NotComposite)?;
    Ok((object_type, parts.collect()))
}

/// The bounds of all composite keys that begin with these parts.
pub fn composite_bounds(
    object_type: &str,
    attributes: &[&str],
) -> Result<(String, String), KeyError> {
    let start = composite(object_type, attributes)?;
    let mut end = start.clone();
    end.push(LAST);
    Ok((start, end))
}

/// The bounds of a range over simple keys.
pub fn simple_bounds(start: &str, end: &str) -> Result<(String, String), KeyError> {
    for bound in [start, end] {
        if bound.starts_with(SEPARATOR) {
            return Err(KeyError::NullFirst(bound.to_owned()));
        }
    }
    let start = if start.is_empty() { FIRST_SIMPLE } else { start };
    Ok((start.to_owned(), end.to_owned()))
}

/// Checks a key before it is read or written.
pub fn check(key: &str) -> Result<(), KeyError> {
    if key.is_empty() { Err(KeyError::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_key_is_its_parts_between_null_characters() {
        let key = composite("owner~id", &["ann", "7"]).unwrap();
        assert_eq!(key.as_bytes(), b"\0owner~id\0ann\x007\0");
        assert_eq!(split(&key).unwrap(), ("owner~id", vec!["ann", "7"]));
    }

    #[test]
    fn attributes_may_be_empty_and_keep_their_place() {
        let key = composite("t", &["", "x", ""]).unwrap();
        assert_eq!(split(&key).unwrap(), ("t", vec!["", "x", ""]));
    }

    #[test]
    fn reserved_characters_are_refused_anywhere_in_a_composite_key() {
        assert_eq!(composite("a\0", &[]), Err(KeyError::Reserved(0)));
        assert_eq!(composite("a", &["b\u{10FFFF}"]), Err(KeyError::Reserved(0x10FFFF)));
    }

    #[test]
    fn a_prefix_scan_takes_in_its_own_attributes_and_no_neighbour() {
        let (start, end) = composite_bounds("t", &["ann"]).unwrap();
        let inside = composite("t", &["ann", "\u{10FFFE}"]).unwrap();
        let neighbour = composite("t", &["anna", "1"]).unwrap();
        assert!(start <= inside && inside < end);
        assert!(!(start <= neighbour && neighbour < end));
    }

    #[test]
    fn an_open_range_leaves_out_composite_keys() {
        let (start, end) = simple_bounds("", "").unwrap();
        assert_eq!((start.as_str(), end.as_str()), ("\u{1}", ""));
        assert!(composite("t", &[]).unwrap() < start);
        assert!(matches!(simple_bounds("\0x", ""), Err(KeyError::NullFirst(_))));
    }
}
