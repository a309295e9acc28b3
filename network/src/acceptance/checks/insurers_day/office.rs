//! The insurer's clerk, the hospital's doctor and the patients, registered and insured.

use carecord_ca::attributes::PATIENT;
use carecord_ca::{KeyKind, Person as NewPerson};
use carecord_health::claims::terms::{Schedule, Terms};
use carecord_health::ids::MspId;
use carecord_health::token::Currency;
use carecord_health::vocabulary::{Purpose, Unscheduled};
use carecord_sdk::fhir::claim::{Billing, billing};
use carecord_sdk::health::claims::{Insurance, Membership};
use carecord_sdk::health::{Person, random_id};
use futures::{StreamExt, TryStreamExt, stream};

use crate::acceptance::checks::main_job::FHIR;
use crate::acceptance::ledgers::data;
use crate::acceptance::trial::{CHANNEL, Trial};
use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, from_sdk, retry};
use crate::state::UserEntry;
use crate::{chain, people};

/// Calls under way at any time.
pub(super) const IN_FLIGHT: usize = 31;
const HOSPITAL: &str = "HospitalA";
const HOSPITAL_MSP: &str = "HospitalAMSP";
const CONSENT_S: i64 = 86_400;
/// The cover begins and ends with what the ledger takes: the test data go back a lifetime.
const COVER: (i64, i64) = (-25_567, 40_000);

/// Terms as the bundles' explanations of benefit apply them: 80 % of whatever is asked.
const COINSURANCE_BPS: u32 = 2_000;
const FILING_DAYS: u32 = 36_600;

/// Everybody who takes part.
pub(super) struct Office<'a> {
    pub(super) trial: &'a Trial,
    pub(super) clerk: Person,
    pub(super) doctor: Person,
    pub(super) insurance: Insurance,
    pub(super) members: Vec<(Person, Membership)>,
}

/// The claims of the first patients of the test data, and what was paid of them.
pub(super) fn books(patients: usize) -> Outcome<Vec<Billing>> {
    let folder = data(FHIR)?;
    let failed = |error: std::io::Error| Failure::file(&folder, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Hospitals and practitioners have no given and family name.
        if name.ends_with(".json") && name.contains('_') {
            files.push(path);
        }
    }
    files.sort();
    let mut books = Vec::with_capacity(files.len());
    for path in files.iter().take(patients) {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
        let book = billing(&text).map_err(|error| Failure::new(Code::Argument, error))?;
        books.push(book);
    }
    Ok(books)
}

/// How many items the explanations of benefit have.
pub(super) fn items(books: &[Billing]) -> usize {
    books.iter().flat_map(|book| book.paid.values()).map(Vec::len).sum()
}

// === impl Office ===

impl<'a> Office<'a> {
    /// Registers everybody, and insures the patients, who let the clerk read what is to be paid.
    pub(super) async fn open(trial: &'a Trial, patients: usize) -> Outcome<Self> {
        let enrolled = enrol(trial.session(), patients)?;
        let session = Session::open(trial.dir())?;
        for organisation in [HOSPITAL, "HospitalB", "Insurer", "Research"] {
            people::register_organisation(&session, CHANNEL, organisation).await?;
        }
        chain::settle(&session, CHANNEL).await?;
        let user = |name: &str| -> Outcome<UserEntry> {
            let found = session.file().users.iter().find(|user| user.name == name);
            found.cloned().ok_or_else(|| Failure::new(Code::Unknown, format!("no user {name}")))
        };
        let (clerk, doctor) = (user("insurer-clerk")?, user("doctor-a")?);
        let everybody: Vec<&UserEntry> = [&clerk, &doctor].into_iter().chain(&enrolled).collect();
        for result in people::register(&session, CHANNEL, &everybody).await {
            result?;
        }
        chain::settle(&session, CHANNEL).await?;
        let clerk = session.person(&clerk, CHANNEL)?;
        let insurance = insurance(&clerk).await?;
        chain::settle(&session, CHANNEL).await?;
        let persons: Vec<Person> =
            enrolled.iter().map(|user| session.person(user, CHANNEL)).collect::<Outcome<_>>()?;
        let members = stream::iter(persons)
            .map(|person| insured(&clerk, &insurance, person))
            .buffered(IN_FLIGHT)
            .try_collect()
            .await?;
        chain::settle(&session, CHANNEL).await?;
        let doctor = session.person(&doctor, CHANNEL)?;
        Ok(Self { trial, clerk, doctor, insurance, members })
    }
}

fn enrol(session: &Session, patients: usize) -> Outcome<Vec<UserEntry>> {
    let persons: Vec<NewPerson> = (1..=patients)
        .map(|number| NewPerson {
            name: format!("patient-{number:04}"),
            role: Some(PATIENT.to_owned()),
            admin: false,
            key: KeyKind::P256,
        })
        .collect();
    people::enrol_all(session.dir(), HOSPITAL, &persons)
}

async fn insurance(clerk: &Person) -> Outcome<Insurance> {
    let failed = |error: carecord_sdk::Error| from_sdk(&error);
    let terms = Terms {
        currency: Currency::UsDollar,
        deductible: 0,
        coinsurance_bps: COINSURANCE_BPS,
        outside_bps: None,
        out_of_pocket_max: None,
        unscheduled: Unscheduled::Charge,
        filing_days: FILING_DAYS,
    };
    let salt = random_id().map_err(failed)?;
    let schedule = Schedule { salt, services: vec![], excluded: vec![] };
    let network = vec![MspId::new(HOSPITAL_MSP).expect("an MSP id")];
    let mut tag_key = [0; 32];
    getrandom::fill(&mut tag_key).map_err(|error| Failure::new(Code::Short, error))?;
    retry(|| clerk.register_plan(terms.clone(), &schedule, network.clone(), tag_key))
        .await
        .map_err(failed)
}

async fn insured(
    clerk: &Person,
    insurance: &Insurance,
    patient: Person,
) -> Outcome<(Person, Membership)> {
    let failed = |error: carecord_sdk::Error| from_sdk(&error);
    let (from, until) = COVER;
    let member = retry(|| clerk.enroll(&insurance.plan, patient.id(), from, until)).await;
    let member = member.map_err(failed)?;
    let consent = now_unix_s() + CONSENT_S;
    retry(|| patient.grant(clerk.id(), Purpose::Payment, consent, None)).await.map_err(failed)?;
    Ok((patient, member))
}
