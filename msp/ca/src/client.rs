//! Speaks to a membership service, ours or Fabric-CA: enrol, register, revoke.
//!
//! Place in the flow: the commands `carecord identity …` and `carecord cert renew` call it. Blocking: an async caller
//! gives it a thread of its own.

mod credential;
mod error;
mod folder;
mod request;
mod transport;
mod wire;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carecord_comm::HttpsClient;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Attribute;
use transport::Transport;

pub use credential::Credential;
pub use error::ClientError;
pub use folder::{MspNames, read_msp, write_msp};
pub use request::{EnrollOptions, KeptKey, certificate_attributes, certificate_request};
pub use wire::{CaInfo, CertificateName, IdentityInfo, Registered, Registration, Revocations};

/// A certificate that was enrolled, its key, and its issuer's chain.
#[derive(Clone)]
pub struct Enrollment {
    /// Certificate and key.
    pub credential: Credential,
    /// The issuer's certificate and those above it, PEM.
    pub chain_pem: String,
}

/// A membership service at an address.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    ca_name: Option<String>,
}

// === impl Client ===

impl Client {
    /// The CA `ca_name` (the server's first if none) at `address` (`host:port`), which must show a certificate for
    /// `server_name` that one of `roots` (PEM) vouches for.
    pub fn new<R: AsRef<[u8]>>(
        address: &str,
        server_name: &str,
        roots: &[R],
        ca_name: Option<&str>,
    ) -> Result<Self, ClientError> {
        let https = HttpsClient::new(roots, None)
            .map_err(|error| ClientError::Credential(format!("TLS roots: {error}")))?;
        Ok(Self {
            transport: Transport::new(address, server_name, Some(https)),
            ca_name: ca_name.map(str::to_owned),
        })
    }

    /// The CA `ca_name` at `address`, without TLS; for a service on this very machine.
    pub fn plain(address: &str, ca_name: Option<&str>) -> Self {
        Self { transport: Transport::new(address, "", None), ca_name: ca_name.map(str::to_owned) }
    }

    /// What the CA says of itself.
    pub fn cainfo(&self) -> Result<CaInfo, ClientError> {
        self.send("POST", "cainfo", &json!({}), None)
    }

    /// A certificate for a new key, by enrolment id and secret.
    pub fn enroll(
        &self,
        id: &str,
        secret: &str,
        options: &EnrollOptions,
    ) -> Result<Enrollment, ClientError> {
        let header = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        self.fetch_certificate("enroll", id, options, |_, _, _| Ok(header.clone()))
    }

    /// A certificate for a new key, by the certificate that `credential` has now; `id` is its common name.
    pub fn reenroll(
        &self,
        credential: &Credential,
        options: &EnrollOptions,
    ) -> Result<Enrollment, ClientError> {
        let id = credential.common_name()?;
        self.fetch_certificate("reenroll", &id, options, |method, uri, body| {
            credential.token(method, uri, body)
        })
    }

    /// Makes somebody known to the CA.
    pub fn register(
        &self,
        registrar: &Credential,
        registration: &Registration,
    ) -> Result<Registered, ClientError> {
        let registered: Registered =
            self.send("POST", "register", registration, Some(registrar))?;
        let id = registered.id.or_else(|| registration.id.clone());
        Ok(Registered { id, ..registered })
    }

    /// Revokes an identity with all its certificates; `gencrl` asks for the new list, too.
    pub fn revoke_identity(
        &self,
        revoker: &Credential,
        id: &str,
        reason: &str,
        gencrl: bool,
    ) -> Result<Revocations, ClientError> {
        let body = json!({"id": id, "reason": reason, "gencrl": gencrl});
        self.send("POST", "revoke", &body, Some(revoker))
    }

    /// Revokes one certificate.
    pub fn revoke_certificate(
        &self,
        revoker: &Credential,
        name: &CertificateName,
        reason: &str,
        gencrl: bool,
    ) -> Result<Revocations, ClientError> {
        let body = json!({
            "serial": name.serial, "aki": name.aki, "reason": reason, "gencrl": gencrl,
        });
        self.send("POST", "revoke", &body, Some(revoker))
    }

    /// The revocation list, PEM; `tls` for that of the CA that signs TLS certificates.
    pub fn gencrl(&self, revoker: &Credential, tls: bool) -> Result<String, ClientError> {
        let body = if tls { json!({"profile": "tls"}) } else { json!({}) };
        let answer: Value = self.send("POST", "gencrl", &body, Some(revoker))?;
        decoded(answer["CRL"].as_str().unwrap_or_default())
    }

    /// Everybody whom the registrar may act on.
    pub fn identities(&self, registrar: &Credential) -> Result<Vec<IdentityInfo>, ClientError> {
        let answer: wire::Identities = self.get("identities", registrar)?;
        Ok(answer.identities)
    }

    /// One identity.
    pub fn identity(&self, registrar: &Credential, id: &str) -> Result<IdentityInfo, ClientError> {
        self.get(&format!("identities/{}", encoded(id)), registrar)
    }

    /// The certificates that were issued to `id`, PEM.
    pub fn certificates(
        &self,
        registrar: &Credential,
        id: &str,
    ) -> Result<Vec<String>, ClientError> {
        let answer: wire::Certificates =
            self.get(&format!("certificates?id={}", encoded(id)), registrar)?;
        Ok(answer.certs.into_iter().map(|one| one.pem).collect())
    }

    /// Sets attributes of an identity; an empty value takes one away.
    pub fn set_attributes(
        &self,
        registrar: &Credential,
        id: &str,
        attributes: &[Attribute],
    ) -> Result<IdentityInfo, ClientError> {
        let body = json!({"attrs": attributes});
        self.send("PUT", &format!("identities/{}", encoded(id)), &body, Some(registrar))
    }

    /// Gives an identity another secret; this also unlocks one with too many wrong tries.
    pub fn set_secret(
        &self,
        registrar: &Credential,
        id: &str,
        secret: &str,
        max_enrollments: i64,
    ) -> Result<IdentityInfo, ClientError> {
        let body = json!({"secret": secret, "max_enrollments": max_enrollments});
        self.send("PUT", &format!("identities/{}", encoded(id)), &body, Some(registrar))
    }

    fn fetch_certificate(
        &self,
        endpoint: &str,
        id: &str,
        options: &EnrollOptions,
        authorization: impl Fn(&str, &str, &[u8]) -> Result<String, ClientError>,
    ) -> Result<Enrollment, ClientError> {
        let (request_pem, key_pem) = certificate_request(id, options)?;
        let attributes = options
            .attributes
            .as_ref()
            .map(|names| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>());
        let mut body = json!({"certificate_request": request_pem});
        for (name, value) in [
            ("profile", options.profile.clone().map(Value::from)),
            ("hosts", (!options.hosts.is_empty()).then(|| options.hosts.clone().into())),
            ("attr_reqs", attributes.map(Value::from)),
            ("caname", self.ca_name.clone().map(Value::from)),
        ] {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        let body = body.to_string();
        let uri = format!("{}{endpoint}", crate::server::PATH);
        let header = authorization("POST", &uri, body.as_bytes())?;
        let answer = self.transport.exchange("POST", &uri, body.as_bytes(), Some(&header))?;
        let enrolled: wire::Enrolled = wire::result(answer)?;
        let certificate_pem = decoded(&enrolled.cert)?;
        Ok(Enrollment {
            credential: Credential { certificate_pem, key_pem },
            chain_pem: decoded(&enrolled.server_info.chain)?,
        })
    }

    fn get<T: DeserializeOwned>(&self, endpoint: &str, by: &Credential) -> Result<T, ClientError> {
        let query = match &self.ca_name {
            Some(name) => {
                let mark = if endpoint.contains('?') { '&' } else { '?' };
                format!("{mark}ca={}", encoded(name))
            }
            None => String::new(),
        };
        let uri = format!("{}{endpoint}{query}", crate::server::PATH);
        let token = by.token("GET", &uri, b"")?;
        wire::result(self.transport.exchange("GET", &uri, b"", Some(&token))?)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        endpoint: &str,
        body: &impl Serialize,
        by: Option<&Credential>,
    ) -> Result<T, ClientError> {
        let mut body = serde_json::to_value(body)
            .map_err(|error| ClientError::Credential(error.to_string()))?;
        if let Some(name) = &self.ca_name {
            body["caname"] = name.clone().into();
        }
        let body = body.to_string();
        let uri = format!("{}{endpoint}", crate::server::PATH);
        let token = by.map(|by| by.token(method, &uri, body.as_bytes())).transpose()?;
        let answer = self.transport.exchange(method, &uri, body.as_bytes(), token.as_deref())?;
        wire::result(answer)
    }
}

fn decoded(text: &str) -> Result<String, ClientError> {
    let bytes =
        STANDARD.decode(text).map_err(|_| ClientError::Answer("it is no base64".to_owned()))?;
    String::from_utf8(bytes).map_err(|_| ClientError::Answer("it is no text".to_owned()))
}

fn encoded(part: &str) -> String {
    percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
}
