//! Names of channels and of configuration elements.

/// How long a name may be.
pub const MAX_NAME_LENGTH: usize = 249;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No channel id.
    #[error("bad channel ID: channel ID illegal, cannot be empty")]
    EmptyChannel,
    /// A channel id beyond the limit.
    #[error("bad channel ID: channel ID illegal, cannot be longer than {MAX_NAME_LENGTH}")]
    LongChannel,
    /// A channel id with other characters than allowed.
    #[error("bad channel ID: '{0}' contains illegal characters")]
    Channel(String),
    /// A key of the configuration that is not allowed.
    #[error("error converting config to map: {0}")]
    Element(#[from] ElementError),
}

/// An element whose key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal characters in key: {kind}: {reason}")]
pub struct ElementError {
    /// `[Group]`, `[Value]` or `[Policy]`, padded as in the names of elements.
    pub kind: &'static str,
    /// What is wrong with the key.
    pub reason: KeyError,
}

/// Why a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing.
    #[error("config ID illegal, cannot be empty")]
    Empty,
    /// Beyond the limit.
    #[error("config ID illegal, cannot be longer than {MAX_NAME_LENGTH}")]
    Long,
    /// `.` or `..`.
    #[error("name '{0}' for config ID is not allowed")]
    Reserved(String),
    /// Other characters than allowed.
    #[error("config ID '{0}' contains illegal characters")]
    Characters(String),
}

/// Refuses a channel id that Fabric would not take.
pub fn check_channel_id(id: &str) -> Result<(), NameError> {
    if id.is_empty() {
        return Err(NameError::EmptyChannel);
    }
    if id.len() > MAX_NAME_LENGTH {
        return Err(NameError::LongChannel);
    }
    let legal = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
    if !id.starts_with(|c: char| c.is_ascii_lowercase()) || !id.chars().all(legal) {
        return Err(NameError::Channel(id.to_owned()));
    }
    Ok(())
}

/// Refuses a key that may not name a group, value or policy.
pub fn check_key(key: &str) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if key.len() > MAX_NAME_LENGTH {
        return Err(KeyError::Long);
    }
    if key == "." || key == ".." {
        return Err(KeyError::Reserved(key.to_owned()));
    }
    if !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-') {
        return Err(KeyError::Characters(key.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_ids_are_small_letters_digits_dots_and_dashes() {
        for id in ["carecord", "a", "a.b-1", &"a".repeat(249)] {
            assert_eq!(check_channel_id(id), Ok(()), "{id}");
        }
        for id in ["", "Care", "1a", ".", "..", "a/b", "a_b", "../x", "ä", &"a".repeat(250)] {
            assert!(check_channel_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn keys_have_no_underscore_and_are_not_dots_alone() {
        for key in ["Admins", "V2.5-x", "..."] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", ".", "..", "a_b", "a/b", "a b", &"a".repeat(250)] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
