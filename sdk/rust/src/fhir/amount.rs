//! Amounts of money in minor units, out of decimal text.

/// Decimals of the currencies that are read here.
const DECIMALS: i32 = 2;
/// Most digits that are looked at; more are no amount of money.
const DIGITS_MAX: usize = 36;

/// The minor units of a JSON number's text, rounded half to even; none if it is negative or no number.
pub fn minor_units(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let plain = !whole.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain || digits.len() > DIGITS_MAX || exponent.unsigned_abs() as usize > DIGITS_MAX {
        return None;
    }
    let value: u128 = digits.parse().ok()?;
    let scale = DECIMALS + exponent - i32::try_from(fraction.len()).ok()?;
    let power = 10u128.checked_pow(scale.unsigned_abs())?;
    let units = if scale >= 0 { value.checked_mul(power)? } else { half_even(value, power) };
    u64::try_from(units).ok()
}

fn half_even(value: u128, divisor: u128) -> u128 {
    let (whole, rest) = (value / divisor, value % divisor);
    // The rest is less than the divisor, which is at most 10^38: twice it fits.
    let up = rest * 2 > divisor || (rest * 2 == divisor && whole % 2 == 1);
    whole + u128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_minor_units_without_floating_point() {
        for (text, expected) in [
            ("140.52", Some(14_052)),
            ("112.41600000000001", Some(11_242)),
            ("28.104000000000003", Some(2_810)),
            ("0.005", Some(0)),
            ("0.015", Some(2)),
            ("0.0050000000000000001", Some(1)),
            ("125", Some(12_500)),
            ("1.4052e2", Some(14_052)),
            ("1E-3", Some(0)),
            ("0", Some(0)),
            ("-1", None),
            ("NaN", None),
            (".5", None),
            ("1e99", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(minor_units(text), expected, "{text}");
        }
    }
}
