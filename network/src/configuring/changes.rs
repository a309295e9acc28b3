//! What differs between two configurations, line by line, for those who are to agree.

use carecord_proto::common::Config;
use serde_json::Value;

use crate::configtx;
use crate::error::Outcome;

/// Longest value that a line shows.
const SHOWN: usize = 100;
/// Every element has one; it follows from the rest.
const VERSION: &str = "version";

/// One line for each difference: `+` new, `-` gone, `~` changed; paths without the words of the message format.
pub fn changes(before: &Config, after: &Config) -> Outcome<Vec<String>> {
    let json = |config| configtx::to_json("common.Config", config);
    let (before, after) = (json(before)?, json(after)?);
    let mut lines = Vec::new();
    compare("/Channel", &before["channel_group"], &after["channel_group"], &mut lines);
    Ok(lines)
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            lines.push(format!("~ {path}: {} -> {}", shown(before), shown(after)));
        }
        return;
    };
    for (key, value) in new {
        let path = below(path, key);
        match old.get(key) {
            Some(_) if key == VERSION => {}
            Some(was) => compare(&path, was, value, lines),
            None => lines.push(format!("+ {path}")),
        }
    }
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    lines.extend(gone.map(|key| format!("- {}", below(path, key))));
}

/// `groups`, `values` and `value` say nothing to a reader.
fn below(path: &str, key: &str) -> String {
    match key {
        "groups" | "values" | "value" => path.to_owned(),
        key => format!("{path}/{key}"),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_one_line_and_versions_are_none() {
        let before = serde_json::json!({"groups": {"A": {"version": "0", "values": {"x": {"value": {"n": 1}}}}, "B": {}}});
        let after = serde_json::json!({"groups": {"A": {"version": "1", "values": {"x": {"value": {"n": 2}}}}, "C": {}}});
        let mut lines = Vec::new();
        compare("/Channel", &before, &after, &mut lines);
        assert_eq!(lines, ["~ /Channel/A/x/n: 1 -> 2", "+ /Channel/C", "- /Channel/B"]);
    }
}
