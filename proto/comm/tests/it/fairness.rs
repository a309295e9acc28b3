//! Nobody closes a server to others by taking places and doing nothing.

use std::time::Duration;

use carecord_comm::{
    Endpoint, Limits, Server, ServerHandle, dial, protos::endorser_client::EndorserClient,
    protos::endorser_server::EndorserServer,
};
use carecord_proto::protos::SignedProposal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, service::Routes, transport::Channel};

use crate::Mirror;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(10);

async fn plain(limits: Limits) -> ServerHandle {
    let server = Server { limits, ..Server::default() };
    let routes = Routes::new(EndorserServer::new(Mirror));
    server.bind("127.0.0.1:0", routes).await.expect("a free port")
}

fn client(handle: &ServerHandle) -> EndorserClient<Channel> {
    let address = handle.address().to_string();
    let endpoint = Endpoint { address, tls: None, server_name: None };
    EndorserClient::new(dial(&endpoint).expect("a good address"))
}

fn proposal(text: &'static [u8]) -> SignedProposal {
    SignedProposal { proposal_bytes: text.into(), ..Default::default() }
}

/// Whether the server ends the connection before `LONG`.
async fn ends(mut stream: TcpStream) -> bool {
    let mut all = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut all)).await.is_ok()
}

/// Opens a call of the endorser by hand and sends one byte of a message of 256.
async fn half_a_request(handle: &ServerHandle) -> TcpStream {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let path = b"/protos.Endorser/ProcessProposal";
    let mut headers = vec![0x83, 0x86, 0x04, path.len() as u8];
    headers.extend_from_slice(path);
    headers.extend_from_slice(&[0x41, 1, b'a']);
    headers.extend_from_slice(&[0x0f, 0x10, 16]);
    headers.extend_from_slice(b"application/grpc");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&SETTINGS);
    bytes.extend_from_slice(&[0, 0, headers.len() as u8, 1, 4, 0, 0, 0, 1]);
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(&[0, 0, 6, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, b'a']);
    let mut stream = TcpStream::connect(handle.address()).await.expect("connected");
    stream.write_all(&bytes).await.expect("sent");
    stream
}

#[tokio::test]
async fn half_a_request_loses_its_place_in_time_and_a_whole_one_may_wait() {
    let request_timeout = Duration::from_millis(200);
    let limits = Limits { request_timeout, ..Limits::default() };
    let handle = plain(limits.with_service("protos.Endorser", 1)).await;
    let _half = half_a_request(&handle).await;
    tokio::time::sleep(SHORT).await;
    let refused = client(&handle).process_proposal(proposal(b"")).await.expect_err("no place");
    assert_eq!(refused.code(), Code::Unknown, "{refused:?}");
    tokio::time::sleep(request_timeout * 2).await;
    // The handler waits longer than the request may take to come.
    client(&handle).process_proposal(proposal(b"wait")).await.expect("the place is free again");
}

#[tokio::test]
async fn one_connection_gets_half_of_the_places_and_another_the_rest() {
    let handle = plain(Limits::default().with_service("protos.Endorser", 2)).await;
    let (mut first, mut second, mut other) = {
        let first = client(&handle);
        (first.clone(), first, client(&handle))
    };
    let (waits, (refused, served)) =
        tokio::join!(first.process_proposal(proposal(b"wait")), async {
            tokio::time::sleep(SHORT).await;
            let refused = second.process_proposal(proposal(b"")).await;
            (refused, other.process_proposal(proposal(b"")).await)
        });
    waits.expect("within its share");
    served.expect("another connection has its own share");
    let refused = refused.expect_err("above its share");
    let text = "too many requests for /protos.Endorser, exceeding concurrency limit (1)";
    assert_eq!((refused.code(), refused.message()), (Code::Unknown, text));
}

#[tokio::test]
async fn a_connection_that_never_calls_is_closed_even_if_it_never_speaks() {
    let handle = plain(Limits { first_call_timeout: SHORT, ..Limits::default() }).await;
    let silent = TcpStream::connect(handle.address()).await.expect("connected");
    assert!(ends(silent).await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_but_not_under_a_call_and_its_client_comes_back() {
    let limits = Limits {
        connections: 1,
        first_call_timeout: LONG,
        idle_timeout: SHORT,
        ..Limits::default()
    };
    let handle = plain(limits).await;
    let mut idle = client(&handle);
    idle.process_proposal(proposal(b"wait")).await.expect("a call longer than the idle time");
    // There is one place for connections: the other client gets it when the idle one is closed.
    let mut other = client(&handle);
    let answer = tokio::time::timeout(LONG / 2, other.process_proposal(proposal(b""))).await;
    answer.expect("in time").expect("answered");
    tokio::time::timeout(LONG / 2, idle.process_proposal(proposal(b"")))
        .await
        .expect("in time")
        .expect("back");
}

#[tokio::test]
async fn one_address_gets_no_more_than_its_connections() {
    let handle = plain(Limits { connections_per_address: 2, ..Limits::default() }).await;
    let connect = || async { TcpStream::connect(handle.address()).await.expect("connected") };
    let (first, _second) = (connect().await, connect().await);
    assert!(ends(connect().await).await, "the third is closed at once");
    drop(first);
    tokio::time::sleep(SHORT).await;
    client(&handle).process_proposal(proposal(b"")).await.expect("a place is free again");
}
