//! Approvals that were given before: to give one again does no harm.

/// What a peer says of an approval that was given before: of what is not committed yet, and of what is.
const APPROVED: [&str; 2] =
    ["with unchanged content", "attempted to redefine the current committed"];
/// What it says behind the latter if something else is committed under this number.
const DIFFERENT: &str = "with different parameters";

/// Whether a peer refused an approval because its organisation has given just this one before.
pub fn is_approved_before(refusal: &str) -> bool {
    APPROVED.iter().any(|text| refusal.contains(text)) && !refusal.contains(DIFFERENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_counts_as_given_only_if_it_was_the_same() {
        let committed = "attempted to redefine the current committed sequence (1) for namespace a";
        assert!(is_approved_before(committed));
        assert!(is_approved_before(
            "attempted to redefine uncommitted sequence (2) for namespace a with unchanged content"
        ));
        assert!(!is_approved_before(&format!("{committed} with different parameters: Version")));
    }
}
