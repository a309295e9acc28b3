//! Asking a node's operations service.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
/// Metrics of a busy node are some 100 KB.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// HTTP GET of `path` at `address`: status and body.
pub fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let target = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let status = status.ok_or_else(|| io::Error::other("not an HTTP answer"))?;
    Ok((status, body.to_owned()))
}

/// Whether the node says that it is healthy; if not, why.
pub(super) fn healthy(operations_address: &str) -> Result<(), String> {
    match get(operations_address, "/healthz") {
        Ok((200, _)) => Ok(()),
        Ok((status, body)) => {
            Err(reason(&body)
                .unwrap_or_else(|| format!("/healthz answers {status} {}", body.trim())))
        }
        Err(error) => Err(error.to_string().to_lowercase()),
    }
}

/// The reasons of the checks that failed, out of the body of `/healthz`.
fn reason(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let checks = body["failed_checks"].as_array()?;
    let reasons: Vec<&str> = checks.iter().filter_map(|check| check["reason"].as_str()).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
