//! Opening, accepting, cancelling, topping up.

use carecord_chaincode::{Context, ContractError, codes};

use super::{
    Channel, ChannelId, Mode, NewChannel, Side, SignedState, State, Status, channel_key, keys,
    ledger, machine::BPS,
};
use crate::{
    error,
    ids::Id,
    model::Subject,
    person, policy, store,
    token::{
        self, Amount,
        book::{Book, Money},
    },
    vocabulary::Role,
};

/// The shortest window for objections: two hours, eight times what a signer's clock may be off.
pub const WINDOW_SECONDS_MIN: i64 = 2 * 3600;
/// The longest: thirty days.
pub const WINDOW_SECONDS_MAX: i64 = 30 * 24 * 3600;
/// The fewest blocks that a window lasts, see `docs/decisions/0009-blocks-counted-by-transactions.md`.
pub const WINDOW_BLOCKS_MIN: u32 = 6;
/// The most.
pub const WINDOW_BLOCKS_MAX: u32 = 100;
/// The longest life of a channel: a year.
pub const LIFE_SECONDS_MAX: i64 = 366 * 24 * 3600;

/// `Open(channel)`.
pub(super) fn open(context: &mut Context<'_>, new: NewChannel) -> Result<Channel, ContractError> {
    let payer = person::caller(context)?;
    let mut book = Book::new();
    let channel = open_for(context, &mut book, &payer, new)?;
    book.write(context)?;
    ledger::announce(context, &channel)?;
    Ok(channel)
}

/// Opens a channel of `payer` within another contract's transaction, which writes the book and sets the event.
///
/// One transaction opens one channel, since the channel is named after it.
pub(crate) fn open_for(
    context: &mut Context<'_>,
    book: &mut Book,
    payer: &Subject,
    new: NewChannel,
) -> Result<Channel, ContractError> {
    check(context, &new)?;
    let absent = || error::ABSENT.because("no such practitioner").at("/channel/payee");
    let payee = token::holder(context, &new.payee)?;
    if payee.role != Role::Practitioner || payee.id == payer.id {
        return Err(absent());
    }
    token::network(context)?;
    let channel = draft(context, payer, &payee, new)?;
    let key = keys::channel(&channel.id);
    context.put(&key, &channel)?;
    policy::protect_jointly(context, &[key])?;
    for side in [&channel.payer, &channel.payee] {
        context.put_bytes(&keys::of(side, &channel.id), store::MARK)?;
    }
    ledger::deposit(context, book, &channel, Side::Payer, channel.deposit_payer)?;
    Ok(channel)
}

fn check(context: &Context<'_>, new: &NewChannel) -> Result<(), ContractError> {
    let value = |reason: &str, at: &str| Err(codes::VALUE.because(reason).at(at));
    new.currency.check_transferable()?;
    if new.deposit_payer == Amount::ZERO {
        return value("a channel needs the payer's deposit", "/channel/depositPayer");
    }
    if new.mode == Mode::Uni && new.deposit_payee != Amount::ZERO {
        return value("the payee deposits nothing in this mode", "/channel/depositPayee");
    }
    if new.deposit_payer.plus(new.deposit_payee).is_none() {
        return value("the deposits do not fit into 128 bits", "/channel/depositPayee");
    }
    if !new.penalty_bps.is_none_or(|bps| (1..=BPS).contains(&bps)) {
        return value("a penalty is 1 to 10,000 hundredths of a percent", "/channel/penaltyBps");
    }
    let seconds = WINDOW_SECONDS_MIN..=WINDOW_SECONDS_MAX;
    if !new.window_seconds.is_none_or(|window| seconds.contains(&window)) {
        return value("a window lasts from two hours to thirty days", "/channel/windowSeconds");
    }
    let blocks = WINDOW_BLOCKS_MIN..=WINDOW_BLOCKS_MAX;
    if !new.window_blocks.is_none_or(|window| blocks.contains(&window)) {
        return value("a window lasts from 6 to 100 blocks", "/channel/windowBlocks");
    }
    let life = context.now()..=context.now().saturating_add(LIFE_SECONDS_MAX);
    if new.expires == context.now() || !life.contains(&new.expires) {
        return value("a channel ends within a year from now", "/channel/expires");
    }
    Ok(())
}

fn draft(
    context: &Context<'_>,
    payer: &Subject,
    payee: &Subject,
    new: NewChannel,
) -> Result<Channel, ContractError> {
    let tx = context.tx_id();
    let id = ChannelId::new(tx)
        .ok_or_else(|| codes::FAILED.because("a transaction id that is no hash"))?;
    let base = State {
        funding: 0,
        seq: 0,
        bal_payer: new.deposit_payer,
        bal_payee: new.deposit_payee,
        meter_seconds: 0,
        invoice: None,
    };
    Ok(Channel {
        id,
        payer: payer.id.clone(),
        payee: payee.id.clone(),
        payer_home: payer.msp.clone(),
        payee_home: payee.msp.clone(),
        payer_key: key_of(payer)?,
        payee_key: key_of(payee)?,
        mode: new.mode,
        currency: new.currency,
        rate: new.rate,
        deposit_payer: new.deposit_payer,
        deposit_payee: new.deposit_payee,
        funding: 0,
        base,
        penalty_bps: new.penalty_bps.unwrap_or(BPS),
        window_seconds: new.window_seconds.unwrap_or(WINDOW_SECONDS_MIN),
        window_blocks: new.window_blocks.unwrap_or(WINDOW_BLOCKS_MIN),
        opened: context.now(),
        expires: new.expires,
        appointment: new.appointment,
        status: if new.mode == Mode::Uni { Status::Open } else { Status::Proposed },
        invoice: None,
        closing: None,
        tower_payer: None,
        tower_payee: None,
        paid_payer: None,
        paid_payee: None,
    })
}

fn key_of(who: &Subject) -> Result<String, ContractError> {
    let key = token::signing_key(who).and_then(|spki| channel_key(&spki));
    let reason = "both sides need a registered encryption key, signed by a P-256 certificate key";
    key.ok_or_else(|| error::STATE.because(reason))
}

/// `Accept(channelId)`.
pub(super) fn accept(context: &mut Context<'_>, id: ChannelId) -> Result<Channel, ContractError> {
    let (mut channel, _) = ledger::own(context, &id, &[Side::Payee])?;
    channel.accept(context.now())?;
    let mut book = Book::new();
    ledger::deposit(context, &mut book, &channel, Side::Payee, channel.deposit_payee)?;
    book.write(context)?;
    ledger::save(context, &channel)?;
    Ok(channel)
}

/// `Cancel(channelId)`.
pub(super) fn cancel(context: &mut Context<'_>, id: ChannelId) -> Result<Channel, ContractError> {
    let (mut channel, _) = ledger::own(context, &id, &[Side::Payer])?;
    channel.cancel()?;
    // Only the payer's deposit is there.
    let money = Money { currency: channel.currency, amount: channel.deposit_payer };
    let mut book = Book::new();
    let payer = token::Account::Person(channel.payer.clone());
    book.refund(context, &ledger::escrow(&channel.id), &payer, money)?;
    book.write(context)?;
    ledger::save(context, &channel)?;
    Ok(channel)
}

/// `TopUp(channelId, amount, base)`.
pub(super) fn top_up(
    context: &mut Context<'_>,
    id: ChannelId,
    amount: Amount,
    base: SignedState,
) -> Result<Channel, ContractError> {
    let (mut channel, side) = ledger::own(context, &id, &[Side::Payer, Side::Payee])?;
    if amount == Amount::ZERO {
        return Err(codes::VALUE.because("an amount of nothing").at("/amount"));
    }
    let network = token::network(context)?;
    base.verify_both(&network, &channel)?;
    channel.top_up(side, amount, &base.state)?;
    let mut book = Book::new();
    book.gather(context, &ledger::escrow(&channel.id), channel.currency)?;
    ledger::deposit(context, &mut book, &channel, side, amount)?;
    book.write(context)?;
    ledger::save(context, &channel)?;
    Ok(channel)
}

/// `Delegate(channelId, tower)`.
///
/// Who closes alone may not appoint anybody while the other side's objection is waited for: each change of the channel
/// makes a challenge that was simulated before it void.
pub(super) fn delegate(
    context: &mut Context<'_>,
    id: ChannelId,
    tower: Id,
) -> Result<Channel, ContractError> {
    let (mut channel, side) = ledger::own(context, &id, &[Side::Payer, Side::Payee])?;
    let closing = channel.closing.as_ref().is_some_and(|closing| closing.closer == side);
    if !channel.is_live() || (channel.status == Status::Closing && closing) {
        return Err(error::STATE.because("the channel is over, or the caller is closing it"));
    }
    token::holder(context, &tower)?;
    let own = tower == channel.payer || tower == channel.payee;
    if own {
        return Err(codes::VALUE.because("a watchtower is neither of the two sides").at("/tower"));
    }
    match side {
        Side::Payer => channel.tower_payer = Some(tower.clone()),
        Side::Payee => channel.tower_payee = Some(tower.clone()),
    }
    context.put_bytes(&keys::of(&tower, &channel.id), store::MARK)?;
    ledger::save(context, &channel)?;
    Ok(channel)
}
