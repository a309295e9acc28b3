//! What the SDK reports, as the user sees it.

use carecord_proto::protos::TxValidationCode;
use carecord_sdk::Error;
use tonic::Code as Grpc;

use crate::codes::{self, Code};
use crate::error::{Exit, Failure};

/// Text that comes before a chaincode's own message in a gateway's detail.
const CHAINCODE_RESPONSE: &str = "chaincode response ";
/// What the codes of chaincodes begin with.
const CHAINCODE_CODE: &str = "CR-CC-";
/// Codes of callers whose organisation or who themselves are not registered.
const NOT_REGISTERED: [&str; 2] = ["CR-CC-021", "CR-CC-022"];
const REGISTER: &str = "`carecord identity register NAME` registers a person and the organisation";

/// Turns an SDK error into a failure with code, exit code and hint.
pub fn from_sdk(error: &Error) -> Failure {
    match error {
        Error::Gateway { step, status, details } => {
            let detail = details.first().map(|detail| detail.message.as_str());
            let text = detail.unwrap_or_else(|| status.message());
            if let Some(failure) = of_chaincode(text).or_else(|| of_chaincode(status.message())) {
                return failure;
            }
            if let Some(failure) = of_component(step, status.code(), text) {
                return failure;
            }
            if details.len() > 1 {
                let each = details.iter().map(|node| format!("{}: {}", node.address, node.message));
                let all = each.collect::<Vec<_>>().join("; ");
                return of_status(step, status.code(), &all);
            }
            let place = details.first().map(|detail| detail.address.clone());
            let failure = of_status(step, status.code(), text);
            match place.filter(|place| !place.is_empty()) {
                Some(place) => failure.at(place),
                None => failure,
            }
        }
        Error::Commit { tx_id, code, block, cause } => {
            of_commit(*code, *block, cause.as_deref()).tx(tx_id)
        }
        Error::Seal(error) => Failure::new(Code::Seal, error),
        Error::Wrap(error) => Failure::new(Code::Seal, error),
        Error::Denied { tx_id } => {
            Failure::foreign("CR-VLT-031", Exit::Denied, "no access to this record")
                .hint("ask the patient for consent (`carecord consent grant --as PATIENT --to YOU`); this attempt is on the ledger")
                .tx(tx_id)
        }
        Error::Untrusted(reason) => Failure::new(Code::Vault, reason),
        other => Failure::new(Code::Endorse, other),
    }
}

fn of_status(step: &str, code: Grpc, text: &str) -> Failure {
    let cause = format!("{step}: {text}");
    match code {
        Grpc::Unimplemented if text.is_empty() => {
            Failure::new(Code::Endorse, format!("{step}: the node serves no gateway"))
                .hint("the address may be an orderer's; a gateway is at a peer")
        }
        Grpc::Unavailable if step == "submit" => Failure::new(Code::Submit, cause)
            .hint("`carecord network status` shows the orderers; submitting again is safe"),
        Grpc::Unavailable => Failure::new(Code::GatewayUnreachable, cause)
            .hint("`carecord network status` shows what is up"),
        Grpc::DeadlineExceeded => Failure::new(Code::Deadline, cause),
        Grpc::PermissionDenied | Grpc::Unauthenticated => {
            Failure::new(Code::Refused, cause).hint("choose another user with --as")
        }
        Grpc::Aborted if step == "commit status" => Failure::new(Code::Commit, cause).hint(
            "`carecord network status` shows what is wrong; the transaction may still commit",
        ),
        _ if step == "submit" => Failure::new(Code::Submit, cause).exit(Exit::Failed),
        _ => Failure::new(Code::Endorse, cause),
    }
}

/// The refusal of a component that names a code of its own, `CR-VLT-031 no access; …`.
fn of_component(step: &str, status: Grpc, text: &str) -> Option<Failure> {
    let (code, rest) = text.split_once(' ')?;
    codes::page(code)?;
    let exit = of_status(step, status, text).kind();
    Some(Failure::foreign(code, exit, format!("{step}: {rest}")))
}

fn of_commit(code: TxValidationCode, block: u64, cause: Option<&str>) -> Failure {
    let name = code.as_str_name();
    let why = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let cause = format!("the transaction is in block {block} and not valid: {name}{why}");
    match code {
        TxValidationCode::MvccReadConflict | TxValidationCode::PhantomReadConflict => {
            Failure::new(Code::MvccConflict, cause).hint("run the command again")
        }
        _ => Failure::new(Code::Commit, cause),
    }
}

/// A chaincode's refusal, `… chaincode response 500, CR-CC-031 NOT_FOUND at /x: reason (hint: …)`.
fn of_chaincode(text: &str) -> Option<Failure> {
    let (_, message) = text.split_once(CHAINCODE_RESPONSE)?;
    let (_, message) = message.split_once(", ")?;
    let (code, rest) = message.split_once(' ')?;
    if !code.starts_with(CHAINCODE_CODE) {
        return Some(Failure::new(Code::Endorse, message));
    }
    let class = rest.split([' ', ':']).next().unwrap_or_default();
    let (cause, hint) = match rest.split_once(" (hint: ") {
        Some((cause, hint)) => (cause, Some(hint.trim_end_matches(')'))),
        None => (rest, None),
    };
    let failure = Failure::foreign(code, exit_of_class(class), cause);
    let hint = if NOT_REGISTERED.contains(&code) { Some(REGISTER) } else { hint };
    Some(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

fn exit_of_class(class: &str) -> Exit {
    match class {
        "NOT_FOUND" => Exit::NotFound,
        "PERMISSION_DENIED" => Exit::Denied,
        "ALREADY_EXISTS" | "FAILED_PRECONDITION" => Exit::Conflict,
        "INVALID_ARGUMENT" => Exit::Usage,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chaincodes_refusal_keeps_its_code_and_hint() {
        let text = "chaincode response 500, CR-CC-031 NOT_FOUND: nothing is stored under the key (hint: put a value first)";
        let failure = of_chaincode(text).unwrap();
        assert_eq!(failure.kind(), Exit::NotFound);
        assert_eq!(
            failure.to_string(),
            "error CR-CC-031: NOT_FOUND: nothing is stored under the key\n  hint: put a value first"
        );
    }

    #[test]
    fn who_is_not_registered_is_told_the_command() {
        let text = "chaincode response 500, CR-CC-022 PERMISSION_DENIED: unknown (hint: ask)";
        let said = of_chaincode(text).unwrap().to_string();
        assert!(said.contains("hint: `carecord identity register NAME`"), "{said}");
    }

    #[test]
    fn a_vaults_refusal_keeps_its_code() {
        let text = "CR-VLT-031 no access; submit records:Open";
        let failure = of_component("vault", Grpc::PermissionDenied, text).unwrap();
        assert_eq!((failure.code(), failure.kind()), ("CR-VLT-031", Exit::Denied));
        assert!(of_component("vault", Grpc::PermissionDenied, "access denied").is_none());
    }

    #[test]
    fn exit_codes_follow_the_kind_of_failure() {
        for (code, exit) in [
            (Grpc::Unavailable, Exit::Unreachable),
            (Grpc::DeadlineExceeded, Exit::Timeout),
            (Grpc::PermissionDenied, Exit::Denied),
            (Grpc::Aborted, Exit::Failed),
        ] {
            assert_eq!(of_status("endorse", code, "x").kind(), exit, "{code:?}");
        }
        assert_eq!(of_commit(TxValidationCode::MvccReadConflict, 3, None).kind(), Exit::Conflict);
        assert_eq!(of_commit(TxValidationCode::BadPayload, 3, None).kind(), Exit::Failed);
    }
}
