//! Shamir's secret sharing over GF(256), byte by byte: any `needed` of the shares give the secret, fewer tell nothing of it.
//!
//! The field is AES's (x⁸ + x⁴ + x³ + x + 1). Multiplication takes the same steps for all values, so neither time nor memory
//! access tells of the secret. Own code because it is 60 lines and the crates for it are unkept or bring curves along.

use zeroize::Zeroizing;

use super::Error;

/// The most shares that a secret can have: one for each element of the field but 0, which is the secret's place.
pub const SHARES_MAX: u8 = 255;

/// One share; worth nothing alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    /// Its number, from 1.
    pub number: u8,
    /// As long as the secret.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({}, ..)", self.number)
    }
}

/// Splits a secret into `count` shares of which `needed` give it back.
pub fn split(secret: &[u8], needed: u8, count: u8) -> Result<Vec<Share>, Error> {
    if needed < 2 || count < needed {
        return Err(Error::Split);
    }
    let degree = usize::from(needed) - 1;
    let mut random = Zeroizing::new(vec![0; secret.len() * degree]);
    getrandom::fill(&mut random).map_err(|_| Error::NoRandomness)?;
    let share = |number: u8| {
        let value = |(at, byte): (usize, &u8)| {
            // Horner's scheme from the highest coefficient down to the secret's byte.
            let coefficients = &random[at * degree..(at + 1) * degree];
            coefficients.iter().fold(0, |sum, c| multiply(sum ^ c, number)) ^ byte
        };
        let bytes = Zeroizing::new(secret.iter().enumerate().map(value).collect());
        Share { number, bytes }
    };
    Ok((1..=count).map(share).collect())
}

/// The secret of these shares: at least `needed` of them. Wrong shares give another secret; what it opens tells.
pub fn join(shares: &[Share], needed: u8) -> Result<Zeroizing<Vec<u8>>, Error> {
    let length = shares.first().map_or(0, |share| share.bytes.len());
    let one_twice = |(at, share): (usize, &Share)| {
        shares[..at].iter().any(|other| other.number == share.number)
    };
    let unusable = |share: &Share| share.number == 0 || share.bytes.len() != length;
    if needed < 2
        || shares.len() < usize::from(needed)
        || shares.iter().any(unusable)
        || shares.iter().enumerate().any(one_twice)
    {
        return Err(Error::Shares);
    }
    let shares = &shares[..usize::from(needed)];
    let weights: Vec<u8> = shares.iter().map(|share| weight(share.number, shares)).collect();
    let byte = |at: usize| {
        let terms = shares.iter().zip(&weights).map(|(s, weight)| multiply(s.bytes[at], *weight));
        terms.fold(0, |sum, term| sum ^ term)
    };
    Ok(Zeroizing::new((0..length).map(byte).collect()))
}

/// Lagrange's basis polynomial of a share at 0.
fn weight(number: u8, shares: &[Share]) -> u8 {
    let others = shares.iter().map(|share| share.number).filter(|other| *other != number);
    others.fold(1, |product, other| multiply(product, multiply(other, inverse(other ^ number))))
}

/// The product in the field.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & (b & 1).wrapping_neg();
        let carry = (a >> 7).wrapping_neg();
        a = (a << 1) ^ (0x1b & carry);
        b >>= 1;
    }
    product
}

/// What times `a` is 1: the 254th power; 0 for 0.
fn inverse(a: u8) -> u8 {
    let mut power = a;
    for _ in 0..6 {
        power = multiply(multiply(power, power), a);
    }
    multiply(power, power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_field_is_that_of_aes() {
        // FIPS 197, section 4.2: {57} by {83} is {c1}, {57} by {13} is {fe}.
        assert_eq!((multiply(0x57, 0x83), multiply(0x57, 0x13)), (0xc1, 0xfe));
        for a in 1..=255 {
            assert_eq!(multiply(a, inverse(a)), 1, "{a}");
            assert_eq!(multiply(a, 1), a);
        }
        assert_eq!(inverse(0), 0);
    }

    #[test]
    fn known_shares_give_the_known_secret() {
        // f(x) = 0x42 + 0x0b x: f(1) = 0x49, f(2) = 0x54, f(3) = 0x5f.
        let share = |number, byte| Share { number, bytes: Zeroizing::new(vec![byte]) };
        let shares = [share(1, 0x49), share(2, 0x54), share(3, 0x5f)];
        for pair in [[0, 1], [1, 2], [2, 0]] {
            let two = pair.map(|at| shares[at].clone());
            assert_eq!(join(&two, 2).unwrap().as_slice(), [0x42]);
        }
    }

    #[test]
    fn too_few_shares_or_one_twice_are_refused() {
        let shares = split(b"secret", 2, 3).unwrap();
        let twice = [shares[0].clone(), shares[0].clone()];
        let zero = [shares[0].clone(), Share { number: 0, ..shares[1].clone() }];
        let short = Share { number: 2, bytes: Zeroizing::new(vec![1]) };
        for bad in [&shares[..1], &[], &twice, &zero, &[shares[0].clone(), short]] {
            assert_eq!(join(bad, 2).unwrap_err(), Error::Shares);
        }
        assert_eq!(split(b"secret", 1, 3).unwrap_err(), Error::Split);
        assert_eq!(split(b"secret", 3, 2).unwrap_err(), Error::Split);
        assert_eq!(format!("{:?}", shares[0]), "Share(1, ..)");
    }

    #[test]
    fn one_share_of_two_fits_every_secret_equally_well() {
        // For each byte that a share can have, each secret has exactly one slope: nothing is learnt from one share.
        for secret in 0..=255_u8 {
            let mut seen = [false; 256];
            for slope in 0..=255_u8 {
                seen[usize::from(multiply(slope, 3) ^ secret)] = true;
            }
            assert!(seen.iter().all(|seen| *seen));
        }
    }

    proptest! {
        #[test]
        fn any_sufficient_shares_give_the_secret(
            secret in proptest::collection::vec(any::<u8>(), 0..80),
            needed in 2_u8..6,
            more in 0_u8..4,
            skip in 0_usize..4,
        ) {
            let shares = split(&secret, needed, needed + more).unwrap();
            let skip = skip.min(usize::from(more));
            prop_assert_eq!(join(&shares[skip..], needed).unwrap().to_vec(), secret);
        }
    }
}
