//! Deliver sessions: the rows D1 to D6 and D9 of the threat list, and which blocks a seek gives.

use bytes::Bytes;
use carecord_blocks::deliver::{
    Binding, Refusal, Request, Session, Step, TIME_WINDOW_MS, View, without_data,
};
use carecord_proto::block;
use carecord_proto::common::{Envelope, Status};
use carecord_proto::envelope::{SeekHeader, seek_payload};
use carecord_proto::orderer::seek_position::Type;
use carecord_proto::orderer::{
    SeekInfo, SeekNewest, SeekNextCommit, SeekOldest, SeekPosition, SeekSpecified, seek_info,
};

const NOW_MS: i64 = 1_800_000_000_000;
const FOREVER: u64 = u64::MAX;

fn at(position: Type) -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(position) })
}

fn oldest() -> Option<SeekPosition> {
    at(Type::Oldest(SeekOldest {}))
}

fn newest() -> Option<SeekPosition> {
    at(Type::Newest(SeekNewest {}))
}

fn next_commit() -> Option<SeekPosition> {
    at(Type::NextCommit(SeekNextCommit {}))
}

fn block_at(number: u64) -> Option<SeekPosition> {
    at(Type::Specified(SeekSpecified { number }))
}

fn seek(start: Option<SeekPosition>, stop: Option<SeekPosition>) -> SeekInfo {
    SeekInfo { start, stop, ..SeekInfo::default() }
}

fn envelope(seek: &SeekInfo, seconds_off: i64, tls_cert_hash: &'static [u8]) -> Envelope {
    let header = SeekHeader {
        channel_id: "ward".into(),
        creator: Bytes::from_static(b"reader"),
        timestamp: prost_types::Timestamp { seconds: NOW_MS / 1000 + seconds_off, nanos: 0 },
        tls_cert_hash: tls_cert_hash.into(),
        ..SeekHeader::default()
    };
    Envelope { payload: seek_payload(header, seek), signature: Bytes::from_static(b"sig") }
}

fn request(seek: &SeekInfo) -> Request {
    Request::open(&envelope(seek, 0, b""), NOW_MS, Binding::Off).unwrap()
}

fn view(height: u64) -> View {
    View { height, config_sequence: 1, errored: false, now_unix_ms: NOW_MS }
}

fn anybody(_: &Request) -> Result<(), String> {
    Ok(())
}

fn nobody(_: &Request) -> Result<(), String> {
    Err("not a reader".to_owned())
}

fn start(seek: &SeekInfo, height: u64) -> Result<Session, Refusal> {
    Session::start(request(seek), view(height), None, anybody)
}

/// The blocks that a seek gives at a height, and how it goes on: a status, or `None` where it waits.
fn delivered(seek: &SeekInfo, height: u64) -> (Vec<u64>, Option<Status>) {
    let mut session = match start(seek, height) {
        Ok(session) => session,
        Err(refusal) => return (Vec::new(), Some(refusal.status)),
    };
    let mut numbers = Vec::new();
    loop {
        match session.step(view(height), anybody) {
            Step::Send { number, .. } => numbers.push(number),
            Step::Wait => return (numbers, None),
            Step::End(refusal) => return (numbers, Some(refusal.status)),
        }
    }
}

#[test]
fn a_seek_gives_the_blocks_between_start_and_stop() {
    let check = |start, stop, numbers: &[u64], end| {
        assert_eq!(delivered(&seek(start, stop), 5), (numbers.to_vec(), end));
    };
    let done = Some(Status::Success);
    check(oldest(), newest(), &[0, 1, 2, 3, 4], done);
    check(newest(), newest(), &[4], done);
    check(oldest(), oldest(), &[0], done);
    check(block_at(2), oldest(), &[2], done);
    check(block_at(2), block_at(3), &[2, 3], done);
    check(block_at(3), block_at(FOREVER), &[3, 4], None);
    check(block_at(3), block_at((1 << 53) - 1), &[3, 4], None);
    check(block_at(5), block_at(5), &[], None);
    check(next_commit(), block_at(FOREVER), &[], None);
    check(oldest(), next_commit(), &[0], done);
    check(block_at(1), next_commit(), &[1, 2, 3, 4], None);
    check(block_at(1), Some(SeekPosition::default()), &[1, 2, 3, 4], None);
}

#[test]
fn a_seek_that_names_no_block_is_answered_in_fabrics_order() {
    let check = |start, stop, status| {
        assert_eq!(delivered(&seek(start, stop), 5), (Vec::new(), Some(status)));
    };
    check(None, newest(), Status::BadRequest);
    check(oldest(), None, Status::BadRequest);
    check(block_at(3), block_at(2), Status::BadRequest);
    check(block_at(6), block_at(2), Status::NotFound);
    check(block_at(6), block_at(9), Status::NotFound);
    check(Some(SeekPosition::default()), newest(), Status::NotFound);
    let refused = Session::start(request(&seek(None, None)), view(5), None, nobody);
    assert_eq!(refused.unwrap_err().status, Status::Forbidden);
}

#[test]
fn failing_is_asked_for_where_blocks_are_not_there_yet() {
    let ask = |start, stop| SeekInfo {
        behavior: seek_info::SeekBehavior::FailIfNotReady as i32,
        ..seek(start, stop)
    };
    assert_eq!(delivered(&ask(block_at(3), block_at(9)), 5), (vec![3, 4], Some(Status::NotFound)));
    assert_eq!(delivered(&ask(block_at(5), block_at(5)), 5), (vec![], Some(Status::NotFound)));
    assert_eq!(delivered(&ask(block_at(4), block_at(4)), 5), (vec![4], Some(Status::Success)));
}

#[test]
fn a_waiting_session_goes_on_when_the_block_is_there() {
    let mut session = start(&seek(block_at(5), block_at(5)), 5).unwrap();
    assert_eq!(session.step(view(5), anybody), Step::Wait);
    assert_eq!(session.step(view(6), anybody), Step::Send { number: 5, header_only: false });
    assert!(
        matches!(session.step(view(6), anybody), Step::End(end) if end.status == Status::Success)
    );
}

#[test]
fn a_request_needs_a_timestamp_within_fifteen_minutes() {
    let open = |seconds_off| {
        Request::open(&envelope(&seek(None, None), seconds_off, b""), NOW_MS, Binding::Off)
    };
    let window = TIME_WINDOW_MS / 1000;
    for good in [0, window, -window] {
        assert!(open(good).is_ok(), "{good}");
    }
    for bad in [window + 1, -window - 1, i64::MAX - NOW_MS / 1000, -NOW_MS / 1000 - i64::MAX / 2] {
        let refusal = open(bad).unwrap_err();
        assert_eq!(refusal.status, Status::BadRequest);
        assert!(refusal.reason.contains("is more than 15m0s apart from current server time"));
    }
}

#[test]
fn a_request_without_header_or_timestamp_is_a_bad_request() {
    let check = |payload: &'static [u8], reason: &str| {
        let envelope = Envelope { payload: payload.into(), signature: Bytes::new() };
        let refusal = Request::open(&envelope, NOW_MS, Binding::Off).unwrap_err();
        assert_eq!(refusal.status, Status::BadRequest);
        assert!(refusal.reason.starts_with(reason), "{}", refusal.reason);
    };
    check(b"", "envelope has no header");
    check(b"\xff", "error unmarshalling Payload: ");
    check(b"\x0a\x00", "channel header in envelope must contain timestamp");
}

#[test]
fn under_mutual_tls_a_request_is_bound_to_its_connection() {
    fn open(claimed: &'static [u8], binding: Binding<'_>) -> Result<Request, Refusal> {
        Request::open(&envelope(&seek(None, None), 0, claimed), NOW_MS, binding)
    }
    let check = |claimed, actual: Option<&[u8]>, reason: &str| {
        let refusal = open(claimed, Binding::Certificate(actual)).unwrap_err();
        assert_eq!((refusal.status, refusal.reason.as_str()), (Status::BadRequest, reason));
    };
    assert!(open(b"", Binding::Off).is_ok());
    assert!(open(b"abc", Binding::Certificate(Some(b"abc"))).is_ok());
    check(b"", Some(b"abc"), "client didn't include its TLS cert hash");
    check(b"abc", None, "client didn't send a TLS certificate");
    check(
        b"abc",
        Some(b"xyz"),
        "claimed TLS cert hash is 616263 but actual TLS cert hash is 78797a",
    );
}

#[test]
fn seek_information_that_is_no_message_is_a_bad_request_after_the_channel_was_found() {
    let mut envelope = envelope(&seek(None, None), 0, b"");
    envelope.payload = [&envelope.payload[..], b"\x12\x01\xff"].concat().into();
    let request = Request::open(&envelope, NOW_MS, Binding::Off).unwrap();
    let refusal = Session::start(request, view(5), None, anybody).unwrap_err();
    assert_eq!(refusal.status, Status::BadRequest);
    assert!(refusal.reason.starts_with("malformed seekInfo payload: "));
    assert_eq!(Refusal::unknown_channel("x").status, Status::NotFound);
}

#[test]
fn a_reader_is_asked_again_when_the_configuration_changes_and_only_then() {
    let mut session = start(&seek(oldest(), block_at(FOREVER)), 5).unwrap();
    assert!(matches!(session.step(view(5), nobody), Step::Send { number: 0, .. }));
    let changed = View { config_sequence: 2, ..view(5) };
    assert!(matches!(session.step(changed, anybody), Step::Send { number: 1, .. }));
    assert!(matches!(session.step(changed, nobody), Step::Send { number: 2, .. }));
    let changed = View { config_sequence: 3, ..view(5) };
    assert!(
        matches!(session.step(changed, nobody), Step::End(end) if end.status == Status::Forbidden)
    );
}

#[test]
fn a_session_ends_at_the_first_block_after_its_certificate() {
    let end = NOW_MS / 1000 + 60;
    let mut session =
        Session::start(request(&seek(oldest(), block_at(FOREVER))), view(1), Some(end), anybody)
            .unwrap();
    assert!(matches!(session.step(view(1), anybody), Step::Send { number: 0, .. }));
    let later = View { now_unix_ms: NOW_MS + 61_000, ..view(1) };
    assert_eq!(session.step(later, anybody), Step::Wait);
    let Step::End(refusal) = session.step(View { height: 2, ..later }, anybody) else {
        panic!("it goes on")
    };
    assert_eq!(refusal.status, Status::Forbidden);
    assert_eq!(refusal.reason, "deliver client identity expired 1s before");
}

#[test]
fn a_consenter_in_error_serves_only_those_who_ask_for_best_effort() {
    let errored = View { errored: true, ..view(5) };
    let strict = seek(oldest(), block_at(FOREVER));
    let refused = Session::start(request(&strict), errored, None, nobody).unwrap_err();
    assert_eq!(refused.status, Status::ServiceUnavailable);
    let mut session = start(&strict, 5).unwrap();
    assert!(
        matches!(session.step(errored, anybody), Step::End(end) if end.status == Status::ServiceUnavailable)
    );
    let error_response = seek_info::SeekErrorResponse::BestEffort as i32;
    let lenient = SeekInfo { error_response, ..strict };
    let mut session = Session::start(request(&lenient), errored, None, anybody).unwrap();
    assert!(matches!(session.step(errored, anybody), Step::Send { number: 0, .. }));
}

#[test]
fn a_reader_of_headers_gets_blocks_without_data() {
    let content_type = seek_info::SeekContentType::HeaderWithSig as i32;
    let mut session = start(&SeekInfo { content_type, ..seek(oldest(), oldest()) }, 5).unwrap();
    assert_eq!(session.step(view(5), anybody), Step::Send { number: 0, header_only: true });
    let whole = block::new(0, Bytes::new(), vec![Bytes::from_static(b"tx")]);
    let bare = without_data(&whole);
    assert!(bare.data.is_none() && bare.header == whole.header && bare.metadata == whole.metadata);
}
