//! Lists: a page of index keys at a time, so that no answer grows without bound.

use carecord_chaincode::{
    Context, ContractError, Schema, codes,
    key::{composite_bounds, split},
};
use serde_json::{Value, json};

/// Most entries of one page.
pub const PAGE_MAX: u32 = 100;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What to pass as `after` for the next page; empty when there is none.
    pub next: String,
}

impl<T: Schema> Schema for Page<T> {
    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "items": {"type": "array", "items": T::schema()},
            "next": {"type": "string"},
        }})
    }
}

/// Checks a page's size.
pub(crate) fn limit(limit: u32) -> Result<usize, ContractError> {
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit as usize);
    }
    let reason = format!("a page has 1 to {PAGE_MAX} entries");
    Err(codes::VALUE.because(reason).at("/limit"))
}

/// The remaining attributes of up to `limit` index keys under a prefix that come after a bookmark.
///
/// A bookmark is the remaining attributes of a key, joined by `~`.
pub(crate) fn index(
    context: &mut Context<'_>,
    object_type: &str,
    prefix: &[&str],
    after: &str,
    limit: usize,
) -> Result<Page<Vec<String>>, ContractError> {
    let (mut start, end) = composite_bounds(object_type, prefix)?;
    if !after.is_empty() {
        check_bookmark(after)?;
        for attribute in after.split('~') {
            start.push_str(attribute);
            start.push('\0');
        }
        start.push('\u{1}');
    }
    let entries = context.stub().range(&start, &end, limit)?;
    let mut items: Vec<Vec<String>> = Vec::with_capacity(entries.len());
    for entry in &entries {
        let (_, attributes) = split(&entry.key)?;
        items.push(attributes[prefix.len()..].iter().map(|a| (*a).to_owned()).collect());
    }
    let next = match items.last() {
        Some(last) if items.len() == limit => last.join("~"),
        _ => String::new(),
    };
    Ok(Page { items, next })
}

fn check_bookmark(after: &str) -> Result<(), ContractError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"~.-_:@".contains(&b);
    if after.len() <= 512 && after.bytes().all(good) {
        return Ok(());
    }
    Err(codes::VALUE.because("not a bookmark that a page gave").at("/after"))
}
