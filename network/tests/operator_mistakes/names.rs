//! Names typed wrong.

use crate::place::Place;
use crate::table::Table;

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    let cases: [(&'static str, &[&str], &[&str]); 6] = [
        (
            "typed a person's name wrong",
            &["tx", "submit", "--as", "client-p265", "bench", "put", "k", "v"],
            &["client-p265", "did you mean client-p256?"],
        ),
        (
            "typed a node's name wrong",
            &["block", "list", "--node", "hospitl-a"],
            &["hospitl-a", "did you mean hospital-a?"],
        ),
        (
            "typed the channel wrong",
            &["tx", "submit", "--as", "client-p256", "-C", "cares", "bench", "put", "k", "v"],
            &["cares", "there is care"],
        ),
        (
            "typed the chaincode wrong",
            &["tx", "submit", "--as", "client-p256", "bnech", "put", "k", "v"],
            &["chaincode bnech is not defined"],
        ),
        (
            "made an organisation whose name is taken",
            &[
                "org",
                "new",
                "HospitalA",
                "--domain",
                "hospital-a.carecord.test",
                "--peer",
                "hospital-a",
                "--out",
                "/nonexistent.json",
            ],
            &["HospitalA", "already"],
        ),
        (
            "looked into the files of a node that runs",
            &["ledger", "verify", "--node", "hospital-a"],
            &["hospital-a", "the node runs", "network down"],
        ),
    ];
    for (did, arguments, cause) in cases {
        table.add(did, place.refused(arguments), cause);
    }
}
