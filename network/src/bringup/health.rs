//! Asking a node's operations service.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use carecord_comm::{HttpsClient, TlsIdentity};

use crate::error::Outcome;
use crate::session::unusable;
use crate::state::{NodeEntry, OperationsTls, read_credential};

const TIMEOUT: Duration = Duration::from_secs(2);
/// Metrics of a busy node are some 100 KB.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// What a node tells everybody.
const HEALTH: &str = "/healthz";

/// GET of `path` at the operations service of `node`, with the client certificate that it asks for: status and body.
pub fn get(node: &NodeEntry, path: &str) -> io::Result<(u16, String)> {
    let shows = node.operations_tls.as_ref();
    ask(node, path, shows)
}

/// Whether the node says that it is healthy; if not, why.
pub(super) fn healthy(node: &NodeEntry) -> Result<(), String> {
    match ask(node, HEALTH, None) {
        Ok((200, _)) => Ok(()),
        Ok((status, body)) => {
            Err(reason(&body)
                .unwrap_or_else(|| format!("{HEALTH} answers {status} {}", body.trim())))
        }
        Err(error) => Err(error.to_string().to_lowercase()),
    }
}

/// Shows the client certificate of `shows`, if any.
fn ask(node: &NodeEntry, path: &str, shows: Option<&OperationsTls>) -> io::Result<(u16, String)> {
    let address = &node.operations_address;
    let target = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = match &node.operations_tls {
        None => exchange(stream, &request)?,
        Some(tls) => {
            let client = client(tls, shows).map_err(io::Error::other)?;
            exchange(client.connect(stream, &tls.server_name)?, &request)?
        }
    };
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let status = status.ok_or_else(|| io::Error::other("not an HTTP answer"))?;
    Ok((status, body.to_owned()))
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

fn client(tls: &OperationsTls, shows: Option<&OperationsTls>) -> Outcome<HttpsClient> {
    let roots = [read_credential(&tls.ca_file)?];
    let identity = match shows {
        None => None,
        Some(shows) => {
            let certificate = read_credential(&shows.client_certificate_file)?;
            let key = read_credential(&shows.client_key_file)?;
            let identity = TlsIdentity::from_pem(&certificate, &key);
            Some(identity.map_err(|error| unusable(&shows.client_certificate_file, error))?)
        }
    };
    HttpsClient::new(&roots, identity).map_err(|error| unusable(&tls.ca_file, error))
}

/// The reasons of the checks that failed, out of the body of `/healthz`.
fn reason(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let checks = body["failed_checks"].as_array()?;
    let reasons: Vec<&str> = checks.iter().filter_map(|check| check["reason"].as_str()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
