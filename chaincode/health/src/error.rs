//! The refusals of the health contracts; each id has a page under `docs/errors`.

use carecord_chaincode::{Class, ErrorCode};

/// The organisation of the caller is not registered, or is of the wrong kind.
pub const ORG: &ErrorCode = &ErrorCode::new(
    "CR-CC-021",
    Class::PermissionDenied,
    "let an administrator of the organisation call identity:RegisterOrg first",
);
/// The caller is not a registered, active person of this role and organisation.
pub const PERSON: &ErrorCode = &ErrorCode::new(
    "CR-CC-022",
    Class::PermissionDenied,
    "let an administrator of the caller's organisation register the certificate's key",
);
/// The thing belongs to another organisation than the administrator's.
pub const FOREIGN: &ErrorCode = &ErrorCode::new(
    "CR-CC-023",
    Class::PermissionDenied,
    "let an administrator of the person's own organisation do it",
);
/// More would be passed on than the sender has.
pub const WIDER: &ErrorCode = &ErrorCode::new(
    "CR-CC-024",
    Class::PermissionDenied,
    "pass on less, or let the patient widen the grant",
);
/// The caller has no right to emergency access.
pub const EMERGENCY: &ErrorCode = &ErrorCode::new(
    "CR-CC-025",
    Class::PermissionDenied,
    "let administrators of two organisations call identity:NameEmergency and ApproveEmergency",
);
/// Money of this kind cannot go from one person to another.
pub const NOT_TRANSFERABLE: &ErrorCode = &ErrorCode::new(
    "CR-CC-026",
    Class::PermissionDenied,
    "use a currency that can be transferred, or record a receipt of fiat money",
);
/// The caller is not vouched for in the specialty.
pub const SPECIALTY: &ErrorCode = &ErrorCode::new(
    "CR-CC-027",
    Class::PermissionDenied,
    "let an administrator of the caller's organisation call appointments:Qualify",
);
/// No such thing, or none that the caller may know of.
pub const ABSENT: &ErrorCode = &ErrorCode::new(
    "CR-CC-030",
    Class::NotFound,
    "check the id, or ask the patient for consent: both look the same from here",
);
/// The id or key is taken.
pub const TAKEN: &ErrorCode =
    &ErrorCode::new("CR-CC-040", Class::AlreadyExists, "choose fresh random bits for the id");
/// The thing is in another state, or has moved on.
pub const STATE: &ErrorCode =
    &ErrorCode::new("CR-CC-050", Class::FailedPrecondition, "read it again and repeat");
/// Others come before what the caller picked.
pub const PICK: &ErrorCode = &ErrorCode::new(
    "CR-CC-051",
    Class::FailedPrecondition,
    "pick one of the best, or call appointments:ClaimBecause with a reason",
);
/// A limit is reached.
pub const LIMIT: &ErrorCode = &ErrorCode::new(
    "CR-CC-060",
    Class::ResourceExhausted,
    "revoke or remove what is no longer needed",
);
/// The account holds less than the amount.
pub const FUNDS: &ErrorCode = &ErrorCode::new(
    "CR-CC-062",
    Class::ResourceExhausted,
    "ask for the balance, fold waiting credits with token:Compact, or move less",
);
/// A signature or key id does not fit what it is said to cover.
pub const PROOF: &ErrorCode = &ErrorCode::new(
    "CR-CC-070",
    Class::ProofInvalid,
    "sign the statement of the documentation with the key of the calling certificate",
);
/// A value is not what the ledger has the commitment of, or does not show what it is said to show.
pub const OPENING: &ErrorCode = &ErrorCode::new(
    "CR-CC-075",
    Class::ProofInvalid,
    "send the exact bytes that were committed to, of the claim's current state",
);

/// All of them, for the documentation pages.
pub const ALL: &[&ErrorCode] = &[
    ORG,
    PERSON,
    FOREIGN,
    WIDER,
    EMERGENCY,
    NOT_TRANSFERABLE,
    SPECIALTY,
    ABSENT,
    TAKEN,
    STATE,
    PICK,
    LIMIT,
    FUNDS,
    PROOF,
    OPENING,
];
