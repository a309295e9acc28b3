//! De-identification, where the plaintext is: at the patient's or the hospital's client, before anything leaves it.
//!
//! What comes out is written anew from a list of fields that may ([`record`]); nothing is taken out of a copy, so what
//! nobody thought of stays behind. Of the eighteen identifiers of HIPAA's Safe Harbor (45 CFR 164.514(b)(2)):
//!
//! | identifiers | what becomes of them |
//! |---|---|
//! | names; telephone, fax, e-mail; numbers of insurance, records, accounts, licences, vehicles, devices; URLs, IP addresses; biometrics, photographs; other unique codes | no field for them |
//! | places below a state | the first three digits of the ZIP code, `000` where few people live ([`place`]) |
//! | dates other than the year | moved by a secret number of days, the same for all of a patient's dates of a study ([`secret`]), without the time of day |
//! | ages over 89 | `90+`, without a year of birth |
//!
//! A date that was moved is still a date: who needs Safe Harbor to the letter keeps the years only. Before rows are
//! released, groups of fewer than k alike are left out ([`release`]).

pub mod place;
pub mod record;
pub mod release;
pub mod search;
pub mod secret;

pub use record::{Deidentified, deidentify};
pub use secret::Secret;
