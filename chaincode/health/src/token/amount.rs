//! Amounts of money: whole minor units, written as decimal text because JSON numbers end at 64 bits in most clients.

use std::fmt;

use carecord_chaincode::{Argument, ContractError, Schema, parse_json};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};

/// Most digits of an amount: those of 2^128 - 1.
const DIGITS_MAX: usize = 39;

/// An amount in minor units of some currency; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u128);

// === impl Amount ===

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads the one spelling of an amount: digits without sign, space or leading zero.
    pub fn parse_text(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let plain = text == "0" || !text.starts_with('0');
        if !digits || !plain || text.len() > DIGITS_MAX {
            return None;
        }
        text.parse().ok().map(Self)
    }

    /// The sum, if it fits.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if it is not negative.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// This many times a number, if it fits.
    pub fn times(self, number: u64) -> Option<Self> {
        self.0.checked_mul(u128::from(number)).map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_text(&text)
            .ok_or_else(|| D::Error::custom("expected an amount as decimal digits in text"))
    }
}

impl Schema for Amount {
    fn schema() -> Value {
        json!({"type": "string", "pattern": "^(0|[1-9][0-9]{0,38})$",
               "description": "minor units, below 2^128"})
    }
}

impl Argument for Amount {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        let text = String::parse(raw, name)?;
        let quoted = serde_json::to_vec(&text).expect("text is always JSON");
        parse_json(&quoted, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_one_spelling_and_ends_at_128_bits() {
        let largest = "340282366920938463463374607431768211455";
        assert_eq!(Amount::parse_text(largest), Some(Amount(u128::MAX)));
        assert_eq!(Amount::parse_text("0"), Some(Amount::ZERO));
        let above = "340282366920938463463374607431768211456";
        for bad in ["", "-1", "+1", "01", "00", " 1", "1.0", "1e3", "0x1", above, "١"] {
            assert_eq!(Amount::parse_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_amount_is_text_in_json_and_never_a_number() {
        let json = serde_json::to_string(&Amount(u128::MAX)).unwrap();
        assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), Amount(u128::MAX));
        for bad in ["1", "1.5", "-1", "null", "[\"1\"]"] {
            assert!(serde_json::from_str::<Amount>(bad).is_err(), "{bad}");
        }
    }
}
