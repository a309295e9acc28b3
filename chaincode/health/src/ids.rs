//! The words of fixed form that stand on the ledger: random ids, commitments, key hashes, content ids.
//!
//! Each is checked when it is parsed, so no function ever sees, and no block ever holds, free text in their place.

use cid::Cid;

/// Multihash code of SHA-256.
const SHA2_256: u64 = 0x12;
/// Multicodec of raw bytes: a whole ciphertext.
const RAW: u64 = 0x55;
/// Multicodec of DAG-PB: a ciphertext in UnixFS chunks.
const DAG_PB: u64 = 0x70;

fn is_lower_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Declares a text of fixed form; contracts with words of their own use it too.
macro_rules! word {
    ($(#[$outer:meta])* $name:ident, $pattern:literal, $what:literal, $check:expr) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it has the form.
            pub fn new(text: impl Into<String>) -> Option<Self> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                check(&text).then_some(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::new(text).ok_or_else(|| serde::de::Error::custom(concat!("expected ", $what)))
            }
        }

        impl carecord_chaincode::Schema for $name {
            fn schema() -> carecord_chaincode::serde_json::Value {
                carecord_chaincode::serde_json::json!({"type": "string", "pattern": $pattern, "description": $what})
            }
        }

        impl carecord_chaincode::Argument for $name {
            fn parse(raw: &[u8], name: &str) -> Result<Self, carecord_chaincode::ContractError> {
                let text = <String as carecord_chaincode::Argument>::parse(raw, name)?;
                let quoted = serde_json::to_vec(&text).expect("text is always JSON");
                carecord_chaincode::parse_json(&quoted, name)
            }
        }
    };
}

pub(crate) use word;

word! {
    /// 128 random bits, chosen by the client: the name of a subject, record, grant or data key.
    Id, "^[0-9a-f]{32}$", "128 random bits as 32 lower-case hex digits", |t| is_lower_hex(t, 32)
}
word! {
    /// The name of an encryption key: see [`crate::keys::kid`].
    Kid, "^[0-9a-f]{32}$", "a key id as 32 lower-case hex digits", |t| is_lower_hex(t, 32)
}
word! {
    /// A salted commitment: HMAC or hash over a secret 128-bit salt and the hidden value.
    Commitment, "^[0-9a-f]{64}$", "a salted commitment as 64 lower-case hex digits",
    |t| is_lower_hex(t, 64)
}
word! {
    /// SHA-256 of a SubjectPublicKeyInfo: see [`carecord_chaincode::Caller::key_hash`].
    KeyHash, "^[0-9a-f]{64}$", "SHA-256 of a public key as 64 lower-case hex digits",
    |t| is_lower_hex(t, 64)
}
word! {
    /// The content id of a ciphertext: CIDv1, sha2-256, raw or UnixFS.
    ContentId, "^b[a-z2-7]{58}$", "a CIDv1 in base32 with sha2-256", |text| {
        Cid::try_from(text).is_ok_and(|cid| {
            cid.version() == cid::Version::V1
                && (cid.codec() == RAW || cid.codec() == DAG_PB)
                && cid.hash().code() == SHA2_256
                && cid.hash().size() == 32
                && cid.to_string() == text
        })
    }
}
word! {
    /// The MSP id of an organisation.
    MspId, "^[A-Za-z0-9._-]{1,64}$", "an MSP id", |t| {
        (1..=64).contains(&t.len())
            && t.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_exactly_32_lower_case_hex_digits() {
        assert!(Id::new("0123456789abcdef0123456789abcdef").is_some());
        for bad in
            ["", "0123", "0123456789ABCDEF0123456789abcdef", "john doe, born 1970-01-01, m/f"]
        {
            assert!(Id::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_content_id_is_a_cid_of_a_sha256_and_nothing_else() {
        let good = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        assert!(ContentId::new(good).is_some());
        for bad in
            ["bafkrei", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", &good.to_uppercase()]
        {
            assert!(ContentId::new(bad).is_none(), "{bad}");
        }
    }
}
