//! Enrolling people with their organisation's CA and registering them on the health chaincode.
//!
//! Place in the flow: `identity register` and the demonstration. An organisation's own `hospital-admin` registers its
//! people; each person registers the encryption key of their wallet themselves.

use std::future::Future;

use carecord_ca::Person;
use carecord_ca::attributes::PATIENT;
use carecord_ca::layout::{OrganisationFolder, Tree};
use carecord_health::NAME;
use carecord_health::vocabulary::{OrgKind, Role};
use carecord_sdk::health::{register_org, register_person};
use carecord_sdk::{Contract, Error};
use futures::{StreamExt, stream};

use crate::bringup::{enrol, user_entry};
use crate::chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk, retry};
use crate::state::{NetworkDir, NetworkFile, UserEntry};
use crate::wallet::{Wallet, key_hash};

const REGISTRAR: &str = "hospital-admin";
/// Registrations under way at any time.
const IN_FLIGHT: usize = 32;
/// How the contracts say that something is there already.
const EXISTS: &str = "ALREADY_EXISTS";

/// Issues certificates to `people` of the organisation and adds them to the network file.
pub fn enrol_all(
    dir: &NetworkDir,
    organisation: &str,
    people: &[Person],
) -> Outcome<Vec<UserEntry>> {
    let mut file = dir.read()?;
    let entry = file.organisation(organisation)?.clone();
    let tree = if entry.role == "orderer" { Tree::Orderers } else { Tree::Peers };
    let folder = OrganisationFolder::new(&dir.organizations(), tree, &entry.domain)
        .map_err(crate::bringup::ca_failure)?;
    let ca = crate::bringup::load_cas(&folder).map_err(crate::bringup::ca_failure)?;
    let now = crate::bringup::now_unix_s();
    let mut users = Vec::with_capacity(people.len());
    for person in people {
        if file.users.iter().any(|user| user.name == person.name) {
            let cause = format!("there is a user {:?} already", person.name);
            return Err(Failure::new(Code::Argument, cause).hint("choose another name"));
        }
        let member = enrol(&ca, &folder, person, now).map_err(crate::bringup::ca_failure)?;
        let tls_ca = folder.tls_ca_certificate();
        let user = user_entry(&entry.name, &entry.msp_id, tls_ca, person, &member);
        file.users.push(user.clone());
        users.push(user);
    }
    dir.write(&file)?;
    Ok(users)
}

/// Registers the organisation `name` on the health chaincode, if it is not yet.
pub async fn register_organisation(session: &Session, channel: &str, name: &str) -> Outcome<()> {
    let admin = registrar(session.file(), name)?;
    let contract = contract(session, admin, channel)?;
    let kind = kind_of(session.file(), name);
    once(|| register_org(&contract, kind)).await
}

/// Registers `users` and the encryption keys of their wallets, as far as they are not yet; one result for each.
pub async fn register(session: &Session, channel: &str, users: &[&UserEntry]) -> Vec<Outcome<()>> {
    let persons = stream::iter(users)
        .map(|user| enter(session, channel, user))
        .buffered(IN_FLIGHT)
        .collect::<Vec<_>>()
        .await;
    // A key is only taken from somebody whom every endorser knows.
    if let Err(failure) = chain::settle(session, channel).await {
        return users.iter().map(|_| Err(failure.clone())).collect();
    }
    stream::iter(users.iter().zip(persons))
        .map(|(user, entered)| async move {
            entered?;
            let person = session.person(user, channel)?;
            let known = retry(|| person.subject(person.id())).await.map_err(|e| from_sdk(&e))?;
            match known.encryption_key {
                Some(key) if key.registration.kid == person.kid() => Ok(()),
                _ => once(|| person.register_key()).await,
            }
        })
        .buffered(IN_FLIGHT)
        .collect()
        .await
}

async fn enter(session: &Session, channel: &str, user: &UserEntry) -> Outcome<()> {
    let role = health_role(user)?;
    let admin = registrar(session.file(), &user.organisation)?;
    let contract = contract(session, admin, channel)?;
    let wallet = Wallet::open(user)?;
    let key_hash = key_hash(user)?;
    once(|| register_person(&contract, wallet.id(), &key_hash, role)).await
}

/// The health role of `user`.
pub fn health_role(user: &UserEntry) -> Outcome<Role> {
    user.role.as_deref().and_then(Role::parse_word).ok_or_else(|| {
        Failure::new(
            Code::Argument,
            format!("user {:?} has no role on the health chaincode", user.name),
        )
    })
}

/// Whether a role may be given to a user.
pub fn is_role(role: &str) -> bool {
    role == PATIENT || Role::parse_word(role).is_some()
}

/// What is done already is done.
async fn once<F: Future<Output = Result<(), Error>>>(call: impl Fn() -> F) -> Outcome<()> {
    match retry(call).await {
        Ok(()) => Ok(()),
        Err(error) if error.to_string().contains(EXISTS) => Ok(()),
        Err(error) => Err(from_sdk(&error)),
    }
}

fn contract(session: &Session, user: &UserEntry, channel: &str) -> Outcome<Contract> {
    Ok(session.gateway(user, None)?.network(channel).contract(NAME))
}

fn registrar<'a>(file: &'a NetworkFile, organisation: &str) -> Outcome<&'a UserEntry> {
    let fits = |user: &&UserEntry| {
        user.organisation == organisation && user.role.as_deref() == Some(REGISTRAR)
    };
    file.users.iter().find(fits).ok_or_else(|| {
        Failure::new(Code::Unknown, format!("organisation {organisation} has no user with the role {REGISTRAR}"))
            .hint("add one to the topology, or `carecord identity register NAME --organisation ORG --role hospital-admin`")
    })
}

/// What an organisation is follows from the roles of its people.
fn kind_of(file: &NetworkFile, organisation: &str) -> OrgKind {
    let has = |role: &str| {
        file.users
            .iter()
            .any(|user| user.organisation == organisation && user.role.as_deref() == Some(role))
    };
    if has(Role::Insurer.as_str()) {
        OrgKind::Insurer
    } else if has(Role::Researcher.as_str()) {
        OrgKind::Research
    } else {
        OrgKind::Hospital
    }
}
