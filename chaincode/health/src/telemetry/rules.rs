//! Rules: set by practitioners whom the patient lets submit and be notified.

use carecord_chaincode::{Context, ContractError};

use crate::{
    error,
    events::{RULE_CHANGED, RuleChange},
    ids::Id,
    person,
    telemetry::{
        links,
        model::{NewRule, Rule},
        store,
        words::LinkStatus,
    },
    vocabulary::Verb,
};

/// `SetRule(rule)`.
pub(super) fn set(context: &mut Context<'_>, new: NewRule) -> Result<Rule, ContractError> {
    let practitioner = person::caller(context)?;
    let link = links::find(context, &new.link)?.ok_or_else(links::absent)?;
    for verb in [Verb::Submit, Verb::Notify] {
        if !links::permits(context, &link, &practitioner, verb)? {
            return Err(links::absent());
        }
    }
    if link.status == LinkStatus::Ended {
        return Err(error::STATE.because("the link is over"));
    }
    if find(context, &new.id)?.is_some() {
        return Err(error::TAKEN.because("the rule id is taken").at("/rule/id"));
    }
    let at = context.now();
    let rule = Rule { rule: new, practitioner: practitioner.id, at, ended: None, waiting: None };
    save(context, &rule)?;
    let change = RuleChange { rule: rule.rule.id.clone(), active: true };
    context.event(RULE_CHANGED, &change)?;
    Ok(rule)
}

/// `EndRule(ruleId)`: by who set it, or by the patient.
pub(super) fn end(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let absent = || error::ABSENT.because("no such rule, or none that the caller may end");
    let mut rule = find(context, &id)?.ok_or_else(absent)?;
    let link = links::find(context, &rule.rule.link)?.ok_or_else(absent)?;
    if rule.practitioner != caller.id && link.patient != caller.id {
        return Err(absent());
    }
    if rule.ended.is_some() {
        return Err(error::STATE.because("the rule is over"));
    }
    rule.ended = Some(context.now());
    save(context, &rule)?;
    context.event(RULE_CHANGED, &RuleChange { rule: id, active: false })
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Rule>, ContractError> {
    context.get(&store::rule(id))
}

pub(super) fn save(context: &mut Context<'_>, rule: &Rule) -> Result<(), ContractError> {
    context.put(&store::rule(&rule.rule.id), rule)
}
