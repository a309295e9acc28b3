//! Requests on their way in: how large, for how long, and how much of them at once.
//!
//! A decoder makes room for a whole message when it has seen its first five bytes, so whoever announces much and sends
//! little would take a node's memory before anybody has looked at a signature. Therefore a message that is not whole yet
//! takes its size from a budget, of its connection and of the server, and must be whole in time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, timeout},
};
use tonic::Status;

use crate::limits::{
    CONNECTION_INBOUND_BYTES, INBOUND_WAIT, MAX_MESSAGE_BYTES, MAX_SEEK_BYTES, MIN_INBOUND_RATE,
    SERVER_INBOUND_BYTES, UNCOUNTED_MESSAGE_BYTES,
};
use crate::messages::{MessageCounter, Piece};

/// Methods that are asked for blocks with a few bytes.
const SEEKS: [&str; 3] =
    ["/protos.Deliver/", "/orderer.AtomicBroadcast/Deliver", "/carecord.orderer.Cluster/Blocks"];

/// What the unfinished messages of a server may take together.
pub(crate) struct Inbound(Arc<Semaphore>);

/// What those of one connection may take together.
pub(crate) struct ConnectionInbound(Arc<Semaphore>);

/// Both, for one request.
pub(crate) struct Allowance {
    server: Arc<Semaphore>,
    connection: Arc<Semaphore>,
}

/// What one unfinished message takes.
struct Room {
    _server: OwnedSemaphorePermit,
    _connection: OwnedSemaphorePermit,
}

/// What a method's requests must keep to.
pub(crate) struct Terms {
    max_bytes: usize,
    is_stream: bool,
    timeout: Duration,
}

type Wait = Pin<Box<dyn Future<Output = Option<Room>> + Send>>;

/// A request body that keeps to its terms or ends with a status.
pub(crate) struct Question<F> {
    body: Incoming,
    terms: Terms,
    allowance: Allowance,
    on_messages: Option<F>,
    messages: MessageCounter,
    deadline: Option<Pin<Box<Sleep>>>,
    room: Option<Room>,
    /// A piece that waits until there is room for the message that begins in it.
    waiting: Option<(Wait, Frame<Bytes>)>,
}

// === impl Inbound ===

impl Default for Inbound {
    fn default() -> Self {
        Self(semaphore(SERVER_INBOUND_BYTES))
    }
}

impl Default for ConnectionInbound {
    fn default() -> Self {
        Self(semaphore(CONNECTION_INBOUND_BYTES))
    }
}

impl Inbound {
    /// What a request of this connection may take.
    pub(crate) fn of(&self, connection: &ConnectionInbound) -> Allowance {
        Allowance { server: Arc::clone(&self.0), connection: Arc::clone(&connection.0) }
    }
}

fn semaphore(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bytes >> 10))
}

// === impl Allowance ===

impl Allowance {
    /// Room for a message of this size, or nothing if there is none for too long.
    fn room(&self, bytes: usize) -> Wait {
        let (server, connection) = (Arc::clone(&self.server), Arc::clone(&self.connection));
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let both = async move {
            let connection = connection.acquire_many_owned(kib).await.ok()?;
            let server = server.acquire_many_owned(kib).await.ok()?;
            Some(Room { _server: server, _connection: connection })
        };
        Box::pin(async move { timeout(INBOUND_WAIT, both).await.ok().flatten() })
    }
}

// === impl Terms ===

impl Terms {
    /// `is_stream`: the client sends any number of requests, for as long as it likes.
    pub(crate) fn of(path: &str, is_stream: bool, timeout: Duration) -> Self {
        let is_seek = SEEKS.iter().any(|seek| path.starts_with(seek));
        let max_bytes = if is_seek { MAX_SEEK_BYTES } else { MAX_MESSAGE_BYTES };
        Self { max_bytes, is_stream, timeout }
    }

    /// How long a message of this size may take in a stream of requests.
    fn time_for(&self, bytes: usize) -> Duration {
        self.timeout + Duration::from_secs(bytes as u64 / MIN_INBOUND_RATE)
    }
}

// === impl Question ===

impl<F: Fn(u64)> Question<F> {
    pub(crate) fn new(
        body: Incoming,
        terms: Terms,
        allowance: Allowance,
        on_messages: Option<F>,
    ) -> Self {
        let deadline = (!terms.is_stream).then(|| Box::pin(tokio::time::sleep(terms.timeout)));
        let messages = MessageCounter::default();
        let (room, waiting) = (None, None);
        Self { body, terms, allowance, on_messages, messages, deadline, room, waiting }
    }

    /// Looks at a piece before it is passed on; gives it back if its message has to wait for room.
    fn look_at(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Status> {
        let Some(data) = frame.data_ref() else { return Ok(Some(frame)) };
        let piece = self.messages.take(data);
        if piece.largest > self.terms.max_bytes {
            let (found, limit) = (piece.largest, self.terms.max_bytes);
            return Err(Status::out_of_range(format!(
                "decoded message length too large: found {found} bytes, the limit is: {limit} bytes"
            )));
        }
        if let (Some(on_messages), 1..) = (&self.on_messages, piece.begun) {
            on_messages(piece.begun);
        }
        self.reckon(&piece);
        match piece.unfinished {
            Some(bytes) if bytes > UNCOUNTED_MESSAGE_BYTES => {
                self.waiting = Some((self.allowance.room(bytes), frame));
                Ok(None)
            }
            _ => Ok(Some(frame)),
        }
    }

    /// Sets the deadline of a message that was begun, and lets go of what a finished one took.
    fn reckon(&mut self, piece: &Piece) {
        let between = self.messages.is_between();
        if between || piece.begun > 0 {
            self.room = None;
        }
        if !self.terms.is_stream {
            return;
        }
        if between {
            self.deadline = None;
        } else if piece.begun > 0 || self.deadline.is_none() {
            let time = self.terms.time_for(piece.unfinished.unwrap_or_default());
            self.deadline = Some(Box::pin(tokio::time::sleep_until(Instant::now() + time)));
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            // The deadline comes first: a request that trickles in is never without a next piece.
            if self.is_late(cx) {
                let late = Status::deadline_exceeded("the request did not arrive whole in time");
                return Poll::Ready(Some(Err(late.into())));
            }
            if let Some((wait, _)) = &mut self.waiting {
                let room = ready!(wait.as_mut().poll(cx));
                let frame = self.waiting.take().map(|(_, frame)| frame);
                let Some(room) = room else {
                    let full = "too many large requests are under way; try again";
                    return Poll::Ready(Some(Err(Status::resource_exhausted(full).into())));
                };
                self.room = Some(room);
                return Poll::Ready(frame.map(Ok));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            match frame.map(|frame| self.look_at(frame)) {
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
                Ok(Err(status)) => return Poll::Ready(Some(Err(status.into()))),
                Ok(Ok(Some(frame))) => return Poll::Ready(Some(Ok(frame))),
                Ok(Ok(None)) => {}
            }
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl<F: Fn(u64) + Send + Unpin> HttpBody for Question<F> {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.get_mut().poll_piece(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_blocks_needs_few_bytes_and_who_sends_envelopes_may_need_many() {
        let most = |path| Terms::of(path, true, Duration::ZERO).max_bytes;
        for seek in SEEKS {
            assert_eq!(most(seek), MAX_SEEK_BYTES, "{seek}");
        }
        assert_eq!(most("/protos.Deliver/DeliverFiltered"), MAX_SEEK_BYTES);
        assert_eq!(most("/orderer.AtomicBroadcast/Broadcast"), MAX_MESSAGE_BYTES);
        assert_eq!(most("/carecord.orderer.Cluster/Step"), MAX_MESSAGE_BYTES);
    }
}
