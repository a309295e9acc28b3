//! One request, one connection: HTTP/1.0, so that an answer comes in one piece and ends with the connection.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use carecord_comm::HttpsClient;

use super::ClientError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Hashing a secret takes a while on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A list of all identities may be long.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Where a CA is and how its TLS is checked.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    address: String,
    server_name: String,
    https: Option<HttpsClient>,
}

// === impl Transport ===

impl Transport {
    pub(super) fn new(address: &str, server_name: &str, https: Option<HttpsClient>) -> Self {
        Self { address: address.to_owned(), server_name: server_name.to_owned(), https }
    }

    /// Status and body of the answer.
    pub(super) fn exchange(
        &self,
        method: &str,
        uri: &str,
        body: &[u8],
        authorization: Option<&str>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let mut head = format!(
            "{method} {uri} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        if !body.is_empty() {
            head.push_str("Content-Type: application/json\r\n");
        }
        if let Some(authorization) = authorization {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        let answer = self
            .send(&[head.as_bytes(), body].concat())
            .map_err(|source| ClientError::Unreachable { address: self.address.clone(), source })?;
        parse(&answer).ok_or_else(|| ClientError::Answer("it is no HTTP answer".to_owned()))
    }

    fn send(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let target =
            self.address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let stream = TcpStream::connect_timeout(&target, CONNECT_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        match &self.https {
            None => talk(stream, request),
            Some(https) => talk(https.connect(stream, &self.server_name)?, request),
        }
    }
}

fn talk(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}
