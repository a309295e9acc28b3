//! Reading the values of a configuration group: only the expected keys, each as its message.

use carecord_proto::common::ConfigGroup;
use prost::Message;

/// Why a group's values cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// A key that has no meaning in this group.
    #[error("failed to deserialize values: Unexpected key {0}")]
    UnexpectedKey(String),
    /// A value that is not the message its key stands for.
    #[error("failed to deserialize values: {key}: {source}")]
    Decode {
        /// The key.
        key: &'static str,
        /// What is wrong.
        source: prost::DecodeError,
    },
}

/// Refuses keys that are not in `known`.
pub(crate) fn only(group: &ConfigGroup, known: &[&str]) -> Result<(), ValueError> {
    match group.values.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(ValueError::UnexpectedKey(key.clone())),
        None => Ok(()),
    }
}

/// The message under `key`; without such a key an empty one.
pub(crate) fn read<M: Message + Default>(
    group: &ConfigGroup,
    key: &'static str,
) -> Result<M, ValueError> {
    match group.values.get(key) {
        Some(value) => {
            M::decode(value.value.clone()).map_err(|source| ValueError::Decode { key, source })
        }
        None => Ok(M::default()),
    }
}
