//! The `bench` chaincode: plain keys and values, for measurements and first steps.
//!
//! `put(key, value)`, `get(key)`, `transfer(from, to, amount)`, `range(start, end, limit)`, `fill(prefix, from, count)`;
//! of private data collections `putPrivate(collection)`, `purgePrivate(collection)`, whose key and value are transient and
//! so in no block, and `getPrivate(collection, key)`.
//! A value is any bytes; an account is a key whose value is a decimal number.

use crate::{
    Class, Context, Contract, ContractError, Contracts, ErrorCode, Function, Raw, codes,
    json_object, key,
};

/// Longest key.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest value.
pub const VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most entries that one `range` answers.
pub const RANGE_MAX: u32 = 1000;
/// Most keys that one `fill` writes.
pub const FILL_MAX: u32 = 1000;
/// Bytes of each value that `fill` writes.
pub const FILL_VALUE_BYTES: usize = 100;

/// The transient field with a private key.
const KEY_FIELD: &str = "key";
/// The transient field with a private value.
const VALUE_FIELD: &str = "value";

const ABSENT: &ErrorCode =
    &ErrorCode::new("CR-CC-031", Class::NotFound, "put a value under the key first");
const FUNDS: &ErrorCode =
    &ErrorCode::new("CR-CC-061", Class::ResourceExhausted, "transfer less or put more first");

/// The refusals of this chaincode alone, for the documentation pages.
pub const ERRORS: &[&ErrorCode] = &[ABSENT, FUNDS];

json_object! {
    /// One entry of a range.
    pub struct Entry {
        /// The key.
        pub key: String,
        /// The value, as text; bytes that are no UTF-8 are replaced.
        pub value: String,
    }
}

/// The chaincode.
pub fn chaincode() -> Contracts {
    let contract = Contract::new("bench", "plain keys and values")
        .function(
            Function::submit("put", "writes a value under a key", &["key", "value"], put)
                .errors(&[codes::VALUE])
                .any_transient(),
        )
        .function(
            Function::evaluate("get", "answers the value under a key", &["key"], get)
                .errors(&[ABSENT])
                .any_transient(),
        )
        .function(
            Function::submit(
                "transfer",
                "moves an amount from one account to another",
                &["from", "to", "amount"],
                transfer,
            )
            .errors(&[codes::VALUE, ABSENT, FUNDS])
            .any_transient(),
        )
        .function(
            Function::evaluate(
                "range",
                "answers the entries from start up to, not including, end",
                &["start", "end", "limit"],
                range,
            )
            .errors(&[codes::VALUE])
            .any_transient(),
        )
        .function(
            Function::submit(
                "fill",
                "writes count keys, prefix and number from `from` on, with values of 100 bytes",
                &["prefix", "from", "count"],
                fill,
            )
            .errors(&[codes::VALUE])
            .any_transient(),
        )
        .function(
            Function::submit(
                "putPrivate",
                "writes the transient `value` under the transient `key` of a collection",
                &["collection"],
                put_private,
            )
            .errors(&[codes::VALUE])
            .transient(&[KEY_FIELD, VALUE_FIELD]),
        )
        .function(
            Function::submit(
                "purgePrivate",
                "deletes the transient `key` of a collection at every member, with its history",
                &["collection"],
                purge_private,
            )
            .errors(&[codes::VALUE])
            .transient(&[KEY_FIELD]),
        )
        .function(
            Function::evaluate(
                "getPrivate",
                "answers the value under a key of a collection",
                &["collection", "key"],
                get_private,
            )
            .errors(&[ABSENT])
            .any_transient(),
        );
    Contracts::new("bench", env!("CARGO_PKG_VERSION"), vec![contract]).default_contract("bench")
}

fn put(context: &mut Context<'_>, key: String, value: Raw) -> Result<(), ContractError> {
    check_key(&key)?;
    let Raw(value) = value;
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        let reason = format!("a value has 1 to {VALUE_BYTES_MAX} bytes");
        return Err(codes::VALUE.because(reason).at("/value"));
    }
    context.put_bytes(&key, value)
}

fn get(context: &mut Context<'_>, key: String) -> Result<Raw, ContractError> {
    check_key(&key)?;
    context.bytes(&key)?.map(Raw).ok_or_else(|| ABSENT.because("nothing is stored under the key"))
}

fn transfer(
    context: &mut Context<'_>,
    from: String,
    to: String,
    amount: u64,
) -> Result<(), ContractError> {
    if from == to || amount == 0 {
        return Err(codes::VALUE.because("a transfer moves something between two accounts"));
    }
    let source = balance(context, &from)?;
    let target = balance(context, &to)?;
    let left = source
        .checked_sub(amount)
        .ok_or_else(|| FUNDS.because("the account holds less than the amount"))?;
    let sum = target
        .checked_add(amount)
        .ok_or_else(|| codes::VALUE.because("the receiving account would overflow"))?;
    context.put_bytes(&from, left.to_string())?;
    context.put_bytes(&to, sum.to_string())
}

fn range(
    context: &mut Context<'_>,
    start: String,
    end: String,
    limit: u32,
) -> Result<Vec<Entry>, ContractError> {
    if limit == 0 || limit > RANGE_MAX {
        let reason = format!("the limit lies between 1 and {RANGE_MAX}");
        return Err(codes::VALUE.because(reason).at("/limit"));
    }
    let entries = context.range(&start, &end, limit as usize)?;
    Ok(entries
        .into_iter()
        .map(|e| Entry { key: e.key, value: String::from_utf8_lossy(&e.value).into_owned() })
        .collect())
}

fn fill(
    context: &mut Context<'_>,
    prefix: String,
    from: u64,
    count: u32,
) -> Result<(), ContractError> {
    if count == 0 || count > FILL_MAX {
        let reason = format!("the count lies between 1 and {FILL_MAX}");
        return Err(codes::VALUE.because(reason).at("/count"));
    }
    let end = from
        .checked_add(u64::from(count))
        .ok_or_else(|| codes::VALUE.because("the last number is too large").at("/from"))?;
    for number in from..end {
        let key = fill_key(&prefix, number);
        check_key(&key)?;
        context.put_bytes(&key, fill_value(&key))?;
    }
    Ok(())
}

/// The key that `fill` writes for `number`; keys of up to eight digits sort as their numbers do.
pub fn fill_key(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:08}")
}

/// The value that `fill` writes under `key`: the key, repeated.
pub fn fill_value(key: &str) -> Vec<u8> {
    key.bytes().cycle().take(FILL_VALUE_BYTES).collect()
}

fn put_private(context: &mut Context<'_>, collection: String) -> Result<(), ContractError> {
    let key = transient_key(context)?;
    let value = context.stub().transient().get(VALUE_FIELD).cloned().unwrap_or_default();
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        let reason = format!("the transient `{VALUE_FIELD}` has 1 to {VALUE_BYTES_MAX} bytes");
        return Err(codes::VALUE.because(reason));
    }
    Ok(context.stub().put_private_data(&collection, &key, value)?)
}

fn purge_private(context: &mut Context<'_>, collection: String) -> Result<(), ContractError> {
    let key = transient_key(context)?;
    Ok(context.stub().purge_private_data(&collection, &key)?)
}

fn get_private(
    context: &mut Context<'_>,
    collection: String,
    key: String,
) -> Result<Raw, ContractError> {
    check_key(&key)?;
    let value = context.stub().get_private_data(&collection, &key)?;
    value.map(Raw).ok_or_else(|| ABSENT.because("nothing is stored under the key"))
}

fn transient_key(context: &mut Context<'_>) -> Result<String, ContractError> {
    let key = context.stub().transient().get(KEY_FIELD).cloned().unwrap_or_default();
    let key = String::from_utf8(key.to_vec())
        .map_err(|_| codes::VALUE.because(format!("the transient `{KEY_FIELD}` is no text")))?;
    check_key(&key)?;
    Ok(key)
}

fn balance(context: &mut Context<'_>, account: &str) -> Result<u64, ContractError> {
    check_key(account)?;
    let value =
        context.bytes(account)?.ok_or_else(|| ABSENT.because("the account does not exist"))?;
    std::str::from_utf8(&value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| codes::VALUE.because("the account's value is not a whole number"))
}

fn check_key(key: &str) -> Result<(), ContractError> {
    key::check(key)?;
    if key.starts_with('\0') || key.len() > KEY_BYTES_MAX {
        let reason = format!("a key has at most {KEY_BYTES_MAX} bytes and no leading U+0000");
        return Err(codes::VALUE.because(reason).at("/key"));
    }
    Ok(())
}
