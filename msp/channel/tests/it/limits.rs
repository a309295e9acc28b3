//! Nesting bombs and bad policies (threat V16) are refused when a configuration is taken in, each with its reason.

use carecord_channel::Bundle;
use carecord_channel::config::limits::MAX_GROUP_DEPTH;
use carecord_channel::policy::{MAX_POLICY_DEPTH, MAX_POLICY_RULES, dsl};
use carecord_proto::common::signature_policy::{NOutOf, Type};
use carecord_proto::common::{
    Block, Config, ConfigGroup, ConfigPolicy, Policy, SignaturePolicy, SignaturePolicyEnvelope,
};
use carecord_proto::{block, testdata};
use prost::Message;

fn config() -> Option<Config> {
    let Some(path) = testdata::path("fabric-golden-2/golden/genesis.block") else {
        testdata::skipped("limits on a real configuration");
        return None;
    };
    let block = Block::decode(&std::fs::read(path).expect("readable")[..]).expect("a block");
    block::config_envelope(&block).expect("readable").expect("a config block").config
}

fn root(config: &mut Config) -> &mut ConfigGroup {
    config.channel_group.as_mut().expect("a root")
}

/// What comes of the configuration with one more signature policy.
fn with_policy(config: &Config, envelope: &SignaturePolicyEnvelope) -> Result<Bundle, String> {
    let mut config = config.clone();
    let policy = Policy { r#type: 1, value: envelope.encode_to_vec().into() };
    let entry = ConfigPolicy { policy: Some(policy), ..Default::default() };
    root(&mut config).policies.insert("Extra".into(), entry);
    Bundle::from_config("golden", &config).map_err(|error| error.to_string())
}

fn leaf(index: i32) -> SignaturePolicy {
    SignaturePolicy { r#type: Some(Type::SignedBy(index)) }
}

fn gate(n: i32, rules: Vec<SignaturePolicy>) -> SignaturePolicy {
    SignaturePolicy { r#type: Some(Type::NOutOf(NOutOf { n, rules })) }
}

fn envelope(rule: SignaturePolicy) -> SignaturePolicyEnvelope {
    let identities = dsl::parse("OR('Org1MSP.member')").expect("a policy").identities;
    SignaturePolicyEnvelope { version: 0, rule: Some(rule), identities }
}

fn nested(depth: usize) -> SignaturePolicy {
    (0..depth).fold(leaf(0), |rule, _| gate(1, vec![rule]))
}

#[test]
fn groups_nested_too_deep_are_refused() {
    let Some(mut config) = config() else { return };
    let wrap =
        |inner| ConfigGroup { groups: [("g".to_owned(), inner)].into(), ..Default::default() };
    let bomb = (0..MAX_GROUP_DEPTH).fold(ConfigGroup::default(), |inner, _| wrap(inner));
    root(&mut config).groups.insert("Application".into(), bomb);
    let error = Bundle::from_config("golden", &config).expect_err("a bomb");
    assert_eq!(error.to_string(), "config groups are nested deeper than 8");
}

#[test]
fn policies_nested_too_deep_are_refused_whether_or_not_they_can_be_decoded() {
    let Some(config) = config() else { return };
    assert!(with_policy(&config, &envelope(nested(MAX_POLICY_DEPTH))).is_ok());
    for depth in [MAX_POLICY_DEPTH + 1, 48, 60, 1_000] {
        let error = with_policy(&config, &envelope(nested(depth))).expect_err("too deep");
        assert!(error.contains("did not compile"), "{error}");
    }
}

#[test]
fn policies_with_too_many_rules_are_refused() {
    let Some(config) = config() else { return };
    let wide = gate(1, vec![leaf(0); MAX_POLICY_RULES]);
    let error = with_policy(&config, &envelope(wide)).expect_err("too many");
    assert!(error.ends_with("more than 10000 rules"), "{error}");
}

#[test]
fn an_identity_index_out_of_range_is_refused() {
    let Some(config) = config() else { return };
    let error = with_policy(&config, &envelope(gate(0, vec![leaf(1)]))).expect_err("index 1");
    assert!(error.ends_with("requested 1, but identities length is 1"), "{error}");
}

/// As in Fabric, whose tools write such policies on purpose to lock an element.
#[test]
fn asking_for_more_than_there_are_is_accepted_and_never_satisfied() {
    let Some(config) = config() else { return };
    let never = envelope(gate(2, vec![leaf(0)]));
    let bundle = with_policy(&config, &never).expect("accepted");
    assert!(bundle.evaluate("/Channel/Extra", &[]).is_err());
}
