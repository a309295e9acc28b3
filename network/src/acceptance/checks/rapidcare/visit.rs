//! From the request to the refund: the ledger hears of a visit's payment when it begins and when it ends.

use std::collections::BTreeSet;

use carecord_health::appointments::model::Match;
use carecord_health::appointments::words::MatchStatus;
use carecord_health::channels::{Channel, Invoice, Status};
use carecord_health::ids::{Commitment, Id};
use carecord_health::page::Page;
use carecord_health::token::Amount;
use carecord_sdk::channel::{Memory, Payee, Payer};
use carecord_sdk::health::{Person, random_id};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::town::Town;
use crate::acceptance::Finding;
use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::from_sdk;

/// Price of a minute.
pub(super) const RATE: u128 = 60;
const MINUTES: u64 = 17;
/// The visit that was asked for, and so the least deposit.
const MINUTES_ASKED: u64 = 25;
/// One state in so many seconds.
const STEP: u64 = 10;
const SLOT_IN: i64 = 600;
const SLOT_SECONDS: i64 = 1_800;
const DAY: i64 = 86_400;

/// The whole visit; its figures.
pub(super) async fn paid(town: &Town<'_>) -> Outcome<Finding> {
    let before = town.purses().await?;
    let matched = matched(town).await?;
    let deposit = RATE * u128::from(MINUTES_ASKED);
    let confirmed = confirm(town, &matched, deposit).await?;
    let id = confirmed.channel.ok_or_else(|| short("no channel was opened"))?;
    let channel = town.done(|| town.patient.agreed_channel(&id)).await?;
    let held = town.purses().await?;
    let visit = matched.id.as_str();
    let _: Value = act(town, &town.patient, "appointments:CheckIn", &[visit]).await?;
    let _: Value = act(town, &town.doctor, "appointments:Start", &[visit]).await?;
    let blocks = heights(town).await?;
    let states = metered(town, &channel)?;
    let quiet = blocks == heights(town).await?;
    let _: Value = act(town, &town.patient, "appointments:Stop", &[visit]).await?;
    let closed = invoiced(town, &channel).await?;
    let after = town.purses().await?;
    let price = RATE * u128::from(MINUTES);
    let ok = held == (before.0 - deposit, before.1)
        && after == (before.0 - price, before.1 + price)
        && closed.status == Status::Closed
        && closed.paid_payer == Some(Amount(deposit - price))
        && quiet;
    let figure = format!(
        "{MINUTES} minutes in {states} states without a block; {price} paid, {} of {deposit} back",
        deposit - price
    );
    Ok(Finding::new(figure, ok))
}

/// Slot and request, brought together by the matching of the hospital.
async fn matched(town: &Town<'_>) -> Outcome<Match> {
    let now = now_unix_s();
    let (id, slot) = (fresh()?, fresh()?);
    let specialties = r#"["general"]"#;
    let doctor = town.doctor.id().as_str();
    administer(town, "appointments:Qualify", &[doctor, specialties]).await?;
    let profile =
        json!({"languages": ["en"], "inNetwork": [], "rate": RATE as u64, "dailyCap": 480});
    let _: Value =
        act(town, &town.doctor, "appointments:SetProfile", &[&profile.to_string()]).await?;
    let slot = json!([{"id": slot, "start": now + SLOT_IN, "end": now + SLOT_IN + SLOT_SECONDS,
                       "mode": "in-person"}]);
    let _: Value =
        act(town, &town.doctor, "appointments:PublishSlots", &[&slot.to_string()]).await?;
    let terms = json!({"periods": [{"start": now + SLOT_IN / 2, "end": now + DAY / 2}],
                       "languages": ["en"], "mode": "in-person", "minutes": MINUTES_ASKED,
                       "pay": {"budget": 2 * RATE as u64 * MINUTES_ASKED}, "prefs": [],
                       "reach": []});
    let request = json!({"id": id, "specialty": "general", "urgency": 2, "terms": terms});
    let _: Value =
        act(town, &town.patient, "appointments:Request", &[&request.to_string()]).await?;
    let batch = fresh()?;
    let before = now_unix_s().to_string();
    administer(town, "appointments:FreezeBatch", &[batch.as_str(), "general", &before]).await?;
    administer(town, "appointments:RunMatching", &[batch.as_str()]).await?;
    let page: Page<Match> =
        ask(town, &town.patient, "appointments:ListMatches", &["", "10"]).await?;
    let found = page.items.into_iter().find(|found| found.request == id);
    let found = found.ok_or_else(|| short("the request was not matched"))?;
    let _: Value = act(town, &town.doctor, "appointments:Accept", &[found.id.as_str()]).await?;
    Ok(found)
}

async fn confirm(town: &Town<'_>, matched: &Match, deposit: u128) -> Outcome<Match> {
    let deposit = json!({"mode": "uni", "amount": deposit.to_string()}).to_string();
    let args = [matched.id.as_str(), &deposit];
    let confirmed: Match = act(town, &town.patient, "appointments:Confirm", &args).await?;
    if confirmed.status == MatchStatus::Confirmed {
        Ok(confirmed)
    } else {
        Err(short("not confirmed"))
    }
}

/// The patient pays every ten seconds, the doctor checks; how many states that made.
fn metered(town: &Town<'_>, channel: &Channel) -> Outcome<u64> {
    let failed = |error: carecord_sdk::channel::Error| short(&error.to_string());
    let memory = |whose: &str| {
        let folder = town.folder(whose);
        Memory::open(&folder, &town.network, channel.clone()).map_err(failed)
    };
    let mut payer = Payer::new(memory("patient")?, town.patient.signer());
    let mut payee = Payee::new(memory("doctor")?, town.doctor.signer());
    for seconds in (STEP..=MINUTES * 60).step_by(usize::try_from(STEP).unwrap_or(1)) {
        let offer = payer.pay_meter(seconds).map_err(failed)?;
        let least = payee.due(seconds).ok_or_else(|| short("no price"))?;
        payee.take(&offer, least).map_err(failed)?;
    }
    Ok(payee.memory().division().seq)
}

/// The doctor says what it costs, the patient pays it, and the channel is over.
async fn invoiced(town: &Town<'_>, channel: &Channel) -> Outcome<Channel> {
    let hash = Commitment::new(format!("{}{}", fresh()?, fresh()?));
    let hash = hash.ok_or_else(|| short("no commitment"))?;
    let total = Amount(RATE * u128::from(MINUTES));
    let invoice =
        Invoice { hash: hash.clone(), meter_seconds: MINUTES * 60, extras: Amount::ZERO, total };
    town.done(|| town.doctor.invoice_channel(&channel.id, &invoice)).await?;
    town.done(|| town.patient.pay_invoice(&channel.id, &hash)).await
}

/// How many blocks each node has; one number when all have settled.
async fn heights(town: &Town<'_>) -> Outcome<BTreeSet<u64>> {
    Ok(town.trial.tips().await?.into_iter().map(|(_, tip)| tip.height).collect())
}

async fn act<T: DeserializeOwned>(
    town: &Town<'_>,
    who: &Person,
    function: &str,
    args: &[&str],
) -> Outcome<T> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let answer = town.done(|| who.contract().submit(function, args.clone())).await?;
    read(&answer)
}

async fn administer(town: &Town<'_>, function: &str, args: &[&str]) -> Outcome<Value> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let answer = town.done(|| town.registrar.submit(function, args.clone())).await?;
    read(&answer)
}

async fn ask<T: DeserializeOwned>(
    town: &Town<'_>,
    who: &Person,
    function: &str,
    args: &[&str],
) -> Outcome<T> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    read(&town.done(|| who.contract().evaluate(function, args.clone())).await?)
}

/// A result; nothing at all is JSON's null.
fn read<T: DeserializeOwned>(answer: &[u8]) -> Outcome<T> {
    let bytes = if answer.is_empty() { b"null" } else { answer };
    serde_json::from_slice(bytes).map_err(|error| short(&error.to_string()))
}

pub(super) fn fresh() -> Outcome<Id> {
    random_id().map_err(|error| from_sdk(&error))
}

pub(super) fn short(cause: &str) -> Failure {
    Failure::new(Code::Short, cause)
}
