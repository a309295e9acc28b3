//! What is read ahead for deliver streams: bounded by bytes, for a stream, for a client and for the node.
//!
//! Place in the flow: a stream takes its share before a block waits for the reader, and gives it back when the reader's
//! connection asks for what comes after it. A client that does not read so holds up its own streams and nobody else's.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::Stream;
use tonic::Status;

/// What all streams of the node together may keep waiting.
const NODE_KIB: usize = 96 << 10;
/// What the streams of one client together may keep waiting; a larger block takes all of it.
const CLIENT_KIB: usize = 24 << 10;
/// A message up to this size is not counted, so that small blocks flow whatever large ones wait for.
const UNCOUNTED_BYTES: usize = 16 << 10;
/// Messages of one stream that wait behind the one that is being sent.
const MESSAGES_AHEAD: usize = 1;

/// The bytes that deliver streams of a node may keep waiting.
#[derive(Debug)]
pub struct Budget {
    node: Arc<Semaphore>,
    clients: Mutex<BTreeMap<Bytes, Weak<Semaphore>>>,
}

/// One client's part of the budget, shared by its streams.
#[derive(Debug)]
pub struct Share {
    node: Arc<Semaphore>,
    client: Arc<Semaphore>,
}

/// What one waiting message takes of the budget, until it is dropped.
#[derive(Debug)]
pub struct Taken {
    _client: Option<OwnedSemaphorePermit>,
    _node: Option<OwnedSemaphorePermit>,
}

/// A message or the stream's error, and what it takes.
pub type Charged<T> = (Result<T, Status>, Taken);

/// The messages of one stream, as its connection takes them.
#[derive(Debug)]
pub struct Ahead<T> {
    messages: mpsc::Receiver<Charged<T>>,
    /// Of the message given last: it waits in the connection until the next one is asked for.
    under_way: Option<Taken>,
}

/// A stream and where its messages are put in.
pub fn ahead<T>() -> (mpsc::Sender<Charged<T>>, Ahead<T>) {
    let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
    (sender, Ahead { messages, under_way: None })
}

// === impl Budget ===

impl Default for Budget {
    fn default() -> Self {
        Self { node: Arc::new(Semaphore::new(NODE_KIB)), clients: Mutex::default() }
    }
}

impl Budget {
    /// The part of the client with this serialized identity.
    pub fn share(&self, creator: &Bytes) -> Share {
        let node = Arc::clone(&self.node);
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(creator).and_then(Weak::upgrade) {
            return Share { node, client };
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let client = Arc::new(Semaphore::new(CLIENT_KIB));
        // A copy, because the creator is a slice of the whole request.
        clients.insert(Bytes::copy_from_slice(creator), Arc::downgrade(&client));
        Share { node, client }
    }
}

// === impl Share ===

impl Share {
    /// Takes `bytes` if they are free now.
    pub fn try_take(&self, bytes: usize) -> Option<Taken> {
        let Some(kib) = counted(bytes) else { return Some(Taken::NOTHING) };
        let client = Arc::clone(&self.client).try_acquire_many_owned(kib).ok()?;
        let node = Arc::clone(&self.node).try_acquire_many_owned(kib).ok()?;
        Some(Taken { _client: Some(client), _node: Some(node) })
    }

    /// Waits until `bytes` are free; the caller should hold no block meanwhile.
    pub async fn take(&self, bytes: usize) -> Taken {
        let Some(kib) = counted(bytes) else { return Taken::NOTHING };
        let closed = "the budget is never closed";
        let client = Arc::clone(&self.client).acquire_many_owned(kib).await.expect(closed);
        let node = Arc::clone(&self.node).acquire_many_owned(kib).await.expect(closed);
        Taken { _client: Some(client), _node: Some(node) }
    }
}

fn counted(bytes: usize) -> Option<u32> {
    let kib = bytes.div_ceil(1024).min(CLIENT_KIB);
    (bytes > UNCOUNTED_BYTES).then(|| u32::try_from(kib).expect("a share is small"))
}

// === impl Taken ===

impl Taken {
    /// For a message that is not counted.
    pub const NOTHING: Self = Self { _client: None, _node: None };
}

// === impl Ahead ===

impl<T> Stream for Ahead<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.under_way = None;
        let Some((message, taken)) = ready!(self.messages.poll_recv(context)) else {
            return Poll::Ready(None);
        };
        self.under_way = Some(taken);
        Poll::Ready(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    const BLOCK: usize = 10 << 20;

    #[tokio::test]
    async fn a_hundred_unread_streams_of_a_client_hold_its_share_and_leave_the_rest_to_others() {
        let budget = Budget::default();
        let streams: Vec<_> =
            (0..100).map(|_| budget.share(&Bytes::from_static(b"idle"))).collect();
        let held: Vec<Taken> = streams.iter().filter_map(|share| share.try_take(BLOCK)).collect();
        assert_eq!(held.len(), 2, "two blocks of 10 MiB fit into 24 MiB");
        assert!(streams[99].try_take(100).is_some(), "small blocks flow on");
        assert!(budget.share(&Bytes::from_static(b"other")).try_take(BLOCK).is_some());
        let clients = (0..100u8).map(|client| budget.share(&Bytes::from(vec![client])));
        let more: Vec<_> = clients.filter_map(|share| share.try_take(BLOCK)).collect();
        assert_eq!(held.len() + more.len(), 9, "96 MiB are all that the node gives");
        drop((streams, held, more));
        budget.share(&Bytes::from_static(b"last"));
        assert!(budget.clients.lock().len() <= 1, "clients that left are forgotten");
    }

    #[tokio::test]
    async fn a_message_is_charged_until_the_reader_asks_for_the_next() {
        let budget = Budget::default();
        let share = budget.share(&Bytes::from_static(b"client"));
        let free = share.client.available_permits();
        let (sender, mut stream) = ahead::<u32>();
        for message in [1, 2] {
            let taken = share.try_take(BLOCK).expect("free");
            sender.send((Ok(message), taken)).await.expect("open");
            if message == 1 {
                assert_eq!(stream.next().await.expect("a message").expect("good"), 1);
            }
        }
        assert!(sender.try_reserve().is_err(), "one block waits beyond the first");
        assert!(share.try_take(BLOCK).is_none());
        assert_eq!(stream.next().await.expect("a message").expect("good"), 2);
        drop(share.take(BLOCK).await);
        drop(stream);
        assert_eq!(share.client.available_permits(), free, "a reader that leaves holds nothing");
    }
}
