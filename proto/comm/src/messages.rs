//! Where gRPC messages begin and end in a body: each has a flag byte and its length before it.

use bytes::Buf;

/// Follows a body, however it is cut.
#[derive(Default)]
pub(crate) struct MessageCounter {
    prefix: Vec<u8>,
    left: usize,
}

/// What a piece of a body held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// How many messages begin in it.
    pub(crate) begun: u64,
    /// Bytes of the largest of them.
    pub(crate) largest: usize,
    /// Bytes of the message that began in it and does not end in it.
    pub(crate) unfinished: Option<usize>,
}

// === impl MessageCounter ===

impl MessageCounter {
    const PREFIX_BYTES: usize = 5;

    /// Whether the body may end or pause here: no message is half there.
    pub(crate) fn is_between(&self) -> bool {
        self.left == 0 && self.prefix.is_empty()
    }

    /// Takes the next piece of the body.
    pub(crate) fn take(&mut self, mut data: &[u8]) -> Piece {
        let mut piece = Piece::default();
        while !data.is_empty() {
            let skipped = self.left.min(data.len());
            data.advance(skipped);
            self.left -= skipped;
            if self.left == 0 {
                piece.unfinished = None;
            }
            let wanted = (Self::PREFIX_BYTES - self.prefix.len()).min(data.len());
            self.prefix.extend_from_slice(&data[..wanted]);
            data.advance(wanted);
            if let [_, length @ ..] = self.prefix.as_slice()
                && let Ok(length) = length.try_into()
            {
                self.left = u32::from_be_bytes(length) as usize;
                self.prefix.clear();
                piece.begun += 1;
                piece.largest = piece.largest.max(self.left);
                piece.unfinished = (self.left > 0).then_some(self.left);
            }
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, length];
        bytes.extend(std::iter::repeat_n(7, length.into()));
        bytes
    }

    #[test]
    fn messages_are_counted_however_the_body_is_cut() {
        let body: Vec<u8> = [message(3), message(0), message(9), message(1)].concat();
        for size in 1..=body.len() {
            let mut counter = MessageCounter::default();
            let pieces: Vec<Piece> = body.chunks(size).map(|data| counter.take(data)).collect();
            let begun: u64 = pieces.iter().map(|piece| piece.begun).sum();
            let largest = pieces.iter().map(|piece| piece.largest).max();
            assert_eq!((begun, largest), (4, Some(9)), "pieces of {size} bytes");
            assert!(counter.is_between());
        }
    }

    #[test]
    fn a_message_that_goes_on_in_the_next_piece_is_unfinished() {
        let mut counter = MessageCounter::default();
        let body: Vec<u8> = [message(3), message(9)].concat();
        assert_eq!(counter.take(&body[..15]).unfinished, Some(9));
        assert!(!counter.is_between());
        assert_eq!(counter.take(&body[15..]), Piece::default());
        assert!(counter.is_between());
    }
}
