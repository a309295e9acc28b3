//! Calls that are worth repeating: the network gets over the reason by itself.

use std::future::Future;
use std::time::Duration;

use carecord_sdk::Error;

const TRIES_MAX: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);
/// What a gateway says when one endorser is a block behind another.
const DIFFERENT_ANSWERS: [&str; 2] =
    ["ProposalResponsePayloads do not match", "answer differently"];

/// Whether the same call may succeed a moment later.
pub fn is_passing(error: &Error) -> bool {
    let text = error.to_string();
    error.is_retryable() || DIFFERENT_ANSWERS.iter().any(|known| text.contains(known))
}

/// Repeats `call` while its failure is a passing one.
pub async fn retry<T, F: Future<Output = Result<T, Error>>>(
    call: impl Fn() -> F,
) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match call().await {
            Err(error) if is_passing(&error) && tries < TRIES_MAX => {
                tokio::time::sleep(PAUSE).await;
                tries += 1;
            }
            result => return result,
        }
    }
}
