//! How a call finds its function, and what it is told if it does not.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_chaincode::{
    Class, Context, Contract, ContractError, Contracts, ErrorCode, Function, json_object,
    serde_json::Value,
    test_util::{KeyKind, MemoryLedger, TestIdentity, Verdict},
};

const FULL: &ErrorCode = &ErrorCode::new("CR-CC-999", Class::ResourceExhausted, "come back later");

json_object! {
    /// Something with a shape.
    pub struct Parcel {
        /// How heavy.
        pub weight_grams: u64,
        /// What is written on it.
        pub labels: Vec<String>,
        /// Who gets it back.
        pub return_to: Option<String>,
    }
}

fn weigh(_: &mut Context<'_>, parcel: Parcel) -> Result<Parcel, ContractError> {
    if parcel.weight_grams > 1000 {
        return Err(FULL.because("too heavy"));
    }
    Ok(parcel)
}

fn twice(context: &mut Context<'_>, key: String) -> Result<bool, ContractError> {
    context.put_bytes(&key, "once")?;
    Ok(context.bytes(&key)?.is_some())
}

fn crash(_: &mut Context<'_>) -> Result<(), ContractError> {
    panic!("a bug in a contract")
}

fn relay(context: &mut Context<'_>) -> Result<(), ContractError> {
    let args = ["post:Twice", "x"].map(Bytes::from).to_vec();
    let answer = context.stub().invoke_chaincode("other", args, "");
    if answer.is_endorsable() { Ok(()) } else { Err(FULL.because(answer.message)) }
}

fn chaincode(name: &'static str) -> Contracts {
    let post = Contract::new("post", "parcels")
        .function(
            Function::submit("Weigh", "weighs", &["parcel"], weigh)
                .roles(&["clerk"])
                .errors(&[FULL])
                .events(&["Weighed"])
                .transient(&["seal"]),
        )
        .function(Function::submit("Twice", "reads its own write", &["key"], twice))
        .function(Function::submit("Crash", "fails", &[], crash))
        .function(Function::submit("Relay", "calls the other chaincode", &[], relay));
    Contracts::new(name, "1.0", vec![post])
}

fn start() -> (MemoryLedger, TestIdentity) {
    (MemoryLedger::new(chaincode("parcels")), TestIdentity::new("Org1MSP", "clerk"))
}

fn refusal(ledger: &mut MemoryLedger, who: &TestIdentity, args: &[&str]) -> String {
    let answer = ledger.evaluate("parcels", who, args);
    assert_eq!((answer.status, answer.payload.len()), (500, 0));
    answer.message
}

#[test]
fn structures_go_in_and_out_as_json() {
    let (mut ledger, clerk) = start();
    let json = r#"{"weightGrams":5,"labels":["fragile"],"returnTo":null}"#;
    let answer = ledger.evaluate("parcels", &clerk, &["post:Weigh", json]);
    assert_eq!((answer.status, answer.payload.as_ref()), (200, json.as_bytes()));
}

#[test]
fn a_wrong_call_is_told_what_is_wrong() {
    let (mut ledger, clerk) = start();
    for (args, expected) in [
        (vec![], "CR-CC-001 INVALID_ARGUMENT: the call names no function"),
        (
            vec!["Weigh"],
            "CR-CC-001 INVALID_ARGUMENT: chaincode parcels has no contract of that name",
        ),
        (
            vec!["post:Send"],
            "CR-CC-001 INVALID_ARGUMENT: contract post has no function of that name",
        ),
        (
            vec!["post:Weigh"],
            "CR-CC-002 INVALID_ARGUMENT: Weigh takes 1 arguments (parcel), 0 were given",
        ),
        (vec!["post:Weigh", "{"], "CR-CC-003 INVALID_ARGUMENT at /parcel"),
        (
            vec!["post:Weigh", r#"{"weightGrams":1,"labels":["a",2]}"#],
            "CR-CC-003 INVALID_ARGUMENT at /parcel/labels/1",
        ),
        (
            vec!["post:Weigh", r#"{"weightGrams":-1,"labels":[]}"#],
            "CR-CC-003 INVALID_ARGUMENT at /parcel/weightGrams",
        ),
        (
            vec!["post:Weigh", r#"{"weightGrams":1,"labels":[],"x":1}"#],
            "CR-CC-003 INVALID_ARGUMENT at /parcel/x",
        ),
        (
            vec!["post:Weigh", r#"{"weightGrams":1,"labels":[]} true"#],
            "CR-CC-003 INVALID_ARGUMENT at /parcel",
        ),
        (
            vec!["post:Weigh", r#"{"weightGrams":1001,"labels":[]}"#],
            "CR-CC-999 RESOURCE_EXHAUSTED: too heavy (hint: come back later)",
        ),
        (vec!["post:Crash"], "CR-CC-009 INTERNAL: the function panicked"),
    ] {
        let message = refusal(&mut ledger, &clerk, &args);
        assert!(message.starts_with(expected), "{args:?}: {message}");
    }
}

#[test]
fn only_the_declared_roles_get_in() {
    let (mut ledger, _) = start();
    let json = r#"{"weightGrams":5,"labels":[]}"#;
    for who in [
        TestIdentity::new("Org1MSP", "thief"),
        TestIdentity::with("Org1MSP", None, KeyKind::Ed25519),
    ] {
        let message = refusal(&mut ledger, &who, &["post:Weigh", json]);
        assert!(message.starts_with("CR-CC-020 PERMISSION_DENIED"), "{message}");
    }
}

#[test]
fn unknown_transient_fields_are_refused_without_being_named() {
    let (mut ledger, clerk) = start();
    ledger.transient = BTreeMap::from([("diagnosis".to_owned(), Bytes::from("x"))]);
    let json = r#"{"weightGrams":5,"labels":[]}"#;
    let message = refusal(&mut ledger, &clerk, &["post:Weigh", json]);
    assert!(message.starts_with("CR-CC-006") && !message.contains("diagnosis"), "{message}");
    ledger.transient = BTreeMap::from([("seal".to_owned(), Bytes::from("x"))]);
    assert_eq!(ledger.evaluate("parcels", &clerk, &["post:Weigh", json]).status, 200);
}

#[test]
fn a_call_never_sees_its_own_writes() {
    let (mut ledger, clerk) = start();
    let first = ledger.submit("parcels", &clerk, &["post:Twice", "k"]);
    let second = ledger.submit("parcels", &clerk, &["post:Twice", "k"]);
    assert_eq!(
        (&first.response.payload[..], &second.response.payload[..]),
        (&b"false"[..], &b"true"[..])
    );
}

#[test]
fn a_called_chaincode_writes_in_its_own_namespace_and_the_same_transaction() {
    let (mut ledger, clerk) = start();
    ledger.define(chaincode("other"));
    let done = ledger.submit("parcels", &clerk, &["post:Relay"]);
    assert_eq!(done.verdict, Verdict::Valid);
    let keys: Vec<_> = ledger.state().keys().cloned().collect();
    assert_eq!(keys, [("other".to_owned(), "x".to_owned())]);
}

#[test]
fn the_metadata_says_what_the_declaration_says() {
    let (mut ledger, clerk) = start();
    let answer = ledger.evaluate("parcels", &clerk, &["org.hyperledger.fabric:GetMetadata"]);
    let document: Value = carecord_chaincode::serde_json::from_slice(&answer.payload).unwrap();
    let weigh = &document["contracts"]["post"]["transactions"][0];
    assert_eq!(weigh["name"], "Weigh");
    assert_eq!(weigh["tag"][0], "submit");
    assert_eq!(weigh["parameters"][0]["name"], "parcel");
    let properties = &weigh["parameters"][0]["schema"]["properties"];
    assert_eq!(properties["weightGrams"]["type"], "integer");
    assert_eq!(weigh["returns"]["title"], "Parcel");
    assert_eq!(weigh["x-roles"][0], "clerk");
    assert_eq!(weigh["x-errors"][0]["code"], "CR-CC-999");
    assert_eq!(weigh["x-events"][0], "Weighed");
}
