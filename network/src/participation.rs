//! The client's end of an orderer's administration: Fabric's channel participation, and leadership, which is ours.
//!
//! Place in the flow: `carecord channel` and `orderer` call it. The service takes administrators of the orderer's own
//! organisation, known by their TLS certificate, so this shows that of the organisation's `Admin`.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use carecord_comm::{HttpsClient, TlsIdentity};
use carecord_orderer::Consenters;
use serde::Deserialize;
use serde_json::Value;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, issuer};
use crate::state::{NodeEntry, UserEntry, read_credential};

const CHANNELS: &str = "/participation/v1/channels";
const OURS: &str = "/carecord/v1/channels";
const BOUNDARY: &str = "carecord-form-boundary-7d1b";
const TIMEOUT: Duration = Duration::from_secs(30);
/// How TLS words that the other side did not accept what this side showed.
const REFUSED_CERTIFICATE: &str = "received fatal alert";
/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// How an orderer stands to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Standing {
    /// `consenter`, `follower`, `other`.
    #[serde(rename = "consensusRelation")]
    pub relation: String,
    /// `active`, `onboarding`, `inactive`, `failed`.
    pub status: String,
    /// Blocks that it has.
    pub height: u64,
}

/// A request's method and body.
struct Request<'a> {
    method: &'a str,
    path: String,
    kind: &'a str,
    body: Vec<u8>,
}

/// An answer: status and body.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// How `node` stands to `channel`.
pub fn standing(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<Standing> {
    let answer = call(session, node, &Request::get(format!("{CHANNELS}/{channel}")))?;
    let body = answer.expect(node, 200)?;
    serde_json::from_slice(&body).map_err(|error| unreadable(node, &error))
}

/// Whether `node` is on `channel`, in whatever state.
pub fn is_on(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<bool> {
    let answer = call(session, node, &Request::get(format!("{CHANNELS}/{channel}")))?;
    match answer.status {
        404 => Ok(false),
        _ => answer.expect(node, 200).map(|_| true),
    }
}

/// Whether `node` answers at all: asked of each before the first of several is changed.
pub fn answers(session: &Session, node: &NodeEntry) -> Outcome<()> {
    call(session, node, &Request::get(CHANNELS.to_owned()))?.expect(node, 200).map(|_| ())
}

/// Hands `node` the block by which it joins a channel: the first one, or a later configuration block.
pub fn join(session: &Session, node: &NodeEntry, block: &[u8]) -> Outcome<()> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"config-block\"; filename=\"config.block\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), block, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let kind = &format!("multipart/form-data; boundary={BOUNDARY}");
    let request = Request { method: "POST", path: CHANNELS.to_owned(), kind, body };
    call(session, node, &request)?.expect(node, 201).map(|_| ())
}

/// Takes `node` off `channel`, with its data of it.
pub fn remove(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<()> {
    let path = format!("{CHANNELS}/{channel}");
    let request = Request { method: "DELETE", ..Request::get(path) };
    call(session, node, &request)?.expect(node, 204).map(|_| ())
}

/// The consenters of `channel` as `node` sees them: Raft ids, addresses, who leads.
pub fn consenters(session: &Session, node: &NodeEntry, channel: &str) -> Outcome<Consenters> {
    let answer = call(session, node, &Request::get(format!("{OURS}/{channel}/consenters")))?;
    let body = answer.expect(node, 200)?;
    serde_json::from_slice(&body).map_err(|error| unreadable(node, &error))
}

/// Asks `node`, which leads `channel`, to hand leadership to the consenter with this Raft id.
pub fn transfer_leader(session: &Session, node: &NodeEntry, channel: &str, to: u64) -> Outcome<()> {
    let request = Request {
        method: "POST",
        path: format!("{OURS}/{channel}/leader"),
        kind: "application/json",
        body: serde_json::json!({ "to": to }).to_string().into_bytes(),
    };
    let answer = call(session, node, &request)?;
    match answer.status {
        200..=204 => Ok(()),
        _ => answer.expect(node, 200).map(|_| ()),
    }
}

fn call(session: &Session, node: &NodeEntry, request: &Request<'_>) -> Outcome<Answer> {
    if node.role != "orderer" {
        let cause = "the node is no orderer";
        return Err(Failure::new(Code::ConfigMember, cause)
            .at(&node.name)
            .hint("`carecord orderer list` names the consenters"));
    }
    let address = node.admin_address.as_ref().ok_or_else(|| {
        Failure::new(Code::Participation, "the node has no administration service")
            .at(&node.name)
            .hint("networks made by an older version have none: write `admin_address` into its node.toml and network.json")
    })?;
    let admin = session.file().admin(&node.organisation)?;
    let certificate = read_credential(&admin.tls_certificate_file)?;
    let key = read_credential(&admin.tls_key_file)?;
    let unusable = |error: carecord_comm::Error| {
        Failure::new(Code::Certificate, error).at(admin.tls_certificate_file.display())
    };
    let identity = TlsIdentity::from_pem(&certificate, &key).map_err(unusable)?;
    let roots = [read_credential(&node.tls_ca_file)?];
    let client = HttpsClient::new(&roots, Some(identity)).map_err(unusable)?;
    let failed = |error: std::io::Error| {
        let hint = match error.to_string().contains(REFUSED_CERTIFICATE) {
            true => fitting(node, admin, &certificate),
            false => "`carecord network status` shows whether the orderer runs".to_owned(),
        };
        Failure::new(Code::Participation, error.to_string().to_lowercase())
            .at(format!("{} at {address}", node.name))
            .hint(hint)
    };
    let exchange = || {
        let target =
            address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        let stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut stream = client.connect(stream, &node.tls_server_name)?;
        stream.write_all(&request.bytes(address))?;
        stream.flush()?;
        let mut answer = Vec::new();
        match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer) {
            Ok(_) => {}
            // Some servers close without TLS's own end; the answer says itself how long it is.
            Err(error)
                if error.kind() == std::io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            Err(error) => return Err(error),
        }
        Answer::parse(&answer).ok_or_else(|| std::io::Error::other("not an HTTP answer"))
    };
    exchange().map_err(failed)
}

/// What was shown and what would have been right, where an orderer breaks off over a client's certificate.
fn fitting(node: &NodeEntry, admin: &UserEntry, certificate: &[u8]) -> String {
    let shown = issuer(certificate).unwrap_or_else(|| "somebody unknown".to_owned());
    let asked = read_credential(&node.tls_ca_file).ok().and_then(|ca| issuer(&ca));
    let asked = asked.unwrap_or_else(|| "its organisation's TLS CA".to_owned());
    let file = admin.tls_certificate_file.display();
    format!("the orderer takes clients of {asked}; {file} was issued by {shown}")
}

fn unreadable(node: &NodeEntry, error: &serde_json::Error) -> Failure {
    Failure::new(Code::Participation, format!("the answer cannot be read: {error}")).at(&node.name)
}

// === impl Request ===

impl Request<'_> {
    fn get(path: String) -> Self {
        Self { method: "GET", path, kind: "application/json", body: Vec::new() }
    }

    /// HTTP/1.0, so that the answer comes in one piece and the connection ends with it.
    fn bytes(&self, address: &str) -> Vec<u8> {
        let head = format!(
            "{} {} HTTP/1.0\r\nHost: {address}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.method,
            self.path,
            self.kind,
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}

// === impl Answer ===

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, body: bytes[end + 4..].to_vec() })
    }

    /// The body, if the status is the one expected; else what the service says.
    fn expect(self, node: &NodeEntry, status: u16) -> Outcome<Vec<u8>> {
        if self.status == status {
            return Ok(self.body);
        }
        let said = serde_json::from_slice::<Value>(&self.body).ok();
        let said = said.as_ref().and_then(|said| said["error"].as_str()).unwrap_or_default();
        let cause = format!("the orderer answers {}: {said}", self.status);
        Err(Failure::new(Code::Participation, cause).at(&node.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_and_body() {
        let answer =
            Answer::parse(b"HTTP/1.0 405 No\r\nAllow: GET\r\n\r\n{\"error\":\"x\"}").unwrap();
        assert_eq!((answer.status, &answer.body[..]), (405, &b"{\"error\":\"x\"}"[..]));
        assert!(Answer::parse(b"junk").is_none());
    }
}
