//! What is read ahead for deliver streams: bounded by bytes, for a person, an organisation and the node.
//!
//! Place in the flow: a stream takes its share before a block waits for the reader, and gives it back when the reader's
//! connection asks for what comes after it. A client that does not read so holds up its own streams and nobody else's;
//! nodes that follow a channel have a budget of their own, and where others wait, a reader that has taken nothing for
//! too long is cut.

mod budget;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Duration, Instant},
};
use tokio_stream::Stream;
use tonic::Status;

pub use budget::{Budget, Reader, Share};

use crate::Connection;

/// Messages of one stream that wait behind the one that is being sent.
const MESSAGES_AHEAD: usize = 1;
/// How long a reader may leave unread what it holds of a budget that others wait for.
const STALLED: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 20 });

/// What one waiting message takes of the budget, until it is dropped.
#[derive(Debug)]
pub struct Taken(Vec<OwnedSemaphorePermit>);

/// A message or the stream's error, and what it takes.
pub type Charged<T> = (Result<T, Status>, Taken);

/// The messages of one stream, as its connection takes them.
#[derive(Debug)]
pub struct Ahead<T> {
    messages: mpsc::Receiver<Charged<T>>,
    /// Of the message given last: it waits in the connection until the next one is asked for.
    under_way: Option<Taken>,
    progress: Arc<Progress>,
}

/// Since when a stream holds something that its reader does not take.
#[derive(Debug, Default)]
pub struct Progress {
    unread_since: Mutex<Option<Instant>>,
    connection: Option<Connection>,
}

/// A stream on this connection, where its messages are put in, and its progress for [`Budget::share`].
pub fn ahead<T>(
    connection: Option<Connection>,
) -> (mpsc::Sender<Charged<T>>, Ahead<T>, Arc<Progress>) {
    let (sender, messages) = mpsc::channel(MESSAGES_AHEAD);
    let progress = Arc::new(Progress { connection, ..Progress::default() });
    (sender, Ahead { messages, under_way: None, progress: Arc::clone(&progress) }, progress)
}

// === impl Taken ===

impl Taken {
    /// For a message that is not counted.
    pub const NOTHING: Self = Self(Vec::new());

    fn is_counted(&self) -> bool {
        !self.0.is_empty()
    }
}

// === impl Progress ===

impl Progress {
    /// Something counted begins to wait for the reader.
    fn hold(&self) {
        self.unread_since.lock().get_or_insert_with(Instant::now);
    }

    /// The reader has asked for the next message, and left this or nothing unread.
    fn read(&self, left_unread: bool) {
        *self.unread_since.lock() = left_unread.then(Instant::now);
    }

    /// Cuts the reader's connection if it has taken nothing for too long.
    fn cut_if_stalled(&self) {
        let stalled = self.unread_since.lock().is_some_and(|since| since.elapsed() >= STALLED);
        if let (true, Some(connection)) = (stalled, &self.connection) {
            connection.cut();
        }
    }
}

// === impl Ahead ===

impl<T> Stream for Ahead<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.under_way = None;
        let received = self.messages.poll_recv(context);
        let Poll::Ready(Some((message, taken))) = received else {
            self.progress.read(false);
            return received.map(|_| None);
        };
        self.progress.read(taken.is_counted() || !self.messages.is_empty());
        self.under_way = Some(taken);
        Poll::Ready(Some(message))
    }
}

#[cfg(test)]
mod tests;
