//! Money: what a person has, gives, sets apart; what two organisations issue.

use carecord_health::ids::Id;
use carecord_health::token::{
    Amount, Balance, Currency, Entry, FOLD_MAX, Fold, Hold, Motion, NewAllowance, NewHold,
    NewMoney, NewReceipt, NewSettings, Receipt, Release, Settings, TransferFrom, Waiting,
    network_name, receipt_statement,
};
use data_encoding::BASE64;

use super::{Person, json, parse};
use crate::{Contract, Error};

/// Agrees to the rules of the token for the caller's organisation; they hold once a second one agreed; an
/// administrator's act.
pub async fn init_token(admin: &Contract, settings: &NewSettings) -> Result<Motion, Error> {
    parse(&admin.submit("token:Init", [json(settings)]).await?)
}

/// Agrees to new money for the caller's organisation; it is issued once a second one agreed; an administrator's act.
pub async fn mint(admin: &Contract, money: &NewMoney) -> Result<Motion, Error> {
    parse(&admin.submit("token:Mint", [json(money)]).await?)
}

impl Person {
    /// What the person has, waiting credits included.
    pub async fn balance(&self, currency: Currency) -> Result<Amount, Error> {
        let args = [self.id.to_string(), currency.as_str().to_owned()];
        let balance: Balance = self.evaluate("token:BalanceOf", args).await?;
        Ok(balance.amount)
    }

    /// How much of a currency there is.
    pub async fn total_supply(&self, currency: Currency) -> Result<Amount, Error> {
        let args = [currency.as_str().to_owned()];
        let balance: Balance = self.evaluate("token:TotalSupply", args).await?;
        Ok(balance.amount)
    }

    /// Gives CARE to somebody.
    pub async fn transfer(&self, to: &Id, amount: Amount) -> Result<(), Error> {
        let args = [to.to_string(), Currency::Care.as_str().to_owned(), amount.to_string()];
        self.done("token:Transfer", args).await
    }

    /// Destroys own money: how credits are redeemed.
    pub async fn burn(&self, currency: Currency, amount: Amount) -> Result<(), Error> {
        self.done("token:Burn", [currency.as_str().to_owned(), amount.to_string()]).await
    }

    /// Lets somebody take up to an amount; refused if another amount is allowed now than is expected.
    pub async fn allow(&self, allowance: &NewAllowance) -> Result<(), Error> {
        self.done("token:Approve", [json(allowance)]).await
    }

    /// Takes what somebody allowed.
    pub async fn transfer_from(&self, transfer: &TransferFrom) -> Result<(), Error> {
        self.done("token:TransferFrom", [json(transfer)]).await
    }

    /// Sets money apart for somebody.
    pub async fn hold(&self, hold: &NewHold) -> Result<Hold, Error> {
        self.submit("token:Hold", [json(hold)]).await
    }

    /// Pays out what was set apart, or gives it back.
    pub async fn release_hold(&self, id: &Id, release: Release) -> Result<Hold, Error> {
        let args = [id.to_string(), release.as_str().to_owned()];
        self.submit("token:ReleaseHold", args).await
    }

    /// Folds all waiting credits into the settled balance; answers how many there were.
    pub async fn compact(&self, currency: Currency) -> Result<usize, Error> {
        let mut folded = 0;
        loop {
            let args = [currency.as_str().to_owned(), FOLD_MAX.to_string()];
            let waiting: Vec<Waiting> = self.evaluate("token:Incoming", args).await?;
            if waiting.is_empty() {
                return Ok(folded);
            }
            folded += waiting.len();
            let transactions = waiting.into_iter().map(|credit| credit.tx).collect();
            self.done("token:Compact", [json(&Fold { currency, transactions })]).await?;
        }
    }

    /// All movements on the person's account.
    pub async fn statement_of(&self, currency: Currency) -> Result<Vec<Entry>, Error> {
        self.list("token:Statement", &[currency.as_str().to_owned()]).await
    }

    /// This network's name as signed statements hold it, as peers of two organisations answer alike.
    pub async fn network_name(&self) -> Result<String, Error> {
        let settings: Settings = self.agreed("token:Settings", &[]).await?;
        Ok(network_name(self.network().name(), &settings.network))
    }

    /// The caller's signature over a receipt, for the field of their side.
    pub fn sign_receipt(&self, network: &str, receipt: &NewReceipt) -> Result<String, Error> {
        Ok(BASE64.encode(&self.gateway().sign(&receipt_statement(network, receipt))?))
    }

    /// Records a receipt that both sides signed.
    pub async fn record_receipt(&self, receipt: &NewReceipt) -> Result<Receipt, Error> {
        self.submit("token:RecordReceipt", [json(receipt)]).await
    }

    /// A receipt of which the caller is payer or payee.
    pub async fn receipt(&self, id: &Id) -> Result<Receipt, Error> {
        self.evaluate("token:Receipt", [id.to_string()]).await
    }

    /// A submission that answers nothing.
    pub(super) async fn done(
        &self,
        function: &str,
        args: impl IntoIterator<Item = String>,
    ) -> Result<(), Error> {
        self.contract.submit(function, args).await.map(|_| ())
    }
}
