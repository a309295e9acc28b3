//! Fabric-CA's reserved attributes: which there are and of what kind.

pub use crate::attributes::{AFFILIATION, ENROLLMENT_ID, TYPE};

/// Types that a registrar may register.
pub const ROLES: &str = "hf.Registrar.Roles";
/// Types that those whom a registrar registers may register in turn.
pub const DELEGATE_ROLES: &str = "hf.Registrar.DelegateRoles";
/// Attributes that a registrar may give.
pub const REGISTRAR_ATTRIBUTES: &str = "hf.Registrar.Attributes";
/// May revoke.
pub const REVOKER: &str = "hf.Revoker";
/// May enrol a CA.
pub const INTERMEDIATE_CA: &str = "hf.IntermediateCA";
/// May make a revocation list.
pub const GEN_CRL: &str = "hf.GenCRL";
/// May change affiliations.
pub const AFFILIATION_MANAGER: &str = "hf.AffiliationMgr";
/// What the names of all reserved attributes begin with.
pub const PREFIX: &str = "hf.";

/// How the value of a reserved attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Owned as `true`, then given with either value.
    Boolean,
    /// A part of what the giver owns.
    List,
    /// The service sets it; nobody gives it.
    Fixed,
}

/// The kind of `name`; none for an attribute that is not reserved or not known.
pub fn kind(name: &str) -> Option<Kind> {
    match name {
        REVOKER | INTERMEDIATE_CA | GEN_CRL | AFFILIATION_MANAGER => Some(Kind::Boolean),
        ROLES | DELEGATE_ROLES | REGISTRAR_ATTRIBUTES => Some(Kind::List),
        ENROLLMENT_ID | TYPE | AFFILIATION => Some(Kind::Fixed),
        _ => None,
    }
}

/// A boolean as Go's `strconv.ParseBool` reads it, since that is how Fabric-CA reads these values.
pub fn parse_bool(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The entries of a list, without the blanks around them.
pub fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
