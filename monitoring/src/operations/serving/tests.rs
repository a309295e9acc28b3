use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

fn bounds() -> Bounds {
    Bounds { connections: 8, per_address: 4, header: LONG, body: LONG, life: LONG, farewell: LONG }
}

/// Where a listener within `bounds` echoes bodies, and answers `/large` with more than buffers hold.
async fn served(bounds: Bounds) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("bound");
    let routes = Router::new()
        .route("/echo", post(|body: String| async { body }))
        .route("/large", get(|| async { vec![b'x'; 64 << 20] }));
    tokio::spawn(serve_within(bounds, listener, None, routes));
    address
}

async fn sends(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("served");
    stream.write_all(text.as_bytes()).await.expect("sent");
    stream
}

/// What comes until the server closes; a reset is an end, too.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
    let _closed = read.expect("the server ends the connection by itself");
    String::from_utf8(answer).expect("text")
}

/// The header of a request whose body never ends, and the first byte of that.
const ENDLESS: &str =
    "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
const WHOLE: &str =
    "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\nwell";

#[tokio::test]
async fn a_body_that_does_not_end_is_refused_and_its_place_is_free_again() {
    let address = served(Bounds { connections: 2, body: SHORT, ..bounds() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(sends(address, ENDLESS).await);
    }
    let mut good = sends(address, WHOLE).await;
    assert!(answer(&mut good).await.ends_with("\r\n\r\nwell"));
    for stream in &mut held {
        assert!(answer(stream).await.starts_with("HTTP/1.1 400"));
    }
}

#[tokio::test]
async fn a_body_may_be_asked_for_more_behind_its_end() {
    let body = until(Instant::now() + LONG, Body::from("well"));
    let mut pieces = body.into_data_stream();
    assert_eq!(pieces.next().await.expect("a piece").expect("in time"), "well");
    assert!(pieces.next().await.is_none());
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn bytes_that_come_one_by_one_do_not_move_the_deadline() {
    let address = served(Bounds { body: SHORT, ..bounds() }).await;
    let (mut read, mut write) = sends(address, ENDLESS).await.into_split();
    tokio::spawn(async move {
        while write.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut first = [0; 12];
    let read = timeout(Duration::from_secs(15), read.read_exact(&mut first)).await;
    read.expect("in time").expect("answered");
    assert_eq!(&first, b"HTTP/1.1 400");
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_cut_off() {
    let address = served(Bounds { life: SHORT, farewell: SHORT, connections: 1, ..bounds() }).await;
    let _held = sends(address, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut good = sends(address, WHOLE).await;
    assert!(answer(&mut good).await.ends_with("\r\n\r\nwell"));
}

#[tokio::test]
async fn one_address_holds_its_share_of_the_places_and_no_more() {
    let address = served(Bounds { per_address: 2, ..bounds() }).await;
    let mut held = vec![sends(address, ENDLESS).await, sends(address, ENDLESS).await];
    let mut third = TcpStream::connect(address).await.expect("accepted first");
    assert_eq!(answer(&mut third).await, "");
    let other = tokio::net::TcpSocket::new_v4().expect("a socket");
    other.bind("127.0.0.2:0".parse().expect("an address")).expect("loopback has many addresses");
    let mut other = other.connect(address).await.expect("served");
    other.write_all(WHOLE.as_bytes()).await.expect("sent");
    assert!(answer(&mut other).await.ends_with("\r\n\r\nwell"));
    held.clear();
}
