//! `carecord chaincode`: deploying, upgrading and calling, as an operator types it.

use crate::support::{Running, carecord, failure, json, text};

#[test]
fn a_chaincode_is_deployed_called_upgraded_and_listed() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let package = network.path("book.tar.gz");
    let made =
        json(&["chaincode", "package", "bench", "--label", "book_1", "--to", text(&package)]);
    let package_id = made["package_id"].as_str().unwrap();
    let deploy =
        |more: &[&str]| json(&[&["chaincode", "deploy", "--dir", dir, "book"], more].concat());
    let first = deploy(&["--package", text(&package)]);
    assert_eq!((&first["sequence"], &first["changed"]), (&1.into(), &true.into()));
    assert_eq!(first["package_id"], package_id);
    let put = ["chaincode", "invoke", "--dir", dir, "--as", "client-a", "book", "put", "k", "v"];
    assert_eq!(json(&put)["validation_code"], "VALID");
    let get = ["chaincode", "query", "--dir", dir, "--as", "client-b", "book", "get", "k"];
    assert_eq!(json(&get)["result"], "v");

    let again = deploy(&["--package", text(&package)]);
    assert_eq!((&again["sequence"], &again["changed"]), (&1.into(), &false.into()));
    let both = "AND('HospitalAMSP.peer', 'HospitalBMSP.peer')";
    let typo = "AND('HospitalAMSP.peer', 'HospitlBMSP.peer')";
    let (code, said) = failure(&["chaincode", "deploy", "--dir", dir, "bench", "--policy", typo]);
    assert!(code == 2 && said.contains("HospitlBMSP, which is no member"), "{code}: {said}");
    let (code, said) = failure(&["chaincode", "deploy", "--dir", dir, "bnch"]);
    assert!(code == 2 && said.starts_with("error CR-LC-001: "), "{code}: {said}");
    assert!(said.contains("built in are health, bench"), "{said}");
    let upgraded = deploy(&["--version", "2.0", "--policy", both, "--package", text(&package)]);
    assert_eq!((&upgraded["sequence"], &upgraded["version"]), (&2.into(), &"2.0".into()));
    assert_eq!(json(&get)["result"], "v", "state stays");

    let listed = json(&["chaincode", "list", "--dir", dir]);
    let names: Vec<_> =
        listed["chaincodes"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["bench", "book", "health"]);
    let installed = json(&["chaincode", "list", "--dir", dir, "--installed"]);
    let packages = installed["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 2, "one on each peer");
    assert_eq!(packages[0]["runs"][0], "care/book:2.0");
}

#[test]
fn organisations_approve_each_for_itself_and_a_missing_one_is_named() {
    let network = Running::up("bench.toml");
    let dir = network.dir();
    let step = |name: &'static str, more: &[&'static str]| {
        let start = ["chaincode", name, "--dir", dir, "other", "--version", "1.0"];
        [&start[..], more].concat()
    };
    let approved = json(&step("approve", &["--organisation", "HospitalA"]));
    assert_eq!(approved["sequence"], 1);
    let ready = json(&step("readiness", &[]));
    assert_eq!(ready["approvals"]["HospitalAMSP"], true);
    assert_eq!(ready["approvals"]["HospitalBMSP"], false);
    let (_, said) = failure(&step("commit", &[]));
    assert!(said.starts_with("error CR-LC-003: "), "{said}");
    assert!(said.contains("HospitalBMSP did not approve"), "{said}");
    json(&step("approve", &["--organisation", "HospitalB"]));
    let committed = json(&step("commit", &[]));
    assert_eq!(committed["sequence"], 1);

    let (code, said) = failure(&step("approve", &["--organisation", "Nobody"]));
    assert_eq!(code, 3, "{said}");
    let (_, said) =
        failure(&["chaincode", "query", "--dir", dir, "--as", "client-a", "other", "get", "k"]);
    assert!(said.contains("chaincode is not installed"), "{said}");
    let file = network.path("text.tar.gz");
    std::fs::write(&file, "no package").unwrap();
    let (_, said) = failure(&["chaincode", "install", "--dir", dir, text(&file)]);
    assert!(said.starts_with("error CR-LC-002: "), "{said}");
    assert!(said.contains("could not parse as a chaincode install package"), "{said}");
    assert!(
        !carecord(&["chaincode", "package", "bench", "--label", "a/b", "--to", "x"])
            .status
            .success()
    );
}

#[test]
fn a_majority_that_has_approved_commits_without_the_member_that_has_not() {
    let network = Running::up("demo.toml");
    let dir = network.dir();
    for member in ["HospitalA", "HospitalB", "Insurer"] {
        let arguments = ["chaincode", "approve", "--dir", dir, "other", "--organisation", member];
        assert_eq!(json(&arguments)["sequence"], 1);
    }
    let committed = json(&["chaincode", "commit", "--dir", dir, "other"]);
    assert_eq!(committed["sequence"], 1);
    let ready = json(&["chaincode", "list", "--dir", dir]);
    let names = ready["chaincodes"].as_array().unwrap().iter().map(|it| it["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["bench", "health", "other"]);
}
