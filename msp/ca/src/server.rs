//! Fabric-CA's REST interface over one or more CAs.
//!
//! Place in the flow: [`http`] reads a request into a [`Call`]; [`Server::answer`], which waits for nothing but the
//! disk, finds the CA and the endpoint; the envelope around the result is [`answer`]'s.

mod answer;
mod endpoints;
mod http;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::Error;
use crate::refusal::{Code, Refusal};
use crate::service::{Ca, Caller, Login};
use crate::token::Request;

pub use answer::Answer;
pub use http::BODY_BYTES_MAX;

/// Where all endpoints lie.
pub const PATH: &str = "/api/v1/";
/// What `cainfo` says of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A request, read and not yet believed.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Path and query, as they were sent.
    pub uri: String,
    /// The authorization header.
    pub authorization: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// CAs that answer at one address; the first is meant where none is named.
#[derive(Debug)]
pub struct Server {
    cas: Vec<Arc<Ca>>,
}

#[derive(Deserialize)]
struct CaName {
    #[serde(default, alias = "CAName")]
    caname: Option<String>,
}

// === impl Server ===

impl Server {
    /// Serves `cas`, each under its own name.
    pub fn new(cas: Vec<Arc<Ca>>) -> Result<Self, Error> {
        let mut names = std::collections::BTreeSet::new();
        let refuse = |ca: &str, reason: &str| {
            Err(Error::Config { ca: ca.to_owned(), reason: reason.to_owned() })
        };
        if cas.is_empty() {
            return refuse("", "a server needs a CA");
        }
        if let Some(twice) = cas.iter().find(|ca| !names.insert(ca.name().to_owned())) {
            return refuse(twice.name(), "two CAs have this name");
        }
        Ok(Self { cas })
    }

    /// The CAs.
    pub fn cas(&self) -> &[Arc<Ca>] {
        &self.cas
    }

    /// Does what the call asks.
    pub fn answer(&self, call: &Call) -> Answer {
        let done = endpoints::call(self, call);
        if let Err(refusal) = &done.result {
            tracing::info!(
                method = %call.method, status = refusal.status, code = refusal.inner_code.number(),
                reason = %refusal.inner, "refused"
            );
        }
        done
    }

    /// The CA that the call names: in its query, in its body, or not at all.
    fn ca(&self, call: &Call) -> Result<&Ca, Refusal> {
        let query = call.query();
        let named = match query.get("ca").filter(|name| !name.is_empty()) {
            Some(name) => Some(name.clone()),
            None if call.body.is_empty() => None,
            None => call.json::<CaName>()?.caname.filter(|name| !name.is_empty()),
        };
        let Some(name) = named else { return Ok(&self.cas[0]) };
        self.cas.iter().find(|ca| ca.name() == name).map(Arc::as_ref).ok_or_else(|| {
            Refusal::new(404, Code::CaNotFound, format!("CA '{name}' does not exist"))
        })
    }
}

// === impl Call ===

impl Call {
    /// The path's parts behind [`PATH`], decoded.
    fn segments(&self) -> Option<Vec<String>> {
        let path = self.uri.split('?').next().unwrap_or_default();
        path.strip_prefix(PATH)?
            .split('/')
            .map(|part| {
                let text = percent_encoding::percent_decode_str(part).decode_utf8().ok()?;
                Some(text.into_owned())
            })
            .collect()
    }

    fn query(&self) -> BTreeMap<String, String> {
        let query = self.uri.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() {
            return Err(Refusal::new(400, Code::EmptyBody, "Empty request body"));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Refusal::new(400, Code::BadBody, format!("Invalid request body: {error}"))
        })
    }

    fn authorization(&self) -> Result<&str, Refusal> {
        self.authorization
            .as_deref()
            .filter(|header| !header.is_empty())
            .ok_or_else(|| Refusal::new(401, Code::NoAuthHeader, "No authorization header"))
    }

    fn login(&self) -> Result<Login, Refusal> {
        let wrong = || {
            Refusal::authentication(Code::NoUserPassword, "No user/pass in authorization header")
        };
        let header = self.authorization()?;
        let (scheme, encoded) = header.split_once(' ').ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(wrong());
        }
        let text = STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
        let text = Zeroizing::new(String::from_utf8(text).map_err(|_| wrong())?);
        let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Login { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) })
    }

    fn caller(&self, ca: &Ca, reenrolling: bool) -> Result<Caller, Refusal> {
        let request = Request { method: &self.method, uri: &self.uri, body: &self.body };
        ca.authenticate(self.authorization()?, request, reenrolling)
    }
}
