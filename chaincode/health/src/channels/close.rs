//! Invoices and every way in which a channel ends.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Beats, Channel, ChannelId, Invoice, Side, SignedState, Status, keys, ledger, machine::Clock,
};
use crate::{error, ids::Commitment, token};

json_object! {
    /// How one side closes alone.
    pub struct Close {
        /// The newest signed state; absent to close at the division that holds without signatures.
        pub state: Option<SignedState>,
        /// Whether the caller has signed the next number too and never got the other's signature back; absent: no.
        pub pending: Option<bool>,
    }
}

/// `Invoice(channelId, invoice)`.
pub(super) fn invoice(
    context: &mut Context<'_>,
    id: ChannelId,
    invoice: Invoice,
) -> Result<Channel, ContractError> {
    let (mut channel, _) = ledger::own(context, &id, &[Side::Payee])?;
    channel.issue(invoice)?;
    ledger::save(context, &channel)?;
    Ok(channel)
}

/// `PayInvoice(channelId, hash)`: the payer's own transaction is the signature that extras need.
pub(super) fn pay_invoice(
    context: &mut Context<'_>,
    id: ChannelId,
    hash: Commitment,
) -> Result<Channel, ContractError> {
    let (mut channel, _) = ledger::own(context, &id, &[Side::Payer])?;
    let other = channel.invoice.as_ref().is_some_and(|invoice| invoice.hash != hash);
    if other {
        return Err(error::PROOF.because("the channel has another invoice").at("/hash"));
    }
    let payout = channel.pay()?;
    ledger::settle(context, &channel, payout)?;
    Ok(channel)
}

/// `CloseCooperative(channelId, state)`.
pub(super) fn cooperative(
    context: &mut Context<'_>,
    id: ChannelId,
    state: SignedState,
) -> Result<Channel, ContractError> {
    let (mut channel, _) = ledger::own(context, &id, &[Side::Payer, Side::Payee])?;
    state.verify_final(&token::network(context)?, &channel)?;
    let payout = channel.close_cooperative(&state.state)?;
    ledger::settle(context, &channel, payout)?;
    Ok(channel)
}

/// `CloseUnilateral(channelId, close)`.
pub(super) fn unilateral(
    context: &mut Context<'_>,
    id: ChannelId,
    close: Close,
) -> Result<Channel, ContractError> {
    let (mut channel, side) = ledger::own(context, &id, &[Side::Payer, Side::Payee])?;
    if let Some(signed) = &close.state {
        signed.verify(&token::network(context)?, &channel)?;
    }
    let state = close.state.as_ref().map(|signed| &signed.state);
    match channel.close_unilateral(side, state, close.pending.unwrap_or(false), context.now())? {
        Some(payout) => ledger::settle(context, &channel, payout)?,
        None => begin(context, &channel)?,
    }
    Ok(channel)
}

/// `Expire(channelId)`.
pub(super) fn expire(context: &mut Context<'_>, id: ChannelId) -> Result<Channel, ContractError> {
    let (mut channel, side) = ledger::own(context, &id, &[Side::Payer, Side::Payee])?;
    channel.expire(side, context.now())?;
    begin(context, &channel)?;
    Ok(channel)
}

/// From now on blocks are counted.
fn begin(context: &mut Context<'_>, channel: &Channel) -> Result<(), ContractError> {
    context.put(&keys::beats(&channel.id), &Beats { count: 0 })?;
    ledger::save(context, channel)
}

/// `Witness(channelId)`: one block of the window is over.
///
/// Each call reads what the one before it wrote, so no two of them are valid in one block: their number is a lower
/// bound of the blocks since the close, equal on every peer. The channel itself is only read.
pub(super) fn witness(context: &mut Context<'_>, id: ChannelId) -> Result<Beats, ContractError> {
    let (channel, _) = ledger::watched(context, &id)?;
    let count = beats(context, &id)?;
    if channel.status != Status::Closing || count >= channel.window_blocks {
        return Err(
            error::STATE.because("nobody is closing the channel, or enough blocks are counted")
        );
    }
    let beats = Beats { count: count + 1 };
    context.put(&keys::beats(&id), &beats)?;
    Ok(beats)
}

/// `Challenge(channelId, state)`.
pub(super) fn challenge(
    context: &mut Context<'_>,
    id: ChannelId,
    state: SignedState,
) -> Result<Channel, ContractError> {
    let (mut channel, sides) = ledger::watched(context, &id)?;
    let closer = channel.closing.as_ref().map(|closing| closing.closer);
    let honest = sides.iter().find(|side| Some(**side) != closer);
    let side = honest.copied().unwrap_or(sides[0]);
    state.verify(&token::network(context)?, &channel)?;
    let now = context.now();
    let payout = channel.challenge(side, &state.state, now, || beats(context, &id))?;
    ledger::settle(context, &channel, payout)?;
    Ok(channel)
}

/// `Finalize(channelId)`.
pub(super) fn finalize(context: &mut Context<'_>, id: ChannelId) -> Result<Channel, ContractError> {
    let (mut channel, _) = ledger::watched(context, &id)?;
    let clock = Clock { now: context.now(), blocks: beats(context, &id)? };
    let payout = channel.finalize(clock)?;
    ledger::settle(context, &channel, payout)?;
    Ok(channel)
}

fn beats(context: &mut Context<'_>, id: &ChannelId) -> Result<u32, ContractError> {
    let beats: Option<Beats> = context.get(&keys::beats(id))?;
    Ok(beats.map_or(0, |beats| beats.count))
}

/// `Get(channelId)`.
pub(super) fn get(context: &mut Context<'_>, id: ChannelId) -> Result<Channel, ContractError> {
    Ok(ledger::watched(context, &id)?.0)
}

/// `Beats(channelId)`.
pub(super) fn get_beats(context: &mut Context<'_>, id: ChannelId) -> Result<Beats, ContractError> {
    ledger::watched(context, &id)?;
    Ok(Beats { count: beats(context, &id)? })
}

/// `ListMine(after, limit)`.
pub(super) fn list_mine(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<crate::page::Page<Channel>, ContractError> {
    let caller = crate::person::caller(context)?;
    let limit = crate::page::limit(limit)?;
    let listed = crate::page::index(context, keys::OF, &[caller.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for attributes in &listed.items {
        let id = attributes.first().and_then(|id| ChannelId::new(id.as_str()));
        let id = id.ok_or_else(|| codes::FAILED.because("a listed channel without an id"))?;
        // A watchtower that was replaced is still listed, and sees nothing any more.
        let seen = |channel: &Channel| !channel.sides_watched_by(&caller.id).is_empty();
        items.extend(ledger::find(context, &id)?.filter(seen));
    }
    Ok(crate::page::Page { items, next: listed.next })
}
