//! What several organisations must agree on: chaincode and configuration.

use crate::place::Place;
use crate::table::Table;

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    chaincode(place, table);
    configuration(place, table);
}

fn chaincode(place: &Place, table: &mut Table) {
    let next = ["chaincode", "approve", "bench", "--version", "2.0", "--organisation", "HospitalA"];
    let no_package = place.file("package.tar.gz", "none");
    let policy = "AND('HospitalAMSP.peer'";
    let stranger = "AND('HospitalAMSP.peer', 'HospitlBMSP.peer')";
    let cases: [(&'static str, Vec<&str>, &[&str]); 5] = [
        (
            "commits a definition that nobody approved",
            vec!["chaincode", "commit", "bench", "--version", "2.0"],
            &["HospitalAMSP, HospitalBMSP did not approve", "chaincode approve"],
        ),
        (
            "approves with a sequence number that is too high",
            [&next[..], &["--sequence", "7"]].concat(),
            &["requested sequence 7", "next available sequence number 2"],
        ),
        (
            "approves with a policy that lacks its end",
            [&next[..], &["--policy", policy]].concat(),
            &[policy, "expected ',' or ')' at character 23"],
        ),
        (
            "approves with a policy that names an MSP which is not there",
            [&next[..], &["--policy", stranger]].concat(),
            &["HospitlBMSP", "members are HospitalAMSP, HospitalBMSP"],
        ),
        (
            "installs a file that is no package",
            vec!["chaincode", "install", &no_package, "--organisation", "HospitalA"],
            &["install package", "gzip"],
        ),
    ];
    for (did, arguments, cause) in cases {
        table.add(did, place.refused(&arguments), cause);
    }
}

fn configuration(place: &Place, table: &mut Table) {
    let (definition, update) = (place.path("pharmacy.json"), place.path("pharmacy.update"));
    let new =
        ["org", "new", "Pharmacy", "--domain", "pharmacy.carecord.test", "--peer", "pharmacy"];
    place.must(&[&new[..], &["--out", &definition]].concat());
    let own = ["--as", "Admin@HospitalA"];
    let invite = ["org", "invite", &definition, "--out", &update];
    place.must(&[&invite[..], &own].concat());
    let said = place.refused(&[&["org", "submit", &update][..], &own].concat());
    let cause = ["signed as admin by HospitalA", "not signed by HospitalB"];
    table.add("submits an update that another organisation must sign, too", said, &cause);

    let said = place.refused(&["orderer", "add", "orderer1"]);
    table.add("adds an orderer that is there", said, &["orderer1", "already"]);
}
