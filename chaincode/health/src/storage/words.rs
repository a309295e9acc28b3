//! The words of storage.

use crate::{ids::word, vocabulary::vocabulary};

word! {
    /// A region of data centres, such as `eu-west`.
    Region, "^[a-z]{2}-[a-z]{1,8}[0-9]?$", "a region: two letters, a dash, up to eight letters, a digit",
    |t| {
        let Some((continent, place)) = t.split_once('-') else { return false };
        let letters = place.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(place);
        let lower = |t: &str| t.bytes().all(|b| b.is_ascii_lowercase());
        continent.len() == 2 && lower(continent) && (1..=8).contains(&letters.len()) && lower(letters)
    }
}

word! {
    /// A jurisdiction: a country, ISO 3166-1 alpha-2, in lower case.
    Country, "^[a-z]{2}$", "a country as two lower-case letters",
    |t| t.len() == 2 && t.bytes().all(|b| b.is_ascii_lowercase())
}

vocabulary! {
    /// Whether a provider takes objects.
    ProviderStatus {
        /// Takes objects.
        Open = "open",
        /// Wants to stop: keeps what it has until others took it over.
        Leaving = "leaving",
    }
}

vocabulary! {
    /// How far a replica has come.
    ReplicaStatus {
        /// The provider was chosen and has not answered.
        Assigned = "assigned",
        /// The provider has checked the bytes and keeps them.
        Kept = "kept",
    }
}

vocabulary! {
    /// How far a challenge has come.
    ChallengeStatus {
        /// Waits for somebody of a third organisation.
        Open = "open",
        /// Waits for the challenger to show what they committed to.
        Drawn = "drawn",
        /// Waits for the provider's block.
        Asked = "asked",
        /// The provider showed the block.
        Passed = "passed",
        /// The provider did not.
        Failed = "failed",
        /// Somebody else did not do their part: it says nothing about the provider.
        Void = "void",
    }
}
