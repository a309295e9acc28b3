//! Alerts: raised with proof, acknowledged in time, or escalated.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    error,
    events::{ALERT_CHANGED, AlertChange},
    ids::Id,
    person,
    store::MARK,
    telemetry::{
        links,
        model::{Alert, NewAlert},
        prove, rules, store,
    },
    vocabulary::Verb,
};

/// How often an alert can be escalated.
pub const LEVEL_MAX: u32 = 3;

/// `RaiseAlert(alert)`: by the device of the rule's link; a rule has one alert at a time that nobody acknowledged.
pub(super) fn raise(context: &mut Context<'_>, new: NewAlert) -> Result<Alert, ContractError> {
    let device = person::caller(context)?;
    let absent = || error::ABSENT.because("no such rule of the caller's link").at("/alert/rule");
    let mut rule = rules::find(context, &new.rule)?.ok_or_else(absent)?;
    let link = links::find(context, &rule.rule.link)?.filter(|l| l.device == device.id);
    let link = link.ok_or_else(absent)?;
    if rule.ended.is_some() || rule.waiting.is_some() {
        return Err(error::STATE.because("the rule is over, or has an alert that waits"));
    }
    if find(context, &new.id)?.is_some() {
        return Err(error::TAKEN.because("the alert id is taken").at("/alert/id"));
    }
    prove::check(context, &link.id, new.seq, new.index, &new.leaf, &new.path)?;
    let now = context.now();
    let alert = Alert {
        id: new.id,
        rule: new.rule,
        link: link.id,
        severity: rule.rule.severity,
        seq: new.seq,
        index: new.index,
        leaf: new.leaf,
        at: now,
        level: 0,
        by: None,
        acknowledged: None,
    };
    rule.waiting = Some(alert.id.clone());
    rules::save(context, &rule)?;
    context.put_bytes(&store::alerts(&alert.link, now, &alert.id), MARK)?;
    save(context, &alert)?;
    Ok(alert)
}

/// `Ack(alertId)`: by a practitioner whom the patient lets be notified.
pub(super) fn acknowledge(context: &mut Context<'_>, id: Id) -> Result<Alert, ContractError> {
    let practitioner = person::caller(context)?;
    let mut alert = find(context, &id)?.ok_or_else(absent)?;
    let link = links::find(context, &alert.link)?.ok_or_else(absent)?;
    if !links::permits(context, &link, &practitioner, Verb::Notify)? {
        return Err(absent());
    }
    waits(&alert)?;
    alert.by = Some(practitioner.id);
    alert.acknowledged = Some(context.now());
    if let Some(mut rule) = rules::find(context, &alert.rule)? {
        rule.waiting = None;
        rules::save(context, &rule)?;
    }
    save(context, &alert)?;
    Ok(alert)
}

/// `Escalate(alertId)`: by whoever may see it, once the time to answer has passed again.
pub(super) fn escalate(context: &mut Context<'_>, id: Id) -> Result<Alert, ContractError> {
    let mut alert = find(context, &id)?.ok_or_else(absent)?;
    links::visible(context, &alert.link).map_err(|refusal| hide(&refusal))?;
    waits(&alert)?;
    if alert.level == LEVEL_MAX {
        return Err(error::STATE.because("the alert is escalated as far as it goes"));
    }
    let due = alert.at + alert.severity.answer_seconds() * i64::from(alert.level + 1);
    if context.now() < due {
        return Err(error::STATE.because("there is still time to answer"));
    }
    alert.level += 1;
    save(context, &alert)?;
    Ok(alert)
}

/// A link that the caller may not see and an alert that does not exist look the same.
fn hide(refusal: &ContractError) -> ContractError {
    if refusal.code == error::ABSENT { absent() } else { refusal.clone() }
}

fn waits(alert: &Alert) -> Result<(), ContractError> {
    match alert.acknowledged {
        None => Ok(()),
        Some(_) => Err(error::STATE.because("the alert is acknowledged")),
    }
}

fn absent() -> ContractError {
    error::ABSENT.because("no such alert, or none that the caller may know of")
}

fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Alert>, ContractError> {
    context.get(&store::alert(id))
}

fn save(context: &mut Context<'_>, alert: &Alert) -> Result<(), ContractError> {
    context.put(&store::alert(&alert.id), alert)?;
    let change = AlertChange {
        alert: alert.id.clone(),
        severity: alert.severity,
        level: alert.level,
        acknowledged: alert.acknowledged.is_some(),
    };
    context.event(ALERT_CHANGED, &change)
}

/// `ListAlerts(linkId, after, limit)`: oldest first, to whoever may see the link.
pub(super) fn list(
    context: &mut Context<'_>,
    link: Id,
    after: String,
    limit: u32,
) -> Result<crate::page::Page<Alert>, ContractError> {
    links::visible(context, &link)?;
    let limit = crate::page::limit(limit)?;
    let listed = crate::page::index(context, "tlalerts", &[link.as_str()], &after, limit)?;
    let mut items = Vec::new();
    for attributes in &listed.items {
        let id = attributes.last().and_then(|id| Id::new(id.as_str()));
        let id = id.ok_or_else(|| codes::FAILED.because("an alert's mark cannot be read"))?;
        items.extend(find(context, &id)?);
    }
    Ok(crate::page::Page { items, next: listed.next })
}
