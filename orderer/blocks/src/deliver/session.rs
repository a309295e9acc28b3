//! One seek: which block is next, and whether its reader may still have it.

use carecord_proto::block;
use carecord_proto::common::{Block, Status};
use carecord_proto::orderer::seek_info::{SeekBehavior, SeekContentType, SeekErrorResponse};
use carecord_proto::orderer::{SeekInfo, SeekPosition, seek_position::Type};

use super::request::{Refusal, Request};

/// How the channel and the clock stand when a session is asked for its next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// One more than the number of the last block that may be delivered.
    pub height: u64,
    /// The configuration's sequence; the reader is checked again when it grows.
    pub config_sequence: u64,
    /// Whether the consenter is in error, so that blocks may be missing.
    pub errored: bool,
    /// The server's clock.
    pub now_unix_ms: i64,
}

/// What the caller does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send block `number`, without its data if `header_only` ([`without_data`]), then ask again.
    Send {
        /// The block.
        number: u64,
        /// Whether only header and metadata are wanted.
        header_only: bool,
    },
    /// Ask again when the height, the configuration or the error state has changed.
    Wait,
    /// Send this status; the session is over.
    End(Refusal),
}

/// A seek under way.
#[derive(Debug, Clone)]
pub struct Session {
    request: Request,
    expires_at_unix_s: Option<i64>,
    config_sequence: u64,
    next: u64,
    stop: u64,
    fail_if_not_ready: bool,
    best_effort: bool,
    header_only: bool,
    finished: bool,
}

// === impl Session ===

impl Session {
    /// Begins a seek on a channel that exists.
    ///
    /// `expires_at_unix_s` is when the requester's certificate ends (`None`: never); `authorise` says whether signature
    /// and identity satisfy the channel's policy for readers.
    pub fn start(
        request: Request,
        view: View,
        expires_at_unix_s: Option<i64>,
        authorise: impl FnOnce(&Request) -> Result<(), String>,
    ) -> Result<Self, Refusal> {
        let seek = request.seek.clone().map_err(|error| {
            let reason = format!("malformed seekInfo payload: {error}");
            Refusal::new(Status::BadRequest, reason)
        })?;
        let best_effort = seek.error_response == SeekErrorResponse::BestEffort as i32;
        if view.errored && !best_effort {
            return Err(errored());
        }
        check_expiry(expires_at_unix_s, view.now_unix_ms)?;
        authorise(&request).map_err(forbidden)?;
        let (next, stop) = positions(&seek, view.height)?;
        Ok(Self {
            request,
            expires_at_unix_s,
            config_sequence: view.config_sequence,
            next,
            stop,
            fail_if_not_ready: seek.behavior == SeekBehavior::FailIfNotReady as i32,
            best_effort,
            header_only: seek.content_type == SeekContentType::HeaderWithSig as i32,
            finished: false,
        })
    }

    /// What to do now; `authorise` is asked only if the configuration has changed since it was last asked.
    pub fn step(
        &mut self,
        view: View,
        authorise: impl FnOnce(&Request) -> Result<(), String>,
    ) -> Step {
        if self.finished {
            return Step::End(Refusal::new(Status::Success, "done delivering"));
        }
        if view.errored && !self.best_effort {
            return Step::End(errored());
        }
        if self.next >= view.height {
            return self.not_ready();
        }
        if let Err(refusal) = self.check_access(view, authorise) {
            return Step::End(refusal);
        }
        let number = self.next;
        self.next += 1;
        self.finished = number == self.stop;
        Step::Send { number, header_only: self.header_only }
    }

    /// The request that this session serves.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The number of the block that is wanted next.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    fn not_ready(&self) -> Step {
        if !self.fail_if_not_ready {
            return Step::Wait;
        }
        let number = self.next;
        let reason =
            format!("block {number} not found, block number greater than chain length bounds");
        Step::End(Refusal::new(Status::NotFound, reason))
    }

    fn check_access(
        &mut self,
        view: View,
        authorise: impl FnOnce(&Request) -> Result<(), String>,
    ) -> Result<(), Refusal> {
        check_expiry(self.expires_at_unix_s, view.now_unix_ms)?;
        if view.config_sequence > self.config_sequence {
            self.config_sequence = view.config_sequence;
            authorise(&self.request).map_err(forbidden)?;
        }
        Ok(())
    }
}

/// A block as a reader of headers gets it; configuration blocks stay whole.
pub fn without_data(block: &Block) -> Block {
    let data = if block::is_config(block) { block.data.clone() } else { None };
    Block { header: block.header.clone(), data, metadata: block.metadata.clone() }
}

/// The first and the last block of a seek.
fn positions(seek: &SeekInfo, height: u64) -> Result<(u64, u64), Refusal> {
    let (Some(start), Some(stop)) = (&seek.start, &seek.stop) else {
        return Err(Refusal::new(Status::BadRequest, "seekInfo with missing start or stop"));
    };
    let newest = height.saturating_sub(1);
    let next = match &start.r#type {
        Some(Type::Oldest(_)) => Some(0),
        Some(Type::Newest(_)) => Some(newest),
        Some(Type::NextCommit(_)) => Some(height),
        Some(Type::Specified(at)) => Some(at.number).filter(|number| *number <= height),
        None => None,
    };
    let next = next.ok_or_else(|| Refusal::new(Status::NotFound, "start is above the height"))?;
    Ok((next, last_number(start, stop, next, newest)?))
}

/// A stop at the next commit, or none at all, is block 0, as in Fabric: such a seek from elsewhere runs on for ever.
fn last_number(
    start: &SeekPosition,
    stop: &SeekPosition,
    next: u64,
    newest: u64,
) -> Result<u64, Refusal> {
    match &stop.r#type {
        Some(Type::Oldest(_)) => Ok(next),
        Some(Type::Newest(_)) if start == stop => Ok(next),
        Some(Type::Newest(_)) => Ok(newest),
        Some(Type::Specified(at)) if at.number < next => {
            let reason = format!("start number {next} greater than stop number {}", at.number);
            Err(Refusal::new(Status::BadRequest, reason))
        }
        Some(Type::Specified(at)) => Ok(at.number),
        Some(Type::NextCommit(_)) | None => Ok(0),
    }
}

fn check_expiry(expires_at_unix_s: Option<i64>, now_unix_ms: i64) -> Result<(), Refusal> {
    let Some(end) = expires_at_unix_s else { return Ok(()) };
    let late_ms = i128::from(now_unix_ms) - i128::from(end) * 1000;
    if late_ms <= 0 {
        return Ok(());
    }
    Err(forbidden(format!("deliver client identity expired {}s before", late_ms / 1000)))
}

fn forbidden(reason: String) -> Refusal {
    Refusal::new(Status::Forbidden, reason)
}

fn errored() -> Refusal {
    Refusal::new(Status::ServiceUnavailable, "the consenter is in error")
}
