//! k-anonymity: what is released has, for each row, at least k - 1 others that look alike.

use std::collections::BTreeMap;

/// The smallest group that is released unless a study asks for larger ones.
pub const K_MIN: usize = 11;

/// Rows that may be released, and how many may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<T> {
    /// In their order.
    pub rows: Vec<T>,
    /// How many were left out.
    pub suppressed: usize,
}

/// `k` is below [`K_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("groups of fewer than {K_MIN} are never released")]
pub struct TooSmall;

/// Leaves out the rows of groups smaller than `k`; `alike` says by what somebody could be recognised.
pub fn release<T>(
    rows: Vec<T>,
    k: usize,
    alike: impl Fn(&T) -> Vec<String>,
) -> Result<Release<T>, TooSmall> {
    if k < K_MIN {
        return Err(TooSmall);
    }
    let mut groups: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for row in &rows {
        *groups.entry(alike(row)).or_default() += 1;
    }
    let before = rows.len();
    let rows: Vec<T> = rows.into_iter().filter(|row| groups[&alike(row)] >= k).collect();
    let suppressed = before - rows.len();
    Ok(Release { rows, suppressed })
}

/// The smallest group of rows; what [`release`] gives out passes with `k` or more, or is empty.
pub fn smallest_group<T>(rows: &[T], alike: impl Fn(&T) -> Vec<String>) -> Option<usize> {
    let mut groups: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for row in rows {
        *groups.entry(alike(row)).or_default() += 1;
    }
    groups.into_values().min()
}

/// A count as it may be told: 0 if it is below `k`.
pub fn told(count: u64, k: u64) -> u64 {
    if count < k { 0 } else { count }
}
