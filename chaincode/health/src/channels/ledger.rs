//! Reading and writing a channel, and moving its money: nothing here decides.

use carecord_chaincode::{Context, ContractError};

use super::{Channel, ChannelId, Side, keys, machine::Payout};
use crate::{
    error,
    events::{CHANNEL_CHANGED, ChannelChange},
    ids::Id,
    person,
    token::{
        Account, Amount, Purpose,
        book::{Book, Money},
    },
};

/// Where a channel's deposits lie: named by the first 128 bits of its id.
pub(super) fn escrow(id: &ChannelId) -> Account {
    let id = Id::new(&id.as_str()[..32]).expect("64 hex digits begin with 32 of them");
    Account::escrow(Purpose::Channel, &id)
}

/// A channel and the caller's side in it, if it is one of these.
pub(super) fn own(
    context: &mut Context<'_>,
    id: &ChannelId,
    sides: &[Side],
) -> Result<(Channel, Side), ContractError> {
    let caller = person::caller(context)?;
    let channel = find(context, id)?.ok_or_else(absent)?;
    let side = channel.side_of(&caller.id).filter(|side| sides.contains(side));
    let side = side.ok_or_else(absent)?;
    Ok((channel, side))
}

/// A channel and the sides for which the caller may act: their own, or as a watchtower.
pub(super) fn watched(
    context: &mut Context<'_>,
    id: &ChannelId,
) -> Result<(Channel, Vec<Side>), ContractError> {
    let caller = person::caller(context)?;
    let channel = find(context, id)?.ok_or_else(absent)?;
    let sides = channel.sides_watched_by(&caller.id);
    if sides.is_empty() { Err(absent()) } else { Ok((channel, sides)) }
}

pub(crate) fn find(
    context: &mut Context<'_>,
    id: &ChannelId,
) -> Result<Option<Channel>, ContractError> {
    context.get(&keys::channel(id))
}

pub(super) fn absent() -> ContractError {
    error::ABSENT.because("no such channel of the caller")
}

/// Moves a side's money into the channel.
pub(super) fn deposit(
    context: &mut Context<'_>,
    book: &mut Book,
    channel: &Channel,
    side: Side,
    amount: Amount,
) -> Result<(), ContractError> {
    let account = account(book, channel, side);
    let money = Money { currency: channel.currency, amount };
    book.hold(context, &account, &escrow(&channel.id), money)
}

/// Empties a channel as a final step said, and writes it.
pub(super) fn settle(
    context: &mut Context<'_>,
    channel: &Channel,
    payout: Payout,
) -> Result<(), ContractError> {
    let mut book = Book::new();
    let escrow = escrow(&channel.id);
    let money = |amount| Money { currency: channel.currency, amount };
    let payee = account(&mut book, channel, Side::Payee);
    book.pay(context, &escrow, &payee, money(payout.payee))?;
    let payer = account(&mut book, channel, Side::Payer);
    book.refund(context, &escrow, &payer, money(payout.payer))?;
    book.write(context)?;
    save(context, channel)
}

/// Writes a channel and tells of it.
pub(super) fn save(context: &mut Context<'_>, channel: &Channel) -> Result<(), ContractError> {
    context.put(&keys::channel(&channel.id), channel)?;
    announce(context, channel)
}

pub(super) fn announce(context: &mut Context<'_>, channel: &Channel) -> Result<(), ContractError> {
    let change = ChannelChange {
        channel: channel.id.clone(),
        status: channel.status,
        funding: channel.funding,
        closing_seq: channel.closing.as_ref().map(|closing| closing.state.seq),
    };
    context.event(CHANNEL_CHANGED, &change)
}

/// A side's account; its home is known, so that no change of the owner's registration can hold the channel up.
fn account(book: &mut Book, channel: &Channel, side: Side) -> Account {
    let (owner, home) = match side {
        Side::Payer => (&channel.payer, &channel.payer_home),
        Side::Payee => (&channel.payee, &channel.payee_home),
    };
    let account = Account::Person(owner.clone());
    book.home_is(&account, channel.currency, home);
    account
}

// === impl Channel ===

impl Channel {
    /// Which end a person is.
    pub fn side_of(&self, person: &Id) -> Option<Side> {
        match person {
            person if *person == self.payer => Some(Side::Payer),
            person if *person == self.payee => Some(Side::Payee),
            _ => None,
        }
    }

    /// For which ends a person may object: their own, or those that appointed them.
    pub fn sides_watched_by(&self, person: &Id) -> Vec<Side> {
        let watches = |side: Side| {
            let tower = match side {
                Side::Payer => &self.tower_payer,
                Side::Payee => &self.tower_payee,
            };
            self.side_of(person) == Some(side) || tower.as_ref() == Some(person)
        };
        Side::ALL.iter().copied().filter(|side| watches(*side)).collect()
    }
}
