//! Who takes part in the demonstration.

use carecord_ca::attributes::PATIENT;
use carecord_ca::{KeyKind, Person};
use carecord_health::vocabulary::{Purpose, Role};

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::people;
use crate::session::Session;
use crate::state::{NetworkFile, UserEntry};

/// Somebody who tries to read, and what for.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) user: UserEntry,
    pub(super) purpose: Purpose,
}

/// The people of the demonstration.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    /// Gets consent, and loses it.
    pub(super) doctor: Reader,
    /// Never gets consent.
    pub(super) strangers: Vec<Reader>,
    /// Organisations that patients are at home in.
    pub(super) homes: Vec<String>,
}

// === impl Cast ===

impl Cast {
    /// Chooses the people out of those of the network.
    pub(super) fn choose(file: &NetworkFile, channel: &str) -> Outcome<Self> {
        let members = &file.channel(Some(channel))?.organisations;
        let of_role = |role: Role| {
            file.users
                .iter()
                .filter(|user| user.role.as_deref() == Some(role.as_str()))
                .filter(|user| members.contains(&user.organisation))
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut doctors = of_role(Role::Practitioner).into_iter();
        let doctor = doctors.next().ok_or_else(|| missing("a practitioner"))?;
        let other = doctors
            .find(|other| other.organisation != doctor.organisation)
            .ok_or_else(|| missing("a practitioner of another organisation"))?;
        let homes = vec![doctor.organisation.clone(), other.organisation.clone()];
        let mut strangers = vec![Reader { user: other, purpose: Purpose::Treatment }];
        for (role, purpose) in
            [(Role::Insurer, Purpose::Payment), (Role::Researcher, Purpose::Research)]
        {
            let user = of_role(role).into_iter().next().ok_or_else(|| missing(role.as_str()))?;
            strangers.push(Reader { user, purpose });
        }
        let doctor = Reader { user: doctor, purpose: Purpose::Treatment };
        Ok(Self { doctor, strangers, homes })
    }

    /// Organisations whose people take part.
    pub(super) fn organisations(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.homes.iter().map(String::as_str).collect();
        names.extend(self.strangers.iter().map(|reader| reader.user.organisation.as_str()));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Issues certificates to `count` patients, at home in `homes` in turn; the network file then holds them.
pub(super) fn enrol_patients(
    session: &Session,
    homes: &[String],
    count: usize,
) -> Outcome<Vec<UserEntry>> {
    let first = session.file().users.iter().filter(|user| is_numbered(&user.name)).count() + 1;
    let person = |number: usize| Person {
        name: format!("patient-{number:04}"),
        role: Some(PATIENT.to_owned()),
        admin: false,
        key: KeyKind::P256,
    };
    let mut by_number = vec![None; count];
    for (turn, home) in homes.iter().enumerate() {
        let mine: Vec<usize> = (0..count).filter(|index| index % homes.len() == turn).collect();
        let persons: Vec<Person> = mine.iter().map(|index| person(first + index)).collect();
        for (index, user) in mine.iter().zip(people::enrol_all(session.dir(), home, &persons)?) {
            by_number[*index] = Some(user);
        }
    }
    Ok(by_number.into_iter().flatten().collect())
}

fn is_numbered(name: &str) -> bool {
    name.strip_prefix("patient-")
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn missing(who: &str) -> Failure {
    Failure::new(Code::Demonstration, format!("the network has no user who is {who}"))
        .hint("the built-in topology has everybody: leave --topology out")
}
