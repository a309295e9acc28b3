//! Which part of an organisation somebody belongs to: a path of units with dots between.

/// Whether who belongs to `own` may act on `other`: on itself and what lies below; the root may on everything.
pub fn contains(own: &str, other: &str) -> bool {
    own.is_empty()
        || own == other
        || other.strip_prefix(own).is_some_and(|rest| rest.starts_with('.'))
}

/// The affiliation right above, the root for one of a single unit; none above the root.
pub fn parent(affiliation: &str) -> Option<&str> {
    if affiliation.is_empty() {
        return None;
    }
    Some(affiliation.rsplit_once('.').map_or("", |(parent, _)| parent))
}

/// The units from the top down; none for the root.
pub fn units(affiliation: &str) -> impl Iterator<Item = &str> {
    affiliation.split('.').filter(|unit| !unit.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_may_act_on_oneself_and_below_but_not_beside() {
        for (own, other, expected) in [
            ("", "", true),
            ("", "a.b", true),
            ("a", "a", true),
            ("a", "a.b", true),
            ("a", "ab", false),
            ("a.b", "a", false),
            ("a.b", "a.c", false),
            ("a", "", false),
        ] {
            assert_eq!(contains(own, other), expected, "{own:?} on {other:?}");
        }
    }
}
