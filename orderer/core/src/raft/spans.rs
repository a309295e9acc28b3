//! Which term each index of the log belongs to, in a few words of memory for millions of entries.

/// Terms only rise along the log, so each is one span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TermSpans {
    /// The point before the first entry: (index, term).
    base: (u64, u64),
    /// (first index, term) of each span, rising in both.
    spans: Vec<(u64, u64)>,
    last: u64,
}

impl TermSpans {
    /// An empty log that begins after this point.
    pub(crate) fn after(index: u64, term: u64) -> Self {
        Self { base: (index, term), spans: Vec::new(), last: index }
    }

    pub(crate) fn first_index(&self) -> u64 {
        self.base.0 + 1
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.last
    }

    /// The term at `index`, from the point before the first entry to the last one.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        if index < self.base.0 || index > self.last {
            return None;
        }
        let after = self.spans.partition_point(|(first, _)| *first <= index);
        after.checked_sub(1).map(|at| self.spans[at].1)
    }

    /// Appends the next entry.
    pub(crate) fn push(&mut self, index: u64, term: u64) {
        debug_assert_eq!(index, self.last + 1, "entries are appended one after another");
        if self.spans.last().is_none_or(|(_, last)| *last != term) {
            self.spans.push((index, term));
        }
        self.last = index;
    }

    /// Drops the entries from `from` on.
    pub(crate) fn truncate(&mut self, from: u64) {
        let from = from.max(self.first_index());
        while self.spans.last().is_some_and(|(first, _)| *first >= from) {
            self.spans.pop();
        }
        self.last = self.last.min(from - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_of_a_log_survive_truncation_and_a_new_start() {
        let mut spans = TermSpans::after(4, 2);
        for (index, term) in [(5, 2), (6, 3), (7, 3), (8, 5)] {
            spans.push(index, term);
        }
        let terms = |s: &TermSpans| (3..10).map(|i| s.term(i)).collect::<Vec<_>>();
        assert_eq!(terms(&spans), [None, Some(2), Some(2), Some(3), Some(3), Some(5), None]);
        spans.truncate(7);
        assert_eq!(spans.last_index(), 6);
        spans.push(7, 6);
        assert_eq!(terms(&spans), [None, Some(2), Some(2), Some(3), Some(6), None, None]);
        spans.truncate(1);
        assert_eq!((spans.first_index(), spans.last_index(), spans.term(4)), (5, 4, Some(2)));
    }
}
