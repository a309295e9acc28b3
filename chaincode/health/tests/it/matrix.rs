//! Every function called by every role, from the table that the contracts publish.

use carecord_chaincode::test_util::{KeyKind, TestIdentity};

use crate::{people, town::Town};

const ROLES: [&str; 9] = [
    "regulator",
    "patient",
    "practitioner",
    "hospital-admin",
    "insurer",
    "researcher",
    "auditor",
    "device",
    "storage-provider",
];

#[test]
fn a_role_that_the_table_does_not_name_is_refused_by_every_function() {
    let mut town = Town::new();
    let table = carecord_health::chaincode().table();
    assert!(table.len() >= 30, "{}", table.len());
    let mut refused = 0;
    for (contract, function, roles) in table {
        let name = format!("{contract}:{function}");
        for role in ROLES {
            let identity = TestIdentity::new("HospitalAMSP", role);
            let message = town.ledger.evaluate("health", &identity, &[&name]).message;
            let by_role = message.starts_with("CR-CC-020");
            let expected = !roles.is_empty() && !roles.contains(&role);
            assert_eq!(by_role, expected, "{name} by {role}: {message}");
            refused += usize::from(by_role);
        }
        let nameless = TestIdentity::with("HospitalAMSP", None, KeyKind::P256);
        let message = town.ledger.evaluate("health", &nameless, &[&name]).message;
        assert_eq!(message.starts_with("CR-CC-020"), !roles.is_empty(), "{name}: {message}");
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_certificate_alone_is_not_enough_for_any_function_about_people() {
    let mut town = Town::new();
    people!(town: patient, author);
    let record = crate::town::add_record(&mut town, &author, &patient.id);
    let thief = TestIdentity::new("HospitalAMSP", "patient");
    for args in [
        vec!["records:Open", &record, "PATRQT"],
        vec!["records:Get", &record, "PATRQT"],
        vec!["records:Hide", &record],
        vec!["records:ListMine", "", "10"],
        vec!["consent:ListMine", "", "10"],
        vec!["audit:ListMine", "", "10"],
        vec!["identity:Me"],
    ] {
        town.refused(&thief, &args, "CR-CC-022");
    }
}

#[test]
fn every_error_code_has_its_page_and_its_own_meaning() {
    let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let all = [
        carecord_chaincode::codes::ALL,
        carecord_chaincode::bench::ERRORS,
        carecord_health::error::ALL,
    ];
    let mut seen = std::collections::BTreeSet::new();
    for code in all.into_iter().flatten() {
        assert!(seen.insert(code.id), "{} is declared twice", code.id);
        let page = std::fs::read_to_string(pages.join(format!("{}.md", code.id)));
        let page = page.unwrap_or_else(|e| panic!("{}: {e}", code.id));
        assert!(page.starts_with(&format!("# {}: ", code.id)));
    }
}
