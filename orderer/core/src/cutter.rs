//! Envelopes become batches: by count, by bytes, by time, a configuration alone.
//!
//! Place in the flow: a leader's admitted envelopes wait here; [`Cutter::take`] gives the next batch when the pipeline
//! has room. The rules are Fabric's:
//!
//! | envelope | what is cut |
//! |---|---|
//! | a configuration | what waits, then it alone |
//! | larger than the preferred size | what waits, then it alone |
//! | would lift what waits above the preferred size | what waits; it begins the next batch |
//! | reaches the message count | what waits with it |
//! | otherwise | nothing, until time or an idle pipeline |

use std::collections::VecDeque;

use crate::config::BatchSize;
use crate::event::{Millis, Submission};

/// Envelopes for one block.
#[derive(Debug)]
pub(crate) struct Batch {
    pub submissions: Vec<Submission>,
    pub is_config: bool,
}

/// The envelopes that wait at a leader.
#[derive(Debug)]
pub(crate) struct Cutter {
    size: BatchSize,
    /// Full batches, oldest first.
    full: VecDeque<Batch>,
    /// The batch that still grows.
    growing: Vec<Submission>,
    growing_bytes: usize,
    /// When the growing batch got its first envelope.
    since: Millis,
    /// When it got its last.
    latest: Millis,
    waiting: usize,
    waiting_bytes: usize,
}

impl Cutter {
    pub(crate) fn new(size: BatchSize) -> Self {
        Self {
            size,
            full: VecDeque::new(),
            growing: Vec::new(),
            growing_bytes: 0,
            since: Millis::default(),
            latest: Millis::default(),
            waiting: 0,
            waiting_bytes: 0,
        }
    }

    /// How many envelopes and bytes wait.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.waiting, self.waiting_bytes)
    }

    /// Takes an envelope at the end of the line.
    pub(crate) fn push(&mut self, now: Millis, submission: Submission) {
        let size = submission.admitted.size;
        let preferred = self.size.preferred_max_bytes as usize;
        self.waiting += 1;
        self.waiting_bytes += size;
        let is_config = submission.admitted.is_config();
        if is_config || size > preferred {
            self.close();
            self.full.push_back(Batch { submissions: vec![submission], is_config });
            return;
        }
        if self.growing_bytes + size > preferred {
            self.close();
        }
        if self.growing.is_empty() {
            self.since = now;
        }
        self.latest = now;
        self.growing_bytes += size;
        self.growing.push(submission);
        if self.growing.len() >= self.size.max_message_count as usize {
            self.close();
        }
    }

    /// The oldest full batch.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let batch = self.full.pop_front()?;
        self.waiting -= batch.submissions.len();
        self.waiting_bytes -= batch.submissions.iter().map(|s| s.admitted.size).sum::<usize>();
        Some(batch)
    }

    /// Cuts what waits, full or not.
    pub(crate) fn take_early(&mut self) -> Option<Batch> {
        if self.full.is_empty() {
            self.close();
        }
        self.take()
    }

    /// Since when the growing batch grows, if there is one.
    pub(crate) fn growing_since(&self) -> Option<Millis> {
        (!self.growing.is_empty()).then_some(self.since)
    }

    /// When the last envelope came to the growing batch.
    pub(crate) fn latest(&self) -> Millis {
        self.latest
    }

    /// Gives up everything that waits, in order.
    pub(crate) fn drain(&mut self) -> Vec<Submission> {
        self.close();
        self.waiting = 0;
        self.waiting_bytes = 0;
        self.full.drain(..).flat_map(|batch| batch.submissions).collect()
    }

    /// Later batches follow other sizes; what waits is cut anew by the caller, who drains and pushes.
    pub(crate) fn resize(&mut self, size: BatchSize) {
        self.size = size;
    }

    fn close(&mut self) {
        if self.growing.is_empty() {
            return;
        }
        let submissions = std::mem::take(&mut self.growing);
        self.growing_bytes = 0;
        self.full.push_back(Batch { submissions, is_config: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Admitted, Class};
    use crate::event::RequestId;
    use crate::testing;

    fn submission(id: u64, size: usize, class: Class) -> Submission {
        let envelope = bytes::Bytes::from(vec![0; size]);
        let admitted = Admitted { envelope, size, config_seq: 0, class };
        Submission { id: RequestId(id), admitted, forwarded: false, answered: false }
    }

    /// `sizes` are pushed with the ids 1, 2, …; `c` marks a configuration. Gives the ids of the full batches.
    fn cut(sizes: &[(usize, bool)]) -> Vec<Vec<u64>> {
        let size =
            BatchSize { max_message_count: 3, absolute_max_bytes: 1000, preferred_max_bytes: 100 };
        let mut cutter = Cutter::new(size);
        for (id, (size, config)) in (1..).zip(sizes) {
            let class = if *config { testing::config() } else { Class::Normal };
            cutter.push(Millis(0), submission(id, *size, class));
        }
        let mut batches = Vec::new();
        while let Some(batch) = cutter.take() {
            batches.push(batch.submissions.iter().map(|s| s.id.0).collect());
        }
        batches
    }

    #[test]
    fn batches_follow_the_table() {
        let n = |size| (size, false);
        assert_eq!(cut(&[n(10), n(10)]), Vec::<Vec<u64>>::new());
        assert_eq!(cut(&[n(10), n(10), n(10), n(10)]), [vec![1, 2, 3]]);
        assert_eq!(cut(&[n(60), n(60)]), [vec![1]]);
        assert_eq!(cut(&[n(50), n(50), n(1)]), [vec![1, 2]]);
        assert_eq!(cut(&[n(10), n(101), n(10)]), [vec![1], vec![2]]);
        assert_eq!(cut(&[n(10), (10, true), n(10)]), [vec![1], vec![2]]);
    }

    #[test]
    fn what_waits_is_counted_until_it_is_taken_or_drained() {
        let size =
            BatchSize { max_message_count: 2, absolute_max_bytes: 1000, preferred_max_bytes: 100 };
        let mut cutter = Cutter::new(size);
        for id in 1..=3 {
            cutter.push(Millis(id), submission(id, 10, Class::Normal));
        }
        assert_eq!(cutter.waiting(), (3, 30));
        assert_eq!(cutter.growing_since(), Some(Millis(3)));
        assert_eq!(cutter.take().map(|batch| batch.submissions.len()), Some(2));
        assert_eq!(cutter.waiting(), (1, 10));
        assert_eq!(cutter.drain().len(), 1);
        assert_eq!(cutter.waiting(), (0, 0));
        assert!(cutter.take_early().is_none());
    }
}
