//! The people of the story, registered, with money.

use std::future::Future;
use std::path::PathBuf;

use carecord_health::token::{Amount, Currency, NewMoney, NewSettings};
use carecord_sdk::health::{Person, init_token, mint, random_id};
use carecord_sdk::{Contract, Error};

use crate::acceptance::trial::{CHANNEL, Trial};
use crate::chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::people;
use crate::session::{from_sdk, retry};

/// What patient and doctor have at first.
pub(super) const PURSE: Amount = Amount(10_000);
const CAP: Amount = Amount(1_000_000_000);

/// A network with a patient, a doctor, and a clerk of the insurer who watches over channels.
pub(super) struct Town<'a> {
    pub(super) trial: &'a Trial,
    pub(super) patient: Person,
    pub(super) doctor: Person,
    pub(super) clerk: Person,
    /// The hospital's administrator.
    pub(super) registrar: Contract,
    /// The network's name as channels sign it.
    pub(super) network: String,
}

// === impl Town ===

impl<'a> Town<'a> {
    /// Everyone registered, the token set up by two organisations, patient and doctor with money.
    pub(super) async fn settled(trial: &'a Trial) -> Outcome<Self> {
        let session = trial.session();
        for organisation in ["HospitalA", "HospitalB", "Insurer", "Research"] {
            people::register_organisation(session, CHANNEL, organisation).await?;
        }
        chain::settle(session, CHANNEL).await?;
        let mut users = Vec::new();
        for name in ["alice", "doctor-a", "insurer-clerk"] {
            users.push(session.file().user(name)?);
        }
        for registered in people::register(session, CHANNEL, &users).await {
            registered?;
        }
        chain::settle(session, CHANNEL).await?;
        let registrars = [admin(trial, "registrar-a")?, admin(trial, "registrar-b")?];
        let [patient, doctor, clerk] = [0, 1, 2].map(|index| session.person(users[index], CHANNEL));
        let (patient, doctor, clerk) = (patient?, doctor?, clerk?);
        issue(trial, &registrars, [&patient, &doctor]).await?;
        let network = retry(|| patient.network_name()).await.map_err(|e| from_sdk(&e))?;
        let [registrar, _] = registrars;
        Ok(Self { trial, patient, doctor, clerk, registrar, network })
    }

    /// One call whose effect every peer then knows.
    pub(super) async fn done<T, F: Future<Output = Result<T, Error>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Outcome<T> {
        done(self.trial, call).await
    }

    /// A call that must be refused with this code, and was.
    pub(super) async fn refused<T>(
        &self,
        code: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Outcome<()> {
        match call.await {
            Err(error) if error.to_string().contains(code) => Ok(()),
            Err(error) => Err(from_sdk(&error)),
            Ok(_) => Err(Failure::new(Code::Short, format!("it was not refused with {code}"))),
        }
    }

    /// What patient and doctor have.
    pub(super) async fn purses(&self) -> Outcome<(u128, u128)> {
        let (patient, doctor) = (&self.patient, &self.doctor);
        let patient = retry(|| patient.balance(Currency::Care)).await;
        let doctor = retry(|| doctor.balance(Currency::Care)).await;
        let (patient, doctor) =
            (patient.map_err(|e| from_sdk(&e))?, doctor.map_err(|e| from_sdk(&e))?);
        Ok((patient.0, doctor.0))
    }

    /// How many blocks the clerk's peer has.
    pub(super) async fn height(&self) -> Outcome<u64> {
        let session = self.trial.session();
        chain::height(session, session.file().peer_of("Insurer")?, CHANNEL).await
    }

    /// A folder for what one side of a channel keeps.
    pub(super) fn folder(&self, whose: &str) -> PathBuf {
        self.trial.dir().join("channels").join(whose)
    }
}

async fn done<T, F: Future<Output = Result<T, Error>>>(
    trial: &Trial,
    call: impl Fn() -> F,
) -> Outcome<T> {
    let result = retry(call).await.map_err(|error| from_sdk(&error))?;
    chain::settle(trial.session(), CHANNEL).await?;
    Ok(result)
}

fn admin(trial: &Trial, name: &str) -> Outcome<Contract> {
    let session = trial.session();
    let user = session.file().user(name)?;
    Ok(session.gateway(user, None)?.network(CHANNEL).contract(carecord_health::NAME))
}

/// Two organisations agree on the rules, then on money for each.
async fn issue(trial: &Trial, registrars: &[Contract; 2], to: [&Person; 2]) -> Outcome<()> {
    let id = || random_id().map_err(|error| from_sdk(&error));
    let settings = NewSettings { id: id()?, network: id()?, care_cap: CAP, credit_cap: CAP };
    for registrar in registrars {
        done(trial, || init_token(registrar, &settings)).await?;
    }
    for person in to {
        let currency = Currency::Care;
        let money = NewMoney { id: id()?, to: person.id().clone(), currency, amount: PURSE };
        for registrar in registrars {
            done(trial, || mint(registrar, &money)).await?;
        }
    }
    Ok(())
}
