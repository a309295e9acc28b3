//! Numbers beyond 64 bits, as hexadecimal text: the prices and totals of a matching.

use carecord_chaincode::{Schema, serde_json};

/// A number of up to 120 bits, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i128);

/// Most digits of a price.
const DIGITS_MAX: usize = 30;

impl Price {
    /// Takes a number if it is not negative and has at most 120 bits.
    pub fn new(number: i128) -> Option<Self> {
        (0..1 << 120).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> i128 {
        self.0
    }
}

impl Schema for Price {
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string", "pattern": "^(0|[1-9a-f][0-9a-f]{0,29})$"})
    }
}

impl serde::Serialize for Price {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Price {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let plain = text == "0" || !text.starts_with('0');
        (digits && plain && (1..=DIGITS_MAX).contains(&text.len()))
            .then(|| i128::from_str_radix(&text, 16).ok().map(Self))
            .flatten()
            .ok_or_else(|| serde::de::Error::custom("expected up to 30 lower-case hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_written_in_one_way_only() {
        for number in [0, 1, 255, (1 << 120) - 1] {
            let price = Price::new(number).unwrap();
            let text = serde_json::to_string(&price).unwrap();
            assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
        }
        assert_eq!((Price::new(-1), Price::new(1 << 120)), (None, None));
        for bad in [
            "\"\"",
            "\"-1\"",
            "\"01\"",
            "\"+1\"",
            "\"F\"",
            "5",
            "\"1000000000000000000000000000000\"",
        ] {
            assert!(serde_json::from_str::<Price>(bad).is_err(), "{bad}");
        }
    }
}
