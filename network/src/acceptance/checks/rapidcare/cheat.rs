//! A doctor closes with a state that was corrected, while the patient is away; the watchtower is not.

use std::time::Duration;

use carecord_health::channels::{Channel, Close, Mode, NewChannel, Side, SignedState, Status};
use carecord_health::token::{Amount, Currency};
use carecord_sdk::channel::{Memory, Objection, Payee, Payer, Watchtower};
use carecord_sdk::events::From;

use super::town::Town;
use super::visit::{RATE, short};
use crate::acceptance::Finding;
use crate::acceptance::trial::CHANNEL;
use crate::bringup::now_unix_s;
use crate::chain::settle;
use crate::error::Outcome;
use crate::session::from_sdk;

const DEPOSIT: u128 = 1_500;
const DOCTORS_DEPOSIT: u128 = 300;
const METERED: u64 = 20;
const TRUE_MINUTES: u64 = 17;
const DAY: i64 = 86_400;
const PATIENCE: Duration = Duration::from_secs(60);
/// The ledger's refusals of a wrong moment and of a wrong signature.
const STATE: &str = "CR-CC-050";
const PROOF: &str = "CR-CC-070";

/// The cheat and what becomes of it.
pub(super) async fn caught(town: &Town<'_>) -> Outcome<Finding> {
    let before = town.purses().await?;
    let channel = opened(town).await?;
    let (old, newest) = corrected(town, &channel)?;
    let tower = town.clerk.id().clone();
    let id = &channel.id;
    let channel = town.done(|| town.patient.appoint_watchtower(id, &tower)).await?;
    let failed = |error: carecord_sdk::channel::Error| short(&error.to_string());
    let mut watch =
        Watchtower::open(town.clerk.clone(), town.folder("watchtower")).map_err(failed)?;
    watch.watch(&town.network, &channel, Side::Payer, newest.clone()).map_err(failed)?;
    let quiet = watch.patrol().await.map_err(|error| from_sdk(&error))?.is_empty();
    let block = town.height().await?;

    town.refused(PROOF, town.doctor.close_channel(id, &old)).await?;
    let close = Close { state: Some(old.clone()), pending: None };
    town.done(|| town.doctor.close_channel_alone(id, &close)).await?;
    town.refused(STATE, town.doctor.finalize_channel(id)).await?;
    town.refused(STATE, town.doctor.challenge_channel(id, &newest)).await?;
    let from = From { block: Some(block), after_transaction: None };
    let acted = tokio::time::timeout(PATIENCE, watch.follow(from)).await;
    let acted = acted.map_err(|_| short("the watchtower did not object"))?;
    let acted = acted.map_err(|error| from_sdk(&error))?;
    settle(town.trial.session(), CHANNEL).await?;
    town.refused(STATE, town.doctor.finalize_channel(id)).await?;

    let ended = town.done(|| town.patient.channel(id)).await?;
    let after = town.purses().await?;
    let ok = quiet
        && acted == Some((id.clone(), Objection::Challenge))
        && ended.status == Status::Penalised
        && after == (before.0 + DOCTORS_DEPOSIT, before.1 - DOCTORS_DEPOSIT);
    let figure = format!(
        "a doctor who closed at {METERED} instead of {TRUE_MINUTES} minutes lost {} to the patient",
        before.1.saturating_sub(after.1)
    );
    Ok(Finding::new(figure, ok))
}

/// A channel into which both put something.
async fn opened(town: &Town<'_>) -> Outcome<Channel> {
    let new = NewChannel {
        payee: town.doctor.id().clone(),
        mode: Mode::Bi,
        currency: Currency::Care,
        rate: Amount(RATE),
        deposit_payer: Amount(DEPOSIT),
        deposit_payee: Amount(DOCTORS_DEPOSIT),
        penalty_bps: None,
        window_seconds: None,
        window_blocks: None,
        expires: now_unix_s() + DAY,
        appointment: None,
    };
    let channel = town.done(|| town.patient.open_channel(&new)).await?;
    town.done(|| town.doctor.accept_channel(&channel.id)).await
}

/// The meter ran too long; both sign that it was less. The state before that, and the newest.
fn corrected(town: &Town<'_>, channel: &Channel) -> Outcome<(SignedState, SignedState)> {
    let failed = |error: carecord_sdk::channel::Error| short(&error.to_string());
    let memory = |whose: &str| {
        let folder = town.folder(whose);
        Memory::open(&folder, &town.network, channel.clone()).map_err(failed)
    };
    let mut payer = Payer::new(memory("patient")?, town.patient.signer());
    let mut payee = Payee::new(memory("doctor")?, town.doctor.signer());
    let due = |minutes: u64| Amount(DOCTORS_DEPOSIT + RATE * u128::from(minutes));
    let unanswered = || short("the doctor's side did not answer");
    for minute in 1..=METERED {
        let offer = payer.pay_meter(minute * 60).map_err(failed)?;
        let answer = payee.take(&offer, due(minute)).map_err(failed)?;
        payer.take(answer.ok_or_else(unanswered)?).map_err(failed)?;
    }
    let old = payee.close().state.ok_or_else(unanswered)?;
    let offer = payer.pay(due(TRUE_MINUTES), TRUE_MINUTES * 60, None).map_err(failed)?;
    let answer = payee.take(&offer, due(TRUE_MINUTES)).map_err(failed)?;
    payer.take(answer.ok_or_else(unanswered)?).map_err(failed)?;
    let newest = payer.close().state.ok_or_else(unanswered)?;
    Ok((old, newest))
}
