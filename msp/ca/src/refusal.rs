//! Why the membership service refuses a request: the codes and texts that clients of Fabric-CA know.
//!
//! What goes wrong while somebody proves who they are, or asks for what they may not do, has one outward text; the
//! reason stays in the server's log. Numbers: `lib/caerrors/servererror.go` of Fabric-CA.

/// Fabric-CA's error numbers, those that this service uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// Anything without a number of its own.
    Unknown = 0,
    /// The endpoint does not know the method.
    MethodNotAllowed = 1,
    /// There is no authorization header.
    NoAuthHeader = 2,
    /// The body could not be read, or is too large.
    ReadingBody = 3,
    /// A body is needed.
    EmptyBody = 4,
    /// The body is not the JSON that the endpoint wants.
    BadBody = 5,
    /// The caller may not revoke.
    NotRevoker = 7,
    /// There is no such certificate.
    RevokeCertificateNotFound = 8,
    /// The certificate is somebody else's.
    CertificateWrongOwner = 9,
    /// There is no such identity.
    RevokeIdentityNotFound = 10,
    /// Neither an identity nor a certificate was named.
    MissingRevokeArguments = 15,
    /// There is no such affiliation.
    GettingAffiliation = 16,
    /// There is no such CA on this server.
    CaNotFound = 19,
    /// What a caller is told whose proof did not hold.
    AuthenticationFailure = 20,
    /// The header holds no name and secret.
    NoUserPassword = 21,
    /// This CA does not enrol.
    EnrollDisabled = 22,
    /// There is no such name.
    InvalidUser = 23,
    /// The secret is wrong, used up, or its owner revoked.
    InvalidPassword = 24,
    /// The token is malformed, does not verify, or was used before.
    InvalidToken = 25,
    /// The token's certificate is another CA's.
    UntrustedCertificate = 26,
    /// The token's certificate has expired or does not hold yet.
    CertificateExpired = 27,
    /// The token's certificate was revoked.
    CertificateRevoked = 28,
    /// The token's certificate was not issued here.
    CertificateNotFound = 30,
    /// The certificate request cannot be used.
    BadRequest = 31,
    /// The caller may not make revocation lists.
    NoGenCrlAuthority = 35,
    /// `revokedafter` lies behind `revokedbefore`.
    InvalidRevokedAfter = 36,
    /// `expireafter` lies behind `expirebefore`.
    InvalidExpiredAfter = 37,
    /// The registrar may not give an attribute.
    AttributeAuthority = 42,
    /// The caller is no registrar.
    MissingRegistrar = 43,
    /// The affiliation or type lies outside the caller's.
    CallerNotAffiliated = 44,
    /// An identity could not be read.
    GettingUser = 49,
    /// An identity cannot be added as asked.
    AddIdentity = 52,
    /// An identity cannot be removed.
    RemoveIdentity = 56,
    /// An identity cannot be changed as asked.
    ModifyIdentity = 58,
    /// The caller lacks an attribute that the call needs.
    MissingRole = 59,
    /// An affiliation cannot be added.
    AddAffiliation = 60,
    /// An affiliation cannot be removed.
    RemoveAffiliation = 61,
    /// There is no such entry.
    DatabaseGet = 63,
    /// An affiliation cannot be changed.
    ModifyAffiliation = 64,
    /// The certificate was revoked before.
    AlreadyRevoked = 66,
    /// The certificates asked for cannot be listed.
    GettingCertificates = 67,
    /// What a caller is told who may not do what they ask.
    AuthorizationFailure = 71,
    /// Too many wrong secrets.
    PasswordAttempts = 73,
    /// The name is taken.
    DuplicateIdentity = 74,
    /// The identity cannot be registered as asked.
    RegisteringIdentity = 75,
    /// The registrar may not register this.
    RegistrarAuthority = 76,
    /// The request's common name is not the enrolment id.
    CommonName = 77,
    /// The caller lacks an attribute.
    MissingAttribute = 78,
    /// The request's fields are too long.
    InvalidRequest = 80,
    /// The number of enrolments asked for is not allowed.
    InvalidMaxEnrollments = 82,
}

/// A refused request: what the caller is told, and what only the log learns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{inner}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Number that the caller sees.
    pub code: Code,
    /// Text that the caller sees.
    pub message: String,
    /// Number for the log.
    pub inner_code: Code,
    /// Text for the log.
    pub inner: String,
}

// === impl Code ===

impl Code {
    /// The number.
    pub fn number(self) -> u16 {
        self as u16
    }
}

// === impl Refusal ===

impl Refusal {
    /// One whose reason the caller is told.
    pub fn new(status: u16, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, inner_code: code, inner: message.clone(), message }
    }

    /// The caller did not prove who they are; why, only the log says.
    pub fn authentication(inner_code: Code, inner: impl Into<String>) -> Self {
        Self {
            status: 401,
            code: Code::AuthenticationFailure,
            message: "Authentication failure".to_owned(),
            inner_code,
            inner: inner.into(),
        }
    }

    /// The caller may not do this; why, only the log says.
    pub fn authorization(inner_code: Code, inner: impl Into<String>) -> Self {
        Self {
            status: 403,
            code: Code::AuthorizationFailure,
            message: "Authorization failure".to_owned(),
            inner_code,
            inner: inner.into(),
        }
    }

    /// The service itself failed; what failed, only the log says.
    pub fn internal(inner: impl std::fmt::Display) -> Self {
        Self {
            status: 500,
            code: Code::Unknown,
            message: "Internal failure; the server's log has the reason".to_owned(),
            inner_code: Code::Unknown,
            inner: inner.to_string(),
        }
    }
}
