//! What is derived from a patient's secret for one study: a pseudonym, and by how many days dates are moved.
//!
//! Both differ from study to study, so two studies cannot put what they have of a patient together.

use aws_lc_rs::hmac;
use carecord_health::ids::Id;
use zeroize::{Zeroize, ZeroizeOnDrop};

const PSEUDONYM: &[u8] = b"carecord-study-pseudonym-v1";
const SHIFT: &[u8] = b"carecord-study-date-shift-v1";
/// Dates are moved back by 1 to so many days.
pub const SHIFT_DAYS_MAX: i64 = 365;

/// A patient's secret for de-identification: 32 random bytes that never leave the client.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

// === impl Secret ===

impl Secret {
    /// Takes the bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Under which name the study knows the patient.
    pub fn pseudonym(&self, study: &Id) -> Id {
        let tag = self.derive(PSEUDONYM, study);
        Id::new(hex::encode(&tag.as_ref()[..16])).expect("16 bytes are 32 hex digits")
    }

    /// By how many days the patient's dates are moved back for the study.
    pub fn shift_days(&self, study: &Id) -> i64 {
        let tag = self.derive(SHIFT, study);
        // Eight bytes for 365 values: no value is noticeably more likely than another.
        let number = tag.as_ref()[..8].iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        1 + i64::try_from(number % SHIFT_DAYS_MAX.unsigned_abs()).unwrap_or(0)
    }

    fn derive(&self, label: &[u8], study: &Id) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(label);
        context.update(&[0]);
        context.update(study.as_str().as_bytes());
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn study(n: u32) -> Id {
        Id::new(format!("{n:032x}")).unwrap()
    }

    #[test]
    fn studies_and_patients_have_nothing_in_common() {
        let names: BTreeSet<Id> = (0..10u8)
            .flat_map(|patient| (0..10).map(move |n| (patient, n)))
            .map(|(patient, n)| Secret::new([patient; 32]).pseudonym(&study(n)))
            .collect();
        assert_eq!(names.len(), 100);
    }

    #[test]
    fn every_shift_moves_and_all_shifts_occur() {
        let shifts: BTreeSet<i64> =
            (0..10_000).map(|n| Secret::new([7; 32]).shift_days(&study(n))).collect();
        assert_eq!(shifts.len(), 365);
        assert_eq!((shifts.first(), shifts.last()), (Some(&1), Some(&365)));
    }
}
