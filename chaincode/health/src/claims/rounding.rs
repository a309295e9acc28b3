//! Shares of whole amounts, rounded to whole minor units, so that nothing is made or lost.
//!
//! A share in basis points is rounded half to even. Whoever gets the rest gets it as a difference, never as a second
//! rounding: a share and its rest always add up to the whole.

/// Basis points of the whole.
pub const BASIS: u32 = 10_000;

/// `amount * bps / 10000`, rounded half to even; `bps` is at most [`BASIS`], so the share never exceeds the amount.
pub fn share(amount: u64, bps: u32) -> u64 {
    let product = u128::from(amount) * u128::from(bps.min(BASIS));
    let basis = u128::from(BASIS);
    let (whole, rest) = (product / basis, product % basis);
    let up = rest * 2 > basis || (rest * 2 == basis && whole % 2 == 1);
    u64::try_from(whole + u128::from(up)).unwrap_or(amount)
}

/// `total` in `count` parts that differ by one minor unit at most; the larger ones come first. None if `count` is 0.
pub fn split(total: u64, count: u32) -> Option<Vec<u64>> {
    let (base, larger) = (total.checked_div(u64::from(count))?, total % u64::from(count));
    Some((0..u64::from(count)).map(|i| base + u64::from(i < larger)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_goes_to_the_even_neighbour() {
        for (amount, bps, expected) in [
            (5, 1_000, 0),
            (15, 1_000, 2),
            (25, 1_000, 2),
            (35, 1_000, 4),
            (14_052, 2_000, 2_810),
            (14_052, 8_000, 11_242),
            (1, 4_999, 0),
            (1, 5_001, 1),
            (3, 5_000, 2),
            (0, 10_000, 0),
            (u64::MAX, 10_000, u64::MAX),
            (u64::MAX, 0, 0),
        ] {
            assert_eq!(share(amount, bps), expected, "{amount} at {bps}");
        }
    }

    #[test]
    fn parts_add_up_and_differ_by_one_at_most() {
        assert_eq!(split(100, 3), Some(vec![34, 33, 33]));
        assert_eq!(split(2, 4), Some(vec![1, 1, 0, 0]));
        assert_eq!(split(7, 1), Some(vec![7]));
        assert_eq!(split(7, 0), None);
    }
}
