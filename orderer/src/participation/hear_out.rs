//! Whoever sends a body that is refused early hears why: a connection that is closed with bytes still unread is reset, and
//! the answer is lost with it. So the rest is read and thrown away before the answer leaves, up to a limit.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::oneshot;

/// Bytes that are read for nothing; who sends more may lose the answer.
const MAX_UNHEARD_BYTES: usize = 32 << 20;
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads what the handler left of the body if it refused the request.
pub(super) async fn hear_out(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let (back, rest) = oneshot::channel();
    let lent = Lent { body: Some(body.into_data_stream()), back: Some(back) };
    let answer = next.run(Request::from_parts(head, Body::from_stream(lent))).await;
    if !answer.status().is_success() {
        let _ = tokio::time::timeout(PATIENCE, skip(rest)).await;
    }
    answer
}

async fn skip(rest: oneshot::Receiver<BodyDataStream>) {
    let Ok(mut rest) = rest.await else { return };
    let mut unheard = 0;
    while let Some(Ok(bytes)) = rest.next().await {
        unheard += bytes.len();
        if unheard > MAX_UNHEARD_BYTES {
            return;
        }
    }
}

/// A body that comes back when the handler is done with it.
struct Lent {
    body: Option<BodyDataStream>,
    back: Option<oneshot::Sender<BodyDataStream>>,
}

// === impl Lent ===

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.body.as_mut() {
            Some(body) => body.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            let _ = back.send(body);
        }
    }
}
