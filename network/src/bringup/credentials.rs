//! Certificates and keys of everybody in a topology.

use std::path::Path;

use carecord_ca::layout::{MemberFolder, OrganisationFolder, Tree};
use carecord_ca::service::PASSPHRASE_VARIABLE;
use carecord_ca::{Error, NodeRole, Organisation, Person, Validity, pseudonym};
use zeroize::Zeroizing;

use crate::error::{Failure, Outcome};
use crate::topology::{self, OrganisationRole, Topology};

/// How long certificates of a network made here hold.
const CA_DAYS: u32 = 3650;
const MEMBER_DAYS: u32 = 365;
/// The administrator that every organisation has.
pub(super) const ADMIN: &str = "Admin";

/// What was made for one organisation.
pub(super) struct Made {
    /// Its folder.
    pub(super) folder: OrganisationFolder,
    /// Its people: the administrator first, then those of the topology.
    pub(super) people: Vec<(Person, MemberFolder)>,
}

/// Makes everything and writes it below `organizations`; one entry per organisation of the topology.
pub(super) fn make(topology: &Topology, organizations: &Path, now: i64) -> Outcome<Vec<Made>> {
    topology
        .organisations
        .iter()
        .map(|organisation| make_organisation(topology, organisation, organizations, now))
        .collect::<Result<_, _>>()
        .map_err(failure)
}

/// A failure of the CA library as the user sees it.
pub(crate) fn failure(error: Error) -> Failure {
    crate::node::ca::failure(error)
}

/// The passphrase that CAs' keys are encrypted under, if the operator has set one.
fn passphrase() -> Option<Zeroizing<String>> {
    let text = std::env::var(PASSPHRASE_VARIABLE).ok().map(Zeroizing::new);
    text.filter(|text| !text.is_empty())
}

/// The CAs of an organisation, whose keys are in its folder.
pub(crate) fn load(folder: &OrganisationFolder) -> Result<Organisation, Error> {
    folder.load_sealed(passphrase().as_ref().map(|text| text.as_str()))
}

/// Enrols `person`, whose certificate a patient's pseudonym or the full name stands in, and writes the folder.
pub(crate) fn enrol(
    organisation: &Organisation,
    folder: &OrganisationFolder,
    person: &Person,
    now: i64,
) -> Result<MemberFolder, Error> {
    let member = folder.user(&person.name)?;
    let common_name =
        if person.is_patient() { pseudonym()? } else { member.full_name().to_owned() };
    let validity = Validity::days_from(now, MEMBER_DAYS);
    let signing = organisation.person(person, &common_name, validity)?;
    let tls = organisation.person_tls(person, &common_name, validity)?;
    member.write(organisation, &signing, &tls)?;
    Ok(member)
}

fn make_organisation(
    topology: &Topology,
    described: &topology::Organisation,
    organizations: &Path,
    now: i64,
) -> Result<Made, Error> {
    let validity = Validity::days_from(now, CA_DAYS);
    let country = described.country.as_deref();
    let organisation = Organisation::create(&described.domain, country, validity)?;
    let folder = OrganisationFolder::new(organizations, tree(described.role), &described.domain)?;
    let passphrase = passphrase();
    folder.write_sealed(&organisation, passphrase.as_ref().map(|text| text.as_str()))?;
    for node in topology.nodes_of(&described.name) {
        make_node(&organisation, &folder, node, now)?;
    }
    let people = people(topology, described)
        .map(|person| {
            let member = enrol(&organisation, &folder, &person, now)?;
            Ok((person, member))
        })
        .collect::<Result<_, Error>>()?;
    Ok(Made { folder, people })
}

/// Makes only the nodes of an organisation whose CAs are below `organizations`; its administrator is there already.
pub(super) fn more_nodes(
    topology: &Topology,
    described: &topology::Organisation,
    organizations: &Path,
    now: i64,
) -> Result<Made, Error> {
    let folder = OrganisationFolder::new(organizations, tree(described.role), &described.domain)?;
    let organisation = load(&folder)?;
    for node in topology.nodes_of(&described.name) {
        make_node(&organisation, &folder, node, now)?;
    }
    let admin = Person { name: ADMIN.to_owned(), role: None, admin: true, key: Default::default() };
    let member = folder.user(ADMIN)?;
    Ok(Made { folder, people: vec![(admin, member)] })
}

fn make_node(
    organisation: &Organisation,
    folder: &OrganisationFolder,
    node: &topology::Node,
    now: i64,
) -> Result<(), Error> {
    let role = match node.role {
        OrganisationRole::Orderer => NodeRole::Orderer,
        OrganisationRole::Peer => NodeRole::Peer,
    };
    let member = folder.node(&node.name)?;
    let validity = Validity::days_from(now, MEMBER_DAYS);
    let signing = organisation.node(member.full_name(), role, validity)?;
    let mut hosts = vec![
        member.full_name().to_owned(),
        node.name.clone(),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !hosts.contains(&node.host) {
        hosts.push(node.host.clone());
    }
    let tls = organisation.tls(member.full_name(), &hosts, validity)?;
    member.write(organisation, &signing, &tls)
}

fn people(
    topology: &Topology,
    organisation: &topology::Organisation,
) -> impl Iterator<Item = Person> {
    let admin = Person { name: ADMIN.to_owned(), role: None, admin: true, key: Default::default() };
    let named =
        topology.users.iter().filter(|user| user.organisation == organisation.name).map(|user| {
            Person { name: user.name.clone(), role: user.role.clone(), admin: false, key: user.key }
        });
    std::iter::once(admin).chain(named)
}

/// Which tree of the `organizations` folder an organisation lies in.
pub(crate) fn tree(role: OrganisationRole) -> Tree {
    match role {
        OrganisationRole::Orderer => Tree::Orderers,
        OrganisationRole::Peer => Tree::Peers,
    }
}
