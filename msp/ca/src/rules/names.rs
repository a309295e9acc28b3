//! What may stand in an enrolment id, a type, an affiliation and an attribute.
//!
//! Ids become common names, file names and parts of addresses, so only plain characters are taken; that also keeps
//! whatever a directory or database behind another tool would read as a command out of our store.

/// RFC 5280, ub-common-name: longer common names do not fit a certificate.
pub const ID_MAX: usize = 64;
/// RFC 5280, ub-organizational-unit-name.
const UNIT_MAX: usize = 64;
/// All units of an affiliation together.
const AFFILIATION_MAX: usize = 255;
/// Attributes of one identity.
pub const ATTRIBUTES_MAX: usize = 64;
const ATTRIBUTE_NAME_MAX: usize = 128;
const ATTRIBUTE_VALUE_MAX: usize = 1_024;
/// Longest secret that a registrar may choose.
const SECRET_MAX: usize = 256;

/// The units by which an MSP tells what somebody is (node OUs); only a type may be one.
pub const NODE_UNITS: [&str; 4] = ["client", "peer", "orderer", "admin"];

/// Why `id` cannot be an enrolment id.
pub fn check_id(id: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@:+".contains(c);
    if id.is_empty() || id.len() > ID_MAX {
        return Err(format!("an enrollment id has 1 to {ID_MAX} characters"));
    }
    if !id.starts_with(|c: char| c.is_ascii_alphanumeric()) || !id.chars().all(allowed) {
        return Err(
            "an enrollment id has letters, digits and . _ - @ : + only, a letter or digit first"
                .to_owned(),
        );
    }
    Ok(())
}

/// Why `kind` cannot be an identity's type, which becomes an organizational unit. One that is an MSP's word but for its
/// letters' case would look like a right that the certificate does not give.
pub fn check_type(kind: &str) -> Result<(), String> {
    check_unit("a type", kind)?;
    match node_unit(kind) {
        Some(unit) if unit != kind => {
            Err(format!("a type that an MSP knows is written as the MSP writes it: {unit}"))
        }
        _ => Ok(()),
    }
}

/// Why `affiliation` cannot be one; the empty one is the root. Its units stand in certificates beside the type, so none
/// may be a unit that makes somebody an administrator or a node.
pub fn check_affiliation(affiliation: &str) -> Result<(), String> {
    if affiliation.len() > AFFILIATION_MAX {
        return Err(format!("an affiliation has at most {AFFILIATION_MAX} characters"));
    }
    if affiliation.is_empty() {
        return Ok(());
    }
    affiliation.split('.').try_for_each(check_affiliation_unit)
}

fn check_affiliation_unit(unit: &str) -> Result<(), String> {
    check_unit("each part of an affiliation", unit)?;
    match node_unit(unit) {
        Some(reserved) => {
            Err(format!("no part of an affiliation may be {reserved}: to an MSP that is a role"))
        }
        None => Ok(()),
    }
}

fn node_unit(unit: &str) -> Option<&'static str> {
    NODE_UNITS.into_iter().find(|reserved| reserved.eq_ignore_ascii_case(unit))
}

/// Why an attribute cannot be kept.
pub fn check_attribute(name: &str, value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > ATTRIBUTE_NAME_MAX || !name.chars().all(plain) {
        return Err(format!(
            "an attribute's name has 1 to {ATTRIBUTE_NAME_MAX} letters, digits and . _ - only"
        ));
    }
    if value.len() > ATTRIBUTE_VALUE_MAX || value.chars().any(char::is_control) {
        return Err(format!(
            "the value of attribute {name} has control characters or more than {ATTRIBUTE_VALUE_MAX} bytes"
        ));
    }
    Ok(())
}

/// Why a registrar cannot choose this secret.
pub fn check_secret(secret: &str) -> Result<(), String> {
    if secret.len() > SECRET_MAX || secret.chars().any(char::is_control) {
        return Err(format!("a secret has at most {SECRET_MAX} bytes and no control characters"));
    }
    Ok(())
}

fn check_unit(what: &str, unit: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if unit.is_empty() || unit.len() > UNIT_MAX || !unit.chars().all(allowed) {
        return Err(format!("{what} has 1 to {UNIT_MAX} letters, digits, _ and - only"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_or_directory_would_read_as_a_command_is_no_id() {
        for id in [
            "",
            "a'; DROP TABLE users;--",
            "*)(uid=*",
            "a\0b",
            "a b",
            "../x",
            "a/b",
            "\u{e9}va",
            ".a",
        ] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
        for id in ["peer0", "ann@ward.example", "admin2", "a.b-c_d:e+f"] {
            assert_eq!(check_id(id), Ok(()), "{id:?}");
        }
        assert!(check_id(&"a".repeat(65)).is_err());
    }

    #[test]
    fn what_an_msp_reads_as_a_role_is_no_part_of_an_affiliation_and_no_type_in_other_letters() {
        for unit in NODE_UNITS {
            let upper = unit.to_ascii_uppercase();
            assert_eq!(check_type(unit), Ok(()), "{unit}");
            assert!(check_type(&upper).is_err(), "{upper}");
            for affiliation in [unit.to_owned(), format!("ward.{unit}"), format!("{upper}.ward")] {
                assert!(check_affiliation(&affiliation).is_err(), "{affiliation}");
            }
        }
        assert_eq!(check_type("user"), Ok(()));
        assert_eq!(check_affiliation("administration.peers"), Ok(()));
    }

    #[test]
    fn an_affiliation_is_units_between_dots() {
        for affiliation in ["", "ward", "ward.night-shift"] {
            assert_eq!(check_affiliation(affiliation), Ok(()), "{affiliation:?}");
        }
        for affiliation in [".", "a..b", ".a", "a.", "a,b", "a.%"] {
            assert!(check_affiliation(affiliation).is_err(), "{affiliation:?}");
        }
    }
}
