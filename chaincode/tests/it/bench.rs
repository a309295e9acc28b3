//! The `bench` chaincode.

use carecord_chaincode::{
    bench,
    test_util::{MemoryLedger, TestIdentity, Verdict},
};

fn start() -> (MemoryLedger, TestIdentity) {
    (MemoryLedger::new(bench::chaincode()), TestIdentity::new("Org1MSP", "patient"))
}

fn text(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).unwrap()
}

#[test]
fn a_value_is_answered_byte_for_byte() {
    let (mut ledger, user) = start();
    let value: &[u8] = &[0, 255, 1, 128];
    let put = ledger.submit("bench", &user, &[b"put".as_slice(), b"k", value]);
    assert_eq!(put.verdict, Verdict::Valid);
    assert_eq!(ledger.evaluate("bench", &user, &["get", "k"]).payload, value);
}

#[test]
fn the_contract_name_may_be_given_or_left_out() {
    let (mut ledger, user) = start();
    ledger.submit("bench", &user, &["bench:put", "k", "v"]);
    assert_eq!(ledger.evaluate("bench", &user, &["get", "k"]).payload, "v");
}

#[test]
fn an_absent_key_is_an_error_with_its_code() {
    let (mut ledger, user) = start();
    let answer = ledger.evaluate("bench", &user, &["get", "nothing"]);
    assert_eq!(answer.status, 500);
    assert!(answer.message.starts_with("CR-CC-031 NOT_FOUND"), "{}", answer.message);
}

#[test]
fn a_transfer_moves_exactly_the_amount_or_nothing() {
    let (mut ledger, user) = start();
    ledger.submit("bench", &user, &["put", "a", "10"]);
    ledger.submit("bench", &user, &["put", "b", "5"]);
    ledger.submit("bench", &user, &["transfer", "a", "b", "7"]);
    let before = ledger.state().clone();
    for (bad, code) in [
        (["transfer", "a", "b", "4"], "CR-CC-061"),
        (["transfer", "a", "a", "1"], "CR-CC-010"),
        (["transfer", "a", "b", "-1"], "CR-CC-003"),
        (["transfer", "a", "b", "0"], "CR-CC-010"),
        (["transfer", "a", "x", "1"], "CR-CC-031"),
    ] {
        let refused = ledger.submit("bench", &user, &bad);
        assert_eq!(refused.verdict, Verdict::NotEndorsed);
        assert!(refused.response.message.starts_with(code), "{}", refused.response.message);
    }
    assert_eq!(*ledger.state(), before);
    assert_eq!(text(&ledger.evaluate("bench", &user, &["get", "a"]).payload), "3");
    assert_eq!(text(&ledger.evaluate("bench", &user, &["get", "b"]).payload), "12");
}

#[test]
fn two_transfers_from_one_snapshot_conflict() {
    let (mut ledger, user) = start();
    ledger.submit("bench", &user, &["put", "a", "10"]);
    ledger.submit("bench", &user, &["put", "b", "0"]);
    let first = ledger.simulate("bench", &user, &["transfer", "a", "b", "10"]);
    let second = ledger.simulate("bench", &user, &["transfer", "a", "b", "10"]);
    assert_eq!(ledger.commit(first).verdict, Verdict::Valid);
    assert_eq!(ledger.commit(second).verdict, Verdict::ReadConflict);
}

#[test]
fn a_range_answers_what_lies_between_and_no_more_than_the_limit() {
    let (mut ledger, user) = start();
    for key in ["a", "b", "c", "d"] {
        ledger.submit("bench", &user, &["put", key, key]);
    }
    let answer = ledger.evaluate("bench", &user, &["range", "b", "d", "10"]);
    assert_eq!(text(&answer.payload), r#"[{"key":"b","value":"b"},{"key":"c","value":"c"}]"#);
    let answer = ledger.evaluate("bench", &user, &["range", "", "", "1"]);
    assert_eq!(text(&answer.payload), r#"[{"key":"a","value":"a"}]"#);
}

#[test]
fn a_fill_writes_numbered_keys_with_values_that_follow_from_them() {
    let (mut ledger, user) = start();
    let filled = ledger.submit("bench", &user, &["fill", "key-", "98", "3"]);
    assert_eq!(filled.verdict, Verdict::Valid);
    for key in ["key-00000098", "key-00000099", "key-00000100"] {
        let value = ledger.evaluate("bench", &user, &["get", key]).payload;
        assert_eq!(value, bench::fill_value(key));
        assert_eq!(value.len(), bench::FILL_VALUE_BYTES);
    }
    assert_eq!(ledger.evaluate("bench", &user, &["get", "key-00000101"]).status, 500);
    assert_eq!(text(&bench::fill_value("key-00000098")[..16]), "key-00000098key-");
}

#[test]
fn a_fill_of_nothing_or_of_too_much_is_refused() {
    let (mut ledger, user) = start();
    let (most, beyond) = (bench::FILL_MAX.to_string(), (bench::FILL_MAX + 1).to_string());
    let last = u64::MAX.to_string();
    for bad in [["k", "0", "0"], ["k", "0", &beyond], ["k", &last, "1"], ["\0", "0", "1"]] {
        let refused = ledger.submit("bench", &user, &["fill", bad[0], bad[1], bad[2]]);
        assert_eq!(refused.verdict, Verdict::NotEndorsed, "{bad:?}");
    }
    assert!(ledger.state().is_empty());
    let filled = ledger.submit("bench", &user, &["fill", "k", "0", &most]);
    assert_eq!(filled.verdict, Verdict::Valid);
    assert_eq!(ledger.state().len(), bench::FILL_MAX as usize);
}
