//! Whether one grant permits nothing that another does not: what may be passed on, and what an amendment leaves.

use crate::{
    consent::grant::{Grant, Scope},
    ids::Id,
};

/// Whether everything that `narrow` permits its grantee, `wide` permits its own: verbs, purposes, period and scope.
///
/// Two scopes are compared by what they say, without looking at records. Where that cannot tell (one names records, the
/// other tags), the answer is no.
pub fn is_within(narrow: &Grant, wide: &Grant) -> bool {
    narrow.verbs.iter().all(|verb| wide.verbs.contains(verb))
        && narrow.purposes.iter().all(|purpose| wide.purposes.contains(purpose))
        && narrow.from >= wide.from
        && narrow.until <= wide.until
        && is_scope_within(&narrow.scope, &wide.scope)
}

fn is_scope_within(narrow: &Scope, wide: &Scope) -> bool {
    let left_out = |record: &Id| {
        narrow.except_records.contains(record)
            || (!narrow.records.is_empty() && !narrow.records.contains(record))
    };
    is_listed(&narrow.records, &wide.records)
        && wide.except_records.iter().all(left_out)
        && is_listed(&narrow.tags, &wide.tags)
        && wide.except_tags.iter().all(|tag| narrow.except_tags.contains(tag))
        && wide.created_from.is_none_or(|w| narrow.created_from.is_some_and(|n| n >= w))
        && wide.created_until.is_none_or(|w| narrow.created_until.is_some_and(|n| n <= w))
}

/// An empty list does not restrict.
fn is_listed(narrow: &[Id], wide: &[Id]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|id| wide.contains(id)))
}
