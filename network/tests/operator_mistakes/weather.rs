//! Nodes that are stopped and people who are revoked: what is then said to whoever calls.

use crate::place::Place;
use crate::table::Table;

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    let submit = |user| place.refused(&["tx", "submit", "--as", user, "bench", "put", "k", "v"]);

    place.must(&["cert", "revoke", "--user", "client-p384"]);
    let said = submit("client-p384");
    table.add(
        "calls as somebody who was revoked",
        said,
        &["may have been revoked on channel care"],
    );

    place.must(&["network", "down", "--node", "hospital-b"]);
    let said = submit("client-p256");
    let cause = ["hospital-b at 127.0.0.1", "refused"];
    table.add("stopped the peer of an organisation that must endorse", said, &cause);
    place.must(&["network", "up", "--detach"]);

    place.must(&["network", "down", "--node", "orderer1", "--node", "orderer2"]);
    let said = in_order(&submit("client-p256"));
    table.add(
        "stopped two of three orderers",
        said,
        &["orderer1 at 127.0.0.1", "orderer2 at 127.0.0.1", "refused"],
    );
}

/// The same with the orderers in the order of their names: the quickest is asked first, which differs from run to run,
/// and so does whether the one that is left had to say something in the last round.
fn in_order(said: &str) -> String {
    let (first, hint) = said.split_once('\n').unwrap();
    let (begin, orderers) = first.split_once("submit: ").unwrap();
    let mut orderers: Vec<&str> =
        orderers.split("; ").filter(|part| !part.starts_with("orderer3")).collect();
    orderers.sort_unstable();
    format!("{begin}submit: {}\n{hint}", orderers.join("; "))
}
