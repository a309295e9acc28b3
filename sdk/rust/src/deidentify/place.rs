//! Places: the first three digits of a ZIP code, unless too few people live there.

/// Areas of three digits with 20,000 inhabitants or fewer at the census of 2000, as the guidance of the United States'
/// Department of Health and Human Services of 2012 lists them.
pub const SPARSE: [&str; 17] = [
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878",
    "879", "884", "890", "893",
];

/// What may be told of a ZIP code; none if it is no ZIP code.
pub fn zip3(code: &str) -> Option<&str> {
    let first = code.get(..3).filter(|first| first.bytes().all(|b| b.is_ascii_digit()))?;
    Some(if SPARSE.contains(&first) { "000" } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_told_where_many_live() {
        assert_eq!(zip3("01940"), Some("019"));
        assert_eq!(zip3("02116-1234"), Some("021"));
        assert_eq!(zip3("03601"), Some("000"));
        assert_eq!(zip3("89301"), Some("000"));
        assert_eq!(zip3("W1A 1AA"), None);
        assert_eq!(zip3("12"), None);
    }
}
