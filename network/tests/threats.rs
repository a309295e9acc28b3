//! `docs/threats.md` has every row of bad input, and the tests that it names exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Rows that the table must have: kind of input, and the numbers.
const ROWS: &[(char, &[u32])] = &[
    ('M', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    ('G', &[1, 2, 3, 4, 5, 6, 7]),
    ('E', &[1, 2, 3, 4, 5, 6, 8]),
    ('C', &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ('O', &[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13]),
    ('D', &[1, 2, 3, 4, 5, 6, 8, 9]),
    ('V', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17]),
    ('F', &[23, 24, 25, 26, 27, 28, 29, 30, 31]),
    ('R', &[1, 2, 3, 4, 5, 6, 7]),
    ('S', &[1, 2, 3, 4, 5, 6]),
    ('W', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ('P', &[1, 2, 3, 4, 5, 6, 7, 8]),
    ('K', &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn table() -> String {
    fs::read_to_string(root().join("docs/threats.md")).expect("part of the sources")
}

#[test]
fn every_row_is_there() {
    let text = table();
    let found: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    for (kind, numbers) in ROWS {
        for number in *numbers {
            let row = format!("{kind}{number}");
            assert!(found.contains(row.as_str()), "docs/threats.md has no row {row}");
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let text = table();
    let named: BTreeSet<(&str, &str)> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once(".rs::"))
        .collect();
    assert!(named.len() > 60, "{}", named.len());
    for (file, test) in named {
        let path = root().join(format!("{file}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{file}.rs is not there"));
        let function = format!("fn {test}()");
        let at = source.find(&function).unwrap_or_else(|| panic!("{file}.rs has no {function}"));
        let before = source[..at].trim_end().trim_end_matches("async").trim_end();
        let attribute = before.rsplit("#[").next().unwrap_or_default();
        let is_test = attribute.starts_with("test]") || attribute.starts_with("tokio::test");
        assert!(is_test && before.ends_with(']'), "{file}.rs: {test} is no test");
    }
}
