//! Each mistake in a topology file is named with its line, its code and what is wrong.

use carecord::topology::{BENCH, DEMO, OrganisationRole, Topology};

/// The bench topology with one text in place of another, and what is said about it.
fn check(wrong: &str, instead_of: &str, expected: &str) {
    assert!(BENCH.contains(instead_of), "{instead_of:?} is not in bench.toml");
    let text = BENCH.replacen(instead_of, wrong, 1);
    let problems = Topology::parse(&text).unwrap_err();
    let said: Vec<String> = problems
        .iter()
        .map(|problem| {
            let line = text.lines().nth(problem.place.line - 1).unwrap_or_default();
            format!("{} [{}] {}", problem.code.text(), line.trim(), problem.message)
        })
        .collect();
    assert_eq!(said.join("\n"), expected, "instead of {instead_of:?}");
}

#[test]
fn the_built_in_topologies_are_right() {
    let demo = Topology::parse(DEMO).unwrap();
    let msp_ids: Vec<&str> = demo.organisations.iter().map(|o| o.msp_id.as_str()).collect();
    assert_eq!(
        msp_ids,
        ["OrdererMSP", "HospitalAMSP", "HospitalBMSP", "InsurerMSP", "ResearchMSP"]
    );
    let orderers = demo.nodes.iter().filter(|node| node.role == OrganisationRole::Orderer).count();
    assert_eq!((orderers, demo.nodes.len()), (3, 7));
    assert_eq!(demo.channels[0].name, "care");
    let bench = Topology::parse(BENCH).unwrap();
    assert!(demo.operations_tls && bench.operations_tls, "TLS is what one gets without asking");
    assert_eq!(
        bench.channels[0].chaincodes[0].endorsement,
        "AND('HospitalAMSP.peer', 'HospitalBMSP.peer')"
    );
}

#[test]
fn what_is_not_toml_or_not_known_is_named_with_its_line() {
    check(
        "name carecord",
        "name = \"carecord-bench\"",
        "CR-NET-002 [name carecord] key with no value, expected `=`",
    );
    check(
        "colour = \"red\"\nname = \"orderer1\"",
        "name = \"orderer1\"",
        "CR-NET-002 [colour = \"red\"] unknown field `colour`, expected one of `name`, `organisation`, `host`, `port`, `cluster_port`, `operations_port`, `admin_port`",
    );
    check(
        "max_messages = \"many\"",
        "max_messages = 500",
        "CR-NET-002 [batch = { max_messages = \"many\", max_bytes = 10485760, preferred_bytes = 2097152, timeout_ms = 200 }] invalid type: string \"many\", expected i64",
    );
}

#[test]
fn names_that_cannot_be_used_are_refused() {
    check(
        "name = \"orderer one\"",
        "name = \"orderer1\"",
        "CR-NET-003 [name = \"orderer one\"] \"orderer one\" cannot be the name of a node: it takes 1 to 249 letters, digits, '.' and '-'\n\
         CR-NET-005 [orderers = [\"orderer1\", \"orderer2\", \"orderer3\"]] channel \"care\" names the orderer \"orderer1\", which no [[nodes]] section describes",
    );
    check(
        "name = \"Care\"",
        "name = \"care\"",
        "CR-NET-003 [name = \"Care\"] \"Care\" cannot be a channel: it starts with a lower-case letter and takes 1 to 249 lower-case letters, digits, '.' and '-'",
    );
}

#[test]
fn what_must_be_unique_is() {
    check(
        "name = \"orderer1\"",
        "name = \"orderer2\"",
        "CR-NET-004 [name = \"orderer1\"] the node \"orderer1\" stands already on line 24\n\
         CR-NET-005 [orderers = [\"orderer1\", \"orderer2\", \"orderer3\"]] channel \"care\" names the orderer \"orderer2\", which no [[nodes]] section describes",
    );
    check(
        "port = 7050\noperations_port = 7050\nname = \"orderer1\"",
        "name = \"orderer1\"",
        "CR-NET-004 [operations_port = 7050] the address \"127.0.0.1:7050\" stands already on line 24",
    );
}

#[test]
fn what_is_named_must_be_described_and_of_the_right_kind() {
    check(
        "organisations = [\"HospitalA\", \"HospitalC\"]",
        "organisations = [\"HospitalA\", \"HospitalB\"]",
        "CR-NET-005 [organisations = [\"HospitalA\", \"HospitalC\"]] channel \"care\" names the organisation \"HospitalC\", which no [[organisations]] section describes\n\
         CR-NET-007 [endorsement = \"AND('HospitalAMSP.peer', 'HospitalBMSP.peer')\"] the policy names \"HospitalBMSP\", which is no member's MSP id; members are HospitalAMSP\n\
         CR-NET-007 [endorsement = \"AND('HospitalAMSP.peer', 'HospitalBMSP.peer')\"] the policy names \"HospitalBMSP\", which is no member's MSP id; members are HospitalAMSP",
    );
    check(
        "organisations = [\"HospitalA\", \"HospitalB\", \"Orderer\"]",
        "organisations = [\"HospitalA\", \"HospitalB\"]",
        "CR-NET-005 [organisations = [\"HospitalA\", \"HospitalB\", \"Orderer\"]] channel \"care\" has the member \"Orderer\", which runs orderers, not peers",
    );
    check(
        "orderers = [\"orderer1\", \"hospital-a\"]",
        "orderers = [\"orderer1\", \"orderer2\", \"orderer3\"]",
        "CR-NET-005 [orderers = [\"orderer1\", \"hospital-a\"]] channel \"care\" names \"hospital-a\" as an orderer, but it is a peer",
    );
}

#[test]
fn a_member_without_a_peer_and_a_channel_without_orderers_are_named() {
    check(
        "",
        "[[nodes]]\nname = \"hospital-b\"\norganisation = \"HospitalB\"\n",
        "CR-NET-006 [organisations = [\"HospitalA\", \"HospitalB\"]] organisation \"HospitalB\" has no peer",
    );
    check(
        "orderers = []",
        "orderers = [\"orderer1\", \"orderer2\", \"orderer3\"]",
        "CR-NET-006 [[[channels]]] channel \"care\" has no orderer",
    );
}

#[test]
fn policies_numbers_and_words_are_checked() {
    check(
        "endorsement = \"AND('HospitalAMSP.peer'\"",
        "endorsement = \"AND('HospitalAMSP.peer', 'HospitalBMSP.peer')\"",
        "CR-NET-007 [endorsement = \"AND('HospitalAMSP.peer'\"] expected ',' or ')' at character 23 of the policy",
    );
    check(
        "max_messages = 0, max_bytes = 1024",
        "max_messages = 500, max_bytes = 10485760",
        "CR-NET-008 [batch = { max_messages = 0, max_bytes = 1024, preferred_bytes = 2097152, timeout_ms = 200 }] max_messages is 0; it takes 1 to 100000\n\
         CR-NET-008 [batch = { max_messages = 0, max_bytes = 1024, preferred_bytes = 2097152, timeout_ms = 200 }] preferred_bytes (2097152) is above max_bytes (1024)",
    );
    check(
        "key = \"rsa\"",
        "key = \"p384\"",
        "CR-NET-009 [key = \"rsa\"] \"rsa\" is not a key; it is one of p256, p384, ed25519",
    );
    check(
        "role = \"doctor\"",
        "role = \"practitioner\"",
        "CR-NET-009 [role = \"doctor\"] \"doctor\" is not a role; it is one of patient, practitioner, hospital-admin, insurer, researcher, device, storage-provider, issuer, auditor, regulator",
    );
}

#[test]
fn an_empty_file_is_told_everything_that_it_lacks() {
    let problems = Topology::parse("name = \"x\"").unwrap_err();
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        said,
        ["no [[organisations]] section", "no [[nodes]] section", "no [[channels]] section"]
    );
}
