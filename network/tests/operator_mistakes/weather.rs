//! Nodes that are stopped and people who are revoked: what is then said to whoever calls.

use crate::place::Place;
use crate::table::Table;

pub(crate) fn mistakes(place: &Place, table: &mut Table) {
    let submit = |user| place.refused(&["tx", "submit", "--as", user, "bench", "put", "k", "v"]);

    place.must(&["cert", "revoke", "--user", "client-p384"]);
    let said = submit("client-p384");
    table.add("calls as somebody who was revoked", said, &["revoked"]);

    place.must(&["network", "down", "--node", "hospital-b"]);
    let said = submit("client-p256");
    let cause = ["no combination of peers", "HospitalBMSP"];
    table.add("stopped the peer of an organisation that must endorse", said, &cause);
    place.must(&["network", "up", "--detach"]);

    place.must(&["network", "down", "--node", "orderer1", "--node", "orderer2"]);
    let said = submit("client-p256");
    table.add("stopped two of three orderers", said, &["orderer", "no leader"]);
}
