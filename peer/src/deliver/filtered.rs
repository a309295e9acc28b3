//! A block without its contents: which transactions it holds, what became of them, which events they set.

use bytes::Bytes;
use carecord_proto::{
    block,
    common::{Block, Envelope, HeaderType},
    envelope,
    protos::{
        ChaincodeEvent, FilteredBlock, FilteredChaincodeAction, FilteredTransaction,
        FilteredTransactionActions, TxValidationCode, filtered_transaction::Data,
    },
    transaction,
};
use prost::Message;

/// The filtered form of a committed block; events lose their payload.
pub(super) fn filtered(channel_id: &str, committed: &Block) -> FilteredBlock {
    let flags = block::flags(committed);
    let filtered_transactions = block::envelopes(committed)
        .iter()
        .enumerate()
        .filter_map(|(index, raw)| transaction(raw, flags.get(index).copied()))
        .collect();
    FilteredBlock {
        channel_id: channel_id.to_owned(),
        number: block::number(committed),
        filtered_transactions,
    }
}

/// An envelope that cannot be read has no id to tell and is left out.
fn transaction(raw: &Bytes, flag: Option<u8>) -> Option<FilteredTransaction> {
    let envelope = Envelope::decode(raw.clone()).ok()?;
    let opened = envelope::Opened::open(&envelope).ok()?;
    let code = flag.map_or(TxValidationCode::NotValidated as i32, i32::from);
    let is_endorsed = opened.kind() == Some(HeaderType::EndorserTransaction);
    let data = is_endorsed.then(|| Data::TransactionActions(actions(&opened)));
    Some(FilteredTransaction {
        txid: opened.channel_header.tx_id,
        r#type: opened.channel_header.r#type,
        tx_validation_code: code,
        data,
    })
}

fn actions(opened: &envelope::Opened) -> FilteredTransactionActions {
    let event = transaction::Endorsed::open(opened.header(), &opened.payload.data)
        .ok()
        .and_then(|endorsed| transaction::event(&endorsed.action().ok()?).ok()?)
        .map(|event| ChaincodeEvent { payload: Bytes::new(), ..event });
    let actions = event.map(|event| FilteredChaincodeAction { chaincode_event: Some(event) });
    FilteredTransactionActions { chaincode_actions: actions.into_iter().collect() }
}
