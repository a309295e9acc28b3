//! What the two sides sign off the ledger, and how it is checked.
//!
//! A signed state binds everything that says where and for what it holds: network, channel (the id of its opening
//! transaction), funding, contract. A state of another channel, of another network or from before a top-up is worth
//! nothing. The final state of a cooperative close is signed under a domain of its own: an ordinary state, however
//! recent, never closes a channel at once.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use carecord_chaincode::{ContractError, json_object};

use super::{Channel, ChannelId, Mode, Side};
use crate::{
    error,
    ids::Commitment,
    keys::{decode, encode},
    token::{Amount, framed},
};

const UPDATE_DOMAIN: &[u8] = b"CarecordChan-v1";
const FINAL_DOMAIN: &[u8] = b"CarecordChanFinal-v1";
/// Which contract the states are for.
const CONTRACT: &[u8] = b"health:channels";

/// What precedes an uncompressed point in the SubjectPublicKeyInfo of a P-256 key.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P256_POINT_BYTES: usize = 65;
/// Half of the order of P-256, rounded down: the largest S that is accepted.
const P256_HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

json_object! {
    /// How the deposits are divided at one moment.
    pub struct State {
        /// Which funding of the channel: 0 on opening, one more with each top-up.
        pub funding: u64,
        /// One more with each state of a funding; 0 is the division that the ledger knows without signatures.
        pub seq: u64,
        /// What the payer gets.
        pub bal_payer: Amount,
        /// What the payee gets.
        pub bal_payee: Amount,
        /// Seconds metered so far.
        pub meter_seconds: u64,
        /// The salted commitment to an invoice, if this state pays one.
        pub invoice: Option<Commitment>,
    }
}

json_object! {
    /// A state with what makes it count: both signatures, or the payer's alone in a channel of mode `uni`.
    pub struct SignedState {
        /// What was signed.
        pub state: State,
        /// The payer's signature over [`update_statement`] or [`final_statement`], DER, base64.
        pub payer_signature: Option<String>,
        /// The payee's, likewise.
        pub payee_signature: Option<String>,
    }
}

/// What is signed for a state that a later one may replace: domain, network, channel, funding, contract, sequence,
/// balances, metered seconds and invoice, each preceded by its length as four big-endian bytes.
pub fn update_statement(network: &str, channel: &ChannelId, state: &State) -> Vec<u8> {
    statement(UPDATE_DOMAIN, network, channel, state)
}

/// What is signed for the state at which both sides close at once.
pub fn final_statement(network: &str, channel: &ChannelId, state: &State) -> Vec<u8> {
    statement(FINAL_DOMAIN, network, channel, state)
}

fn statement(domain: &[u8], network: &str, channel: &ChannelId, state: &State) -> Vec<u8> {
    framed(&[
        domain,
        network.as_bytes(),
        channel.as_str().as_bytes(),
        &state.funding.to_be_bytes(),
        CONTRACT,
        &state.seq.to_be_bytes(),
        &state.bal_payer.0.to_be_bytes(),
        &state.bal_payee.0.to_be_bytes(),
        &state.meter_seconds.to_be_bytes(),
        state.invoice.as_ref().map_or("", Commitment::as_str).as_bytes(),
    ])
}

/// Whose signatures a state needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signers {
    /// The payer's.
    Payer,
    /// Both.
    Both,
}

// === impl Signers ===

impl Signers {
    /// Whose an ordinary state of this mode needs.
    pub fn of_update(mode: Mode) -> Self {
        match mode {
            Mode::Uni => Self::Payer,
            Mode::Bi => Self::Both,
        }
    }
}

// === impl SignedState ===

impl SignedState {
    /// Whether the state was signed by whom it needs; `network` as [`crate::token::network_name`] writes it.
    pub fn verify(&self, network: &str, channel: &Channel) -> Result<(), ContractError> {
        let message = update_statement(network, &channel.id, &self.state);
        self.check(channel, &message, Signers::of_update(channel.mode))
    }

    /// Whether both signed the state as the base of a new funding.
    pub fn verify_both(&self, network: &str, channel: &Channel) -> Result<(), ContractError> {
        self.check(channel, &update_statement(network, &channel.id, &self.state), Signers::Both)
    }

    /// Whether both signed the state as the final one.
    pub fn verify_final(&self, network: &str, channel: &Channel) -> Result<(), ContractError> {
        self.check(channel, &final_statement(network, &channel.id, &self.state), Signers::Both)
    }

    fn check(
        &self,
        channel: &Channel,
        message: &[u8],
        signers: Signers,
    ) -> Result<(), ContractError> {
        check_side(channel, Side::Payer, message, self.payer_signature.as_deref())?;
        match (signers, &self.payee_signature) {
            (Signers::Payer, None) => Ok(()),
            // One that is not needed is checked, too: what stands in a block must be nothing but a signature.
            (_, signature) => check_side(channel, Side::Payee, message, signature.as_deref()),
        }
    }
}

fn check_side(
    channel: &Channel,
    side: Side,
    message: &[u8],
    signature: Option<&str>,
) -> Result<(), ContractError> {
    let (key, place) = match side {
        Side::Payer => (&channel.payer_key, "/state/payerSignature"),
        Side::Payee => (&channel.payee_key, "/state/payeeSignature"),
    };
    let refuse = |reason: &str| error::PROOF.because(reason).at(place);
    let signature = signature.ok_or_else(|| refuse("the signature is missing"))?;
    let signature = decode(signature).ok_or_else(|| refuse("the signature is not base64"))?;
    let key = decode(key).ok_or_else(|| refuse("the channel's key cannot be read"))?;
    if verify(&key, message, &signature) {
        Ok(())
    } else {
        Err(refuse("the signature does not fit"))
    }
}

/// Whether a P-256 signature with low S over a message holds; `key` as [`channel_key`] took it out.
fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    is_low_s(signature)
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(message, signature).is_ok()
}

/// The point of a P-256 certificate key, base64; none for keys of other kinds.
pub fn channel_key(spki: &[u8]) -> Option<String> {
    let point = spki.strip_prefix(&P256_SPKI)?;
    (point.len() == P256_POINT_BYTES && point[0] == 4).then(|| encode(point))
}

/// Whether this is DER of two positive integers, the second at most half of P-256's order.
///
/// With S any signature has a twin that holds too; one of them must be refused, or what was signed once exists twice.
pub fn is_low_s(signature: &[u8]) -> bool {
    let integer = |bytes: &[u8]| -> Option<(usize, [u8; 32])> {
        let (&length, rest) = bytes.strip_prefix(&[0x02])?.split_first()?;
        let number = rest.get(..usize::from(length))?;
        let (&first, tail) = number.split_first()?;
        let padded = first == 0 && tail.first().is_some_and(|b| *b >= 0x80);
        if first >= 0x80 || (first == 0 && !padded) {
            return None;
        }
        let digits = if padded { tail } else { number };
        let mut fixed = [0; 32];
        fixed.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
        Some((2 + usize::from(length), fixed))
    };
    let Some([length, body @ ..]) = signature.strip_prefix(&[0x30]) else { return false };
    let Some((r_bytes, _)) = integer(body) else { return false };
    let Some((s_bytes, s)) = integer(&body[r_bytes..]) else { return false };
    let whole = usize::from(*length) == body.len() && r_bytes + s_bytes == body.len();
    whole && s <= P256_HALF_ORDER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let number = |n: &[u8]| [&[0x02, u8::try_from(n.len()).unwrap()], n].concat();
        let body = [number(r), number(s)].concat();
        [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    }

    #[test]
    fn s_is_low_up_to_half_the_order_and_not_one_above() {
        let mut above = P256_HALF_ORDER;
        above[31] += 1;
        assert!(is_low_s(&der(&[1], &P256_HALF_ORDER)));
        assert!(!is_low_s(&der(&[1], &above)));
        assert!(is_low_s(&der(&[0, 0x80], &[1])));
    }

    #[test]
    fn only_the_one_encoding_of_a_signature_is_read() {
        let good = der(&[1], &[2]);
        assert!(is_low_s(&good));
        let long = [good.as_slice(), &[0]].concat();
        let bad: [&[u8]; 8] = [
            &[],
            &[0x30],
            &good[..good.len() - 1],
            &long,
            &der(&[0, 1], &[2]),
            &der(&[1], &[0, 2]),
            &der(&[0x80], &[2]),
            &der(&[1; 34], &[2]),
        ];
        for bytes in bad {
            assert!(!is_low_s(bytes), "{bytes:02x?}");
        }
    }

    #[test]
    fn every_field_of_a_state_changes_what_is_signed() {
        let id = ChannelId::new("1".repeat(64)).unwrap();
        let state = State {
            funding: 1,
            seq: 2,
            bal_payer: Amount(3),
            bal_payee: Amount(4),
            meter_seconds: 5,
            invoice: None,
        };
        let invoice = Commitment::new("2".repeat(64));
        let mut all = vec![
            update_statement("n", &id, &state),
            final_statement("n", &id, &state),
            update_statement("m", &id, &state),
            update_statement("n", &ChannelId::new("3".repeat(64)).unwrap(), &state),
        ];
        for changed in [
            State { funding: 2, ..state.clone() },
            State { seq: 1, ..state.clone() },
            State { bal_payer: Amount(4), ..state.clone() },
            State { bal_payee: Amount(3), ..state.clone() },
            State { meter_seconds: 6, ..state.clone() },
            State { invoice, ..state },
        ] {
            all.push(update_statement("n", &id, &changed));
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
