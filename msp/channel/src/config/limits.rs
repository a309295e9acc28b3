//! Limits of our own on configurations, checked wherever one is taken in: before ordering and before use.
//!
//! Fabric has none of them, Go's decoder ends at depth 10,000 and Rust's at 100. A configuration between our limits
//! and Fabric's would be understood there and not here; so it is refused with a reason while somebody can still
//! change it. Real configurations are at most 3 groups deep and have some hundred elements.

use carecord_proto::common::ConfigGroup;

/// How deep groups may be nested, the channel's root counted.
pub const MAX_GROUP_DEPTH: usize = 8;
/// How many groups, values and policies there may be together.
pub const MAX_ELEMENTS: usize = 20_000;

/// Message levels that the decoder follows.
const DECODER_DEPTH: usize = 100;
// Each group is a map entry and a message; around them stand ConfigEnvelope and Config, below a value.
const _: () = assert!(2 * MAX_GROUP_DEPTH + 4 < DECODER_DEPTH);
// Each gate of a policy is two messages; around them stand the envelope and an application policy.
const _: () = assert!(2 * crate::policy::MAX_POLICY_DEPTH + 4 < DECODER_DEPTH);

/// A configuration beyond our limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Nested too deep.
    #[error("config groups are nested deeper than {MAX_GROUP_DEPTH}")]
    GroupDepth,
    /// Too large.
    #[error("config has more than {MAX_ELEMENTS} elements")]
    Elements,
}

/// Refuses a tree of groups beyond the limits.
pub fn check(root: &ConfigGroup) -> Result<(), LimitError> {
    let mut budget = MAX_ELEMENTS;
    walk(root, MAX_GROUP_DEPTH, &mut budget)
}

fn walk(group: &ConfigGroup, depth: usize, budget: &mut usize) -> Result<(), LimitError> {
    let depth = depth.checked_sub(1).ok_or(LimitError::GroupDepth)?;
    let elements = 1 + group.values.len() + group.policies.len();
    *budget = budget.checked_sub(elements).ok_or(LimitError::Elements)?;
    group.groups.values().try_for_each(|group| walk(group, depth, budget))
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecord_proto::common::{Config, ConfigEnvelope};
    use prost::Message;

    fn nested(depth: usize) -> ConfigGroup {
        let wrap =
            |inner| ConfigGroup { groups: [("g".to_owned(), inner)].into(), ..Default::default() };
        (1..depth).fold(ConfigGroup::default(), |inner, _| wrap(inner))
    }

    #[test]
    fn groups_nested_deeper_than_the_limit_are_refused() {
        assert_eq!(check(&nested(MAX_GROUP_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_GROUP_DEPTH + 1)), Err(LimitError::GroupDepth));
    }

    #[test]
    fn a_configuration_at_the_limit_can_still_be_decoded_and_a_bomb_ends_in_an_error() {
        let envelope = |group| ConfigEnvelope {
            config: Some(Config { sequence: 0, channel_group: Some(group) }),
            last_update: None,
        };
        let bytes = envelope(nested(MAX_GROUP_DEPTH)).encode_to_vec();
        assert!(ConfigEnvelope::decode(&bytes[..]).is_ok());
        let bomb = envelope(nested(98)).encode_to_vec();
        assert!(ConfigEnvelope::decode(&bomb[..]).is_err());
    }

    #[test]
    fn more_elements_than_the_limit_are_refused() {
        let with = |values: usize| ConfigGroup {
            values: (0..values).map(|n| (n.to_string(), Default::default())).collect(),
            ..Default::default()
        };
        assert_eq!(check(&with(MAX_ELEMENTS - 1)), Ok(()));
        assert_eq!(check(&with(MAX_ELEMENTS)), Err(LimitError::Elements));
    }
}
