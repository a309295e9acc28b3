//! Nobody closes a server to others by taking places and doing nothing.

use std::time::Duration;

use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient as BroadcastClient;
use carecord_comm::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
use carecord_comm::{
    Endpoint, Limits, MAX_MESSAGE_BYTES, Server, ServerHandle, dial,
    protos::endorser_client::EndorserClient, protos::endorser_server::EndorserServer,
};
use carecord_proto::common::Envelope;
use carecord_proto::orderer::{BroadcastResponse, DeliverResponse};
use carecord_proto::protos::SignedProposal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming, service::Routes, transport::Channel};

use crate::Mirror;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(10);

async fn plain(limits: Limits) -> ServerHandle {
    let server = Server { limits, ..Server::default() };
    let endorser = EndorserServer::new(Mirror).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let routes = Routes::new(endorser).add_service(AtomicBroadcastServer::new(Answers));
    server.bind("127.0.0.1:0", routes).await.expect("a free port")
}

fn channel(handle: &ServerHandle) -> Channel {
    let address = handle.address().to_string();
    let endpoint = Endpoint { address, tls: None, server_name: None };
    dial(&endpoint).expect("a good address")
}

fn client(handle: &ServerHandle) -> EndorserClient<Channel> {
    EndorserClient::new(channel(handle)).max_encoding_message_size(usize::MAX)
}

/// Answers each envelope; ends with the stream.
struct Answers;

#[tonic::async_trait]
impl AtomicBroadcast for Answers {
    type BroadcastStream = ReceiverStream<Result<BroadcastResponse, Status>>;
    type DeliverStream = ReceiverStream<Result<DeliverResponse, Status>>;

    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        let (sender, answers) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut envelopes = request.into_inner();
            while let Ok(Some(_)) = envelopes.message().await {
                if sender.send(Ok(BroadcastResponse::default())).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn deliver(
        &self,
        _: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}

fn proposal(text: &'static [u8]) -> SignedProposal {
    SignedProposal { proposal_bytes: text.into(), ..Default::default() }
}

/// Whether the server ends the connection before `LONG`.
async fn ends(mut stream: TcpStream) -> bool {
    let mut all = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut all)).await.is_ok()
}

const PROPOSE: &[u8] = b"/protos.Endorser/ProcessProposal";
const BROADCAST: &[u8] = b"/orderer.AtomicBroadcast/Broadcast";

/// Opens a call by hand and sends one byte of a message that it says is of `length` bytes.
async fn part_of_a_request(handle: &ServerHandle, path: &[u8], length: u32) -> TcpStream {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut headers = vec![0x83, 0x86, 0x04, path.len() as u8];
    headers.extend_from_slice(path);
    headers.extend_from_slice(&[0x41, 1, b'a']);
    headers.extend_from_slice(&[0x0f, 0x10, 16]);
    headers.extend_from_slice(b"application/grpc");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&SETTINGS);
    bytes.extend_from_slice(&[0, 0, headers.len() as u8, 1, 4, 0, 0, 0, 1]);
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(&[0, 0, 6, 0, 0, 0, 0, 0, 1, 0]);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.push(b'a');
    let mut stream = TcpStream::connect(handle.address()).await.expect("connected");
    stream.write_all(&bytes).await.expect("sent");
    stream
}

#[tokio::test]
async fn half_a_request_loses_its_place_in_time_and_a_whole_one_may_wait() {
    let request_timeout = Duration::from_millis(200);
    let limits = Limits { request_timeout, ..Limits::default() };
    let handle = plain(limits.with_service("protos.Endorser", 1)).await;
    let _half = part_of_a_request(&handle, PROPOSE, 256).await;
    tokio::time::sleep(SHORT).await;
    let refused = client(&handle).process_proposal(proposal(b"")).await.expect_err("no place");
    assert_eq!(refused.code(), Code::Unknown, "{refused:?}");
    tokio::time::sleep(request_timeout * 2).await;
    // The handler waits longer than the request may take to come.
    client(&handle).process_proposal(proposal(b"wait")).await.expect("the place is free again");
}

#[tokio::test]
async fn half_a_message_of_a_request_stream_loses_its_place_in_time() {
    let request_timeout = Duration::from_millis(200);
    let limits = Limits { request_timeout, ..Limits::default() };
    let handle = plain(limits.with_service("orderer.AtomicBroadcast", 1)).await;
    let mut patient = BroadcastClient::new(channel(&handle));
    let _half = part_of_a_request(&handle, BROADCAST, 256).await;
    tokio::time::sleep(SHORT).await;
    let refused = patient.broadcast(tokio_stream::empty()).await.expect_err("no place");
    assert_eq!(refused.code(), Code::Unknown, "{refused:?}");
    tokio::time::sleep(request_timeout * 2).await;
    // Between two messages a stream may rest for as long as it likes.
    let envelopes = tokio_stream::once(Envelope::default()).chain(tokio_stream::pending());
    let mut answers = patient.broadcast(envelopes).await.expect("free again").into_inner();
    assert!(answers.message().await.expect("read").is_some());
    let ended = tokio::time::timeout(request_timeout * 2, answers.message()).await;
    assert!(ended.is_err(), "the stream goes on");
}

#[tokio::test]
async fn announced_and_unsent_bytes_are_bounded_for_all_and_small_requests_pass() {
    let handle = plain(Limits::default()).await;
    let whole = MAX_MESSAGE_BYTES as u32;
    let held = [
        part_of_a_request(&handle, PROPOSE, whole).await,
        part_of_a_request(&handle, PROPOSE, whole).await,
    ];
    tokio::time::sleep(SHORT).await;
    let large =
        || SignedProposal { proposal_bytes: vec![0; 60 << 20].into(), ..Default::default() };
    let refused = client(&handle).process_proposal(large()).await.expect_err("no room");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    client(&handle).process_proposal(proposal(b"")).await.expect("small ones need no room");
    drop(held);
    tokio::time::sleep(SHORT).await;
    client(&handle).process_proposal(large()).await.expect("room again");
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
