//! Receipts of fiat money: the ledger moves none, it keeps what payer and payee both signed that they paid and got.
//!
//! A receipt counts once: a contract that accepts it as payment takes it with [`spend`].

use carecord_chaincode::{Context, ContractError, codes, json_object};

use super::{
    Amount, Currency,
    functions::{check_amount, holder},
    keys,
};
use crate::{
    error,
    events::{TOKEN_CHANGED, TokenChange},
    ids::{Commitment, Id},
    keys::{decode, verify_signature},
    model::Subject,
    person, policy,
};

const DOMAIN: &[u8] = b"carecord-receipt-v1";

json_object! {
    /// A receipt as one of its sides hands it in.
    pub struct NewReceipt {
        /// Chosen by the client.
        pub id: Id,
        /// Who paid.
        pub payer: Id,
        /// Who was paid.
        pub payee: Id,
        /// In which currency.
        pub currency: Currency,
        /// How much, in minor units.
        pub amount: Amount,
        /// A salted commitment to the payment's reference (ISO 20022 message or provider's id), which is kept elsewhere.
        pub reference: Commitment,
        /// When it was paid, seconds since 1970.
        pub paid: i64,
        /// The payer's signature over [`statement`], base64; DER for ECDSA.
        pub payer_signature: String,
        /// The payee's, likewise.
        pub payee_signature: String,
    }
}

json_object! {
    /// A receipt of the ledger.
    pub struct Receipt {
        /// As handed in.
        pub receipt: NewReceipt,
        /// When it was recorded, seconds since 1970.
        pub recorded: i64,
        /// What it paid for; absent while it pays for nothing.
        pub spent: Option<Id>,
    }
}

/// What both sides sign: each field preceded by its length as four big-endian bytes.
pub fn statement(network: &str, receipt: &NewReceipt) -> Vec<u8> {
    let (amount, paid) = (receipt.amount.0.to_be_bytes(), receipt.paid.to_be_bytes());
    super::framed(&[
        DOMAIN,
        network.as_bytes(),
        receipt.id.as_str().as_bytes(),
        receipt.payer.as_str().as_bytes(),
        receipt.payee.as_str().as_bytes(),
        receipt.currency.as_str().as_bytes(),
        &amount,
        receipt.reference.as_str().as_bytes(),
        &paid,
    ])
}

/// `RecordReceipt(receipt)`.
pub(super) fn record(context: &mut Context<'_>, new: NewReceipt) -> Result<Receipt, ContractError> {
    let caller = person::caller(context)?;
    if caller.id != new.payer && caller.id != new.payee {
        return Err(error::ABSENT.because("the caller is neither payer nor payee"));
    }
    check(context, &new)?;
    let payer = holder(context, &new.payer)?;
    let payee = holder(context, &new.payee)?;
    let message = statement(&super::network(context)?, &new);
    verify(&payer, &message, &new.payer_signature, "/receipt/payerSignature")?;
    verify(&payee, &message, &new.payee_signature, "/receipt/payeeSignature")?;
    let key = keys::receipt(&new.id);
    if context.bytes(&key)?.is_some() {
        return Err(error::TAKEN.because("the id is taken").at("/receipt/id"));
    }
    let receipt = Receipt { receipt: new, recorded: context.now(), spent: None };
    context.put(&key, &receipt)?;
    policy::protect(context, &payer.msp, &[key])?;
    context.event(TOKEN_CHANGED, &TokenChange { motion: None, done: true })?;
    Ok(receipt)
}

fn check(context: &Context<'_>, new: &NewReceipt) -> Result<(), ContractError> {
    check_amount(new.amount, "/receipt/amount")?;
    if new.currency.is_on_ledger() {
        let reason = "a receipt is for money outside the ledger";
        return Err(codes::VALUE.because(reason).at("/receipt/currency"));
    }
    if new.payer == new.payee {
        return Err(codes::VALUE.because("payer and payee are one").at("/receipt/payee"));
    }
    if new.paid > context.now() {
        return Err(codes::VALUE.because("paid in the future").at("/receipt/paid"));
    }
    Ok(())
}

fn verify(who: &Subject, message: &[u8], signature: &str, at: &str) -> Result<(), ContractError> {
    let refuse = |reason: &str| error::PROOF.because(reason).at(at);
    let key = super::signing_key(who).ok_or_else(|| {
        error::STATE.because("payer and payee both need a registered encryption key")
    })?;
    let signature = decode(signature).ok_or_else(|| refuse("not base64"))?;
    verify_signature(&key, message, &signature).map_err(|e| refuse(&e.to_string()))
}

/// `Receipt(receiptId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Receipt, ContractError> {
    let caller = person::caller(context)?;
    let found: Option<Receipt> = context.get(&keys::receipt(&id))?;
    let found = found.filter(|r| r.receipt.payer == caller.id || r.receipt.payee == caller.id);
    found.ok_or_else(|| error::ABSENT.because("no such receipt of the caller"))
}

/// What a contract accepts a receipt for.
#[derive(Clone, Debug)]
pub(crate) struct Due<'a> {
    /// Who has to pay.
    pub(crate) payer: &'a Id,
    /// Who is to be paid.
    pub(crate) payee: &'a Id,
    /// In which currency.
    pub(crate) currency: Currency,
    /// Exactly how much.
    pub(crate) amount: Amount,
    /// The thing that is paid by it.
    pub(crate) purpose: &'a Id,
}

/// Takes an unspent receipt for exactly what is due; afterwards it pays for nothing else.
pub(crate) fn spend(
    context: &mut Context<'_>,
    id: &Id,
    due: &Due<'_>,
) -> Result<Receipt, ContractError> {
    let key = keys::receipt(id);
    let fits = |found: &Receipt| {
        let receipt = &found.receipt;
        receipt.payer == *due.payer
            && receipt.payee == *due.payee
            && receipt.currency == due.currency
            && receipt.amount == due.amount
    };
    let found = context.get::<Receipt>(&key)?.filter(fits);
    let mut found = found.ok_or_else(|| error::ABSENT.because("no such receipt of what is due"))?;
    if found.spent.is_some() {
        return Err(error::STATE.because("the receipt paid for something already"));
    }
    found.spent = Some(due.purpose.clone());
    context.put(&key, &found)?;
    Ok(found)
}
