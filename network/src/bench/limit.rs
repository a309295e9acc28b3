//! What the machine allows: a model of the CPU time that a transaction must cost, scaled by a measurement.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};

/// Transactions per second that the model allows on the reference machine.
const REFERENCE_RATE: f64 = 2_906.0;
/// Microseconds of a verification on the reference machine.
const REFERENCE_VERIFY_US: f64 = 51.0;
const REFERENCE_CORES: f64 = 2.0;
/// Different keys, as many as keep a processor's branch prediction from learning them.
const KEYS: usize = 512;
/// The best round counts: others were disturbed.
const ROUNDS: usize = 5;
const MESSAGE: &[u8] = b"one transaction's worth of bytes to be signed";

/// The rate that a machine with `cores` cores and this verification time allows.
pub(super) fn transactions_per_second(verify_us: f64, cores: usize) -> f64 {
    REFERENCE_RATE * (REFERENCE_VERIFY_US / verify_us) * (cores as f64 / REFERENCE_CORES)
}

/// Microseconds of one P-256 verification, over 512 different keys.
pub fn verify_us() -> f64 {
    let signed: Vec<_> = (0..KEYS).filter_map(|_| sign_with_new_key()).collect();
    // CPU time, not the clock: other work on the machine must not make the limit look lower.
    let cpu_us = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let round = || {
        let begun = cpu_us();
        for (key, signature) in &signed {
            assert!(key.verify_sig(MESSAGE, signature).is_ok(), "a signature just made verifies");
        }
        (cpu_us() - begun) / signed.len() as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn sign_with_new_key() -> Option<(ParsedPublicKey, Vec<u8>)> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok()?;
    let signature = pair.sign(&random, MESSAGE).ok()?.as_ref().to_vec();
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref()).ok()?;
    Some((key, signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_on_the_reference_machine_is_the_models() {
        assert_eq!(transactions_per_second(51.0, 2).round(), 2_906.0);
        assert_eq!(transactions_per_second(25.5, 4).round(), 11_624.0);
    }
}
