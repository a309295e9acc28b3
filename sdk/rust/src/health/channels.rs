//! Payment channels as the ledger has them; what is signed off the ledger is in [`crate::channel`].

use std::sync::Arc;

use carecord_health::channels::{
    Beats, Channel, ChannelId, Close, Invoice, NewChannel, SignedState,
};
use carecord_health::ids::{Commitment, Id};
use carecord_health::token::Amount;
use carecord_msp::Signer;

use super::{Person, json};
use crate::Error;

impl Person {
    /// Opens a channel to a practitioner; the deposit leaves the account.
    pub async fn open_channel(&self, new: &NewChannel) -> Result<Channel, Error> {
        self.submit("channels:Open", [json(new)]).await
    }

    /// Accepts a proposed channel as its payee; the deposit leaves the account.
    pub async fn accept_channel(&self, id: &ChannelId) -> Result<Channel, Error> {
        self.submit("channels:Accept", [id.to_string()]).await
    }

    /// Takes back a channel that nobody accepted.
    pub async fn cancel_channel(&self, id: &ChannelId) -> Result<Channel, Error> {
        self.submit("channels:Cancel", [id.to_string()]).await
    }

    /// Puts more in, from a base that both signed.
    pub async fn top_up_channel(
        &self,
        id: &ChannelId,
        amount: Amount,
        base: &SignedState,
    ) -> Result<Channel, Error> {
        self.submit("channels:TopUp", [id.to_string(), amount.to_string(), json(base)]).await
    }

    /// Lets somebody object for the caller.
    pub async fn appoint_watchtower(&self, id: &ChannelId, tower: &Id) -> Result<Channel, Error> {
        self.submit("channels:Delegate", [id.to_string(), tower.to_string()]).await
    }

    /// Says what a visit costs.
    pub async fn invoice_channel(
        &self,
        id: &ChannelId,
        invoice: &Invoice,
    ) -> Result<Channel, Error> {
        self.submit("channels:Invoice", [id.to_string(), json(invoice)]).await
    }

    /// Pays the invoice with this commitment; the channel ends.
    pub async fn pay_invoice(&self, id: &ChannelId, hash: &Commitment) -> Result<Channel, Error> {
        self.submit("channels:PayInvoice", [id.to_string(), hash.to_string()]).await
    }

    /// Ends a channel at a state that both signed as the final one.
    pub async fn close_channel(
        &self,
        id: &ChannelId,
        state: &SignedState,
    ) -> Result<Channel, Error> {
        self.submit("channels:CloseCooperative", [id.to_string(), json(state)]).await
    }

    /// Begins to end a channel alone.
    pub async fn close_channel_alone(
        &self,
        id: &ChannelId,
        close: &Close,
    ) -> Result<Channel, Error> {
        self.submit("channels:CloseUnilateral", [id.to_string(), json(close)]).await
    }

    /// Begins to end a channel whose time is over.
    pub async fn expire_channel(&self, id: &ChannelId) -> Result<Channel, Error> {
        self.submit("channels:Expire", [id.to_string()]).await
    }

    /// Shows a state that the closer kept back.
    pub async fn challenge_channel(
        &self,
        id: &ChannelId,
        state: &SignedState,
    ) -> Result<Channel, Error> {
        self.submit("channels:Challenge", [id.to_string(), json(state)]).await
    }

    /// Counts one block of the window of a waiting close.
    pub async fn witness_channel(&self, id: &ChannelId) -> Result<Beats, Error> {
        self.submit("channels:Witness", [id.to_string()]).await
    }

    /// Ends a channel whose window is over.
    pub async fn finalize_channel(&self, id: &ChannelId) -> Result<Channel, Error> {
        self.submit("channels:Finalize", [id.to_string()]).await
    }

    /// A channel of which the caller is a side or a watchtower.
    pub async fn channel(&self, id: &ChannelId) -> Result<Channel, Error> {
        self.evaluate("channels:Get", [id.to_string()]).await
    }

    /// The same, as peers of two organisations answer alike: what a side signs states for.
    pub async fn agreed_channel(&self, id: &ChannelId) -> Result<Channel, Error> {
        self.agreed("channels:Get", &[id.to_string()]).await
    }

    /// All of them.
    pub async fn my_channels(&self) -> Result<Vec<Channel>, Error> {
        self.list("channels:ListMine", &[]).await
    }

    /// What signs for the caller, for [`crate::channel::Payer`] and [`crate::channel::Payee`].
    pub fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(self.gateway().signer())
    }
}
