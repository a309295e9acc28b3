//! All terms in one automaton: every spelling is looked for in a single pass, capital or small.

use aho_corasick::AhoCorasick;

use super::terms::{Class, Terms};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Number of a term in a matcher.
pub(super) type TermId = u32;

/// Finds terms in bytes.
pub(super) struct Matcher {
    automaton: AhoCorasick,
    /// Which term a spelling belongs to.
    owners: Vec<TermId>,
    terms: Vec<(Class, String)>,
    longest: usize,
    counts: Vec<(Class, usize)>,
    too_short: usize,
}

// === impl Matcher ===

impl Matcher {
    pub(super) fn new(terms: &Terms) -> Outcome<Self> {
        let mut spellings = Vec::new();
        let mut owners = Vec::new();
        let mut known = Vec::new();
        for (term, shown) in terms.iter() {
            let id = known.len() as TermId;
            owners.extend(std::iter::repeat_n(id, term.spellings.len()));
            spellings.extend(term.spellings);
            known.push((term.class, shown.to_owned()));
        }
        let longest = spellings.iter().map(Vec::len).max().unwrap_or(0);
        let refused = |reason: String| Failure::new(Code::Argument, reason);
        if spellings.is_empty() {
            return Err(refused("there is nothing to look for".to_owned()));
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&spellings)
            .map_err(|error| refused(format!("too many terms: {error}")))?;
        let counts = terms.counts().into_iter().collect();
        let too_short = terms.too_short();
        Ok(Self { automaton, owners, terms: known, longest, counts, too_short })
    }

    /// Every term in `bytes`, with the offset of where it begins.
    pub(super) fn find<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (TermId, usize)> + 'a {
        self.automaton
            .find_overlapping_iter(bytes)
            .map(|found| (self.owners[found.pattern().as_usize()], found.start()))
    }

    pub(super) fn class(&self, term: TermId) -> Class {
        self.terms[term as usize].0
    }

    /// The term itself.
    pub(super) fn shown(&self, term: TermId) -> &str {
        &self.terms[term as usize].1
    }

    /// Bytes of the longest spelling.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Terms of each class.
    pub(super) fn counts(&self) -> &[(Class, usize)] {
        &self.counts
    }

    pub(super) fn too_short(&self) -> usize {
        self.too_short
    }

    /// `text` with every term in it painted over.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for found in self.automaton.find_overlapping_iter(text.as_bytes()) {
            bytes[found.range()].fill(b'*');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_terms_are_all_found_in_any_case() {
        let mut terms = Terms::new();
        terms.add_text(Class::Canary, "alpha bravo");
        terms.add_text(Class::Canary, "bravo charlie");
        let matcher = Matcher::new(&terms).unwrap();
        let found: Vec<_> = matcher.find(b"-ALPHA Bravo charlie-").collect();
        assert_eq!(found, [(0, 1), (1, 7)]);
        assert_eq!(matcher.redact("x/Alpha Bravo/y"), "x/***********/y");
    }

    #[test]
    fn a_scan_for_nothing_is_refused() {
        assert!(Matcher::new(&Terms::new()).is_err());
    }
}
