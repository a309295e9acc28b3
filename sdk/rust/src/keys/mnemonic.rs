//! Twelve words that stand for 128 random bits (BIP-39, English list).

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Error;

/// How many words a person writes down.
pub const WORDS: usize = 12;
const ENTROPY_BYTES: usize = 16;

/// A person's twelve words; wiped from memory when dropped, never printed by `Debug`.
#[derive(Clone)]
pub struct Words(Mnemonic);

/// What BIP-39 makes of words and passphrase, and all keys are derived from; wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 64]);

// === impl Words ===

impl Words {
    /// Fresh words from the operating system's randomness.
    pub fn random() -> Result<Self, Error> {
        let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
        getrandom::fill(entropy.as_mut()).map_err(|_| Error::NoRandomness)?;
        Ok(Self::from_entropy(&entropy))
    }

    /// The words of these 128 bits.
    pub fn from_entropy(entropy: &[u8; ENTROPY_BYTES]) -> Self {
        Self(Mnemonic::from_entropy(entropy).expect("BIP-39 has words for 128 bits"))
    }

    /// Reads twelve words; more blanks or capital letters than there should be do no harm.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let words: Vec<Zeroizing<String>> =
            text.split_whitespace().map(|word| Zeroizing::new(word.to_lowercase())).collect();
        if words.len() != WORDS {
            return Err(Error::Count(words.len()));
        }
        let mut joined = Zeroizing::new(String::with_capacity(text.len() * 2));
        for word in &words {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(word);
        }
        let parsed = Mnemonic::parse_in_normalized(Language::English, &joined);
        parsed.map(Self).map_err(|error| match error {
            bip39::Error::UnknownWord(at) => Error::UnknownWord(at + 1),
            _ => Error::Checksum,
        })
    }

    /// The words, to show them to their owner.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }

    /// The seed of these words. Another passphrase gives another seed, and none is wrong: whoever forgets theirs has lost
    /// their keys. Without one it is empty.
    pub fn seed(&self, passphrase: &str) -> Seed {
        Seed(self.0.to_seed(passphrase))
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(..)")
    }
}

// === impl Seed ===

impl Seed {
    /// A seed that was kept.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The seed's bytes, to keep them under their owner's protection.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn words_come_back_from_what_a_person_types() {
        let words = Words::random().unwrap();
        let typed = words.to_text().to_uppercase().replace(' ', " \n ");
        assert_eq!(Words::parse(&typed).unwrap().to_text(), words.to_text());
        assert_eq!(words.to_text().split(' ').count(), WORDS);
        assert_ne!(Words::random().unwrap().to_text(), words.to_text());
    }

    #[test]
    fn what_is_wrong_with_words_is_said_without_the_words() {
        assert_eq!(Words::parse("abandon").unwrap_err(), Error::Count(1));
        assert_eq!(Words::parse(&format!("{ABOUT} about")).unwrap_err(), Error::Count(13));
        let misspelt = ABOUT.replacen("abandon", "abandn", 1);
        assert_eq!(Words::parse(&misspelt).unwrap_err(), Error::UnknownWord(1));
        let swapped = ABOUT.replace("about", "abandon");
        assert_eq!(Words::parse(&swapped).unwrap_err(), Error::Checksum);
        assert_eq!(format!("{:?}", Words::parse(ABOUT).unwrap()), "Words(..)");
    }
}
