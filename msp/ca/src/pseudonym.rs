//! The names that stand in certificates of people who must not be recognised.

use crate::Error;

/// Random bytes in a pseudonym: enough that two never meet and none can be guessed.
const PSEUDONYM_BYTES: usize = 16;

/// A fresh random common name for a patient's certificate (32 hexadecimal digits).
pub fn pseudonym() -> Result<String, Error> {
    random::<PSEUDONYM_BYTES>().map(hex::encode)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes)
}
