//! The published vectors of BIP-39, as far as they have twelve words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use carecord_proto::testdata;
use carecord_sdk::keys::{WORDS, Words};
use serde_json::Value;

/// With which all vectors were made.
const PASSPHRASE: &str = "TREZOR";
const VECTORS: usize = 8;

#[test]
fn words_and_seeds_are_those_of_the_published_vectors() {
    let Some(file) = testdata::path("bip39/vectors.json") else {
        return testdata::skipped("mnemonics against the vectors of BIP-39");
    };
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let text = |vector: &Value, at: usize| vector[at].as_str().unwrap().to_owned();
    let mut compared = 0;
    let mut of_other_lengths = 0;
    for vector in vectors["english"].as_array().unwrap() {
        let (entropy, words, seed) = (text(vector, 0), text(vector, 1), text(vector, 2));
        if words.split(' ').count() != WORDS {
            assert!(Words::parse(&words).is_err(), "{words}");
            of_other_lengths += 1;
            continue;
        }
        let entropy: [u8; 16] = hex::decode(entropy).unwrap().try_into().unwrap();
        assert_eq!(Words::from_entropy(&entropy).to_text().as_str(), words);
        let parsed = Words::parse(&words).unwrap();
        assert_eq!(hex::encode(parsed.seed(PASSPHRASE).as_bytes()), seed, "{words}");
        compared += 1;
    }
    assert_eq!(compared, VECTORS);
    println!("{compared} mnemonics as published, {of_other_lengths} of other lengths refused");
}
