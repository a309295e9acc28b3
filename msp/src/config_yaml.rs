//! The `config.yaml` of an MSP folder: the few shapes of YAML that Fabric's tools write there.
//!
//! Maps by indentation, one list of maps, plain or quoted scalars, comments. Anything else is refused by its line.

/// The organisational units of an MSP folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) node_ous: Option<NodeOus>,
    pub(crate) organizational_unit_identifiers: Vec<OuEntry>,
}

/// The OUs of the four roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeOus {
    pub(crate) enable: bool,
    pub(crate) client: OuEntry,
    pub(crate) peer: OuEntry,
    pub(crate) admin: OuEntry,
    pub(crate) orderer: OuEntry,
}

/// One OU and the file of the CA that certifies it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OuEntry {
    pub(crate) certificate: String,
    pub(crate) organizational_unit_identifier: String,
}

impl OuEntry {
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "Certificate" => self.certificate = value.into(),
            "OrganizationalUnitIdentifier" => self.organizational_unit_identifier = value.into(),
            _ => {} // Fabric passes over what it does not know
        }
    }
}

/// One line that says something.
struct Line<'a> {
    number: usize,
    indent: usize,
    /// The line begins an item of a list.
    item: bool,
    key: &'a str,
    value: &'a str,
}

/// Reads the file's text; an error names the line.
pub(crate) fn read(text: &str) -> Result<Config, String> {
    let mut config = Config::default();
    // the keys above the current line, each with its indentation
    let mut path: Vec<(usize, &str)> = Vec::new();
    for line in text.lines().enumerate().filter_map(|(i, line)| parse(i + 1, line).transpose()) {
        let line = line?;
        // an item of a list may stand as far out as the list's key, its fields stand further in
        let limit = line.indent + usize::from(line.item);
        path.retain(|(above, _)| *above < limit);
        if line.item && path.last().map(|(_, key)| *key) != Some("OrganizationalUnitIdentifiers") {
            return Err(format!("line {}: a list is not expected here", line.number));
        }
        let above: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
        apply(&mut config, &above, &line)?;
        if line.value.is_empty() {
            path.push((line.indent, line.key));
        }
    }
    Ok(config)
}

fn parse(number: usize, text: &str) -> Result<Option<Line<'_>>, String> {
    let body = text.trim_start_matches(' ');
    let indent = text.len() - body.len();
    if body.is_empty() || body.starts_with('#') || body.trim_end() == "---" {
        return Ok(None);
    }
    let (item, body) = match body.strip_prefix("- ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, body),
    };
    if body.starts_with('\t') {
        return Err(format!("line {number}: tabs may not indent"));
    }
    let (key, value) =
        body.split_once(':').ok_or_else(|| format!("line {number}: no key before a colon"))?;
    let value = scalar(value.trim()).ok_or_else(|| format!("line {number}: unclear value"))?;
    Ok(Some(Line { number, indent, item, key: key.trim(), value }))
}

/// A plain or quoted scalar without its comment.
fn scalar(text: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (value, tail) = rest.split_once(quote)?;
            let tail = tail.trim();
            return (tail.is_empty() || tail.starts_with('#')).then_some(value);
        }
    }
    let plain = match text.find(" #") {
        Some(at) => text[..at].trim_end(),
        None if text.starts_with('#') => "",
        None => text,
    };
    (!plain.starts_with(['{', '[', '&', '*', '|', '>', '!'])).then_some(plain)
}

fn apply(config: &mut Config, above: &[&str], line: &Line<'_>) -> Result<(), String> {
    match above {
        ["NodeOUs"] if line.key == "Enable" => {
            let enable = match line.value.to_ascii_lowercase().as_str() {
                "true" => true,
                "false" => false,
                other => return Err(format!("line {}: {other:?} is not a boolean", line.number)),
            };
            config.node_ous.get_or_insert_default().enable = enable;
        }
        ["NodeOUs", role] => {
            let node_ous = config.node_ous.get_or_insert_default();
            let entry = match *role {
                "ClientOUIdentifier" => &mut node_ous.client,
                "PeerOUIdentifier" => &mut node_ous.peer,
                "AdminOUIdentifier" => &mut node_ous.admin,
                "OrdererOUIdentifier" => &mut node_ous.orderer,
                _ => return Ok(()),
            };
            entry.set(line.key, line.value);
        }
        ["OrganizationalUnitIdentifiers"] => {
            let entries = &mut config.organizational_unit_identifiers;
            if line.item {
                entries.push(OuEntry::default());
            }
            if let Some(entry) = entries.last_mut() {
                entry.set(line.key, line.value);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The text that cryptogen writes for an organisation whose roles are told by OUs.
pub(crate) fn node_ous(ca_file: &str) -> String {
    let mut out = String::from("NodeOUs:\n  Enable: true\n");
    for (key, name) in
        [("Client", "client"), ("Peer", "peer"), ("Admin", "admin"), ("Orderer", "orderer")]
    {
        out.push_str(&format!(
            "  {key}OUIdentifier:\n    Certificate: {ca_file}\n    OrganizationalUnitIdentifier: {name}\n"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(certificate: &str, name: &str) -> OuEntry {
        OuEntry { certificate: certificate.into(), organizational_unit_identifier: name.into() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = read(&node_ous("cacerts/ca.pem")).unwrap();
        let expected = NodeOus {
            enable: true,
            client: entry("cacerts/ca.pem", "client"),
            peer: entry("cacerts/ca.pem", "peer"),
            admin: entry("cacerts/ca.pem", "admin"),
            orderer: entry("cacerts/ca.pem", "orderer"),
        };
        assert_eq!(config.node_ous, Some(expected));
    }

    #[test]
    fn lists_quotes_and_comments_are_read() {
        let text = "---\n# head\nOrganizationalUnitIdentifiers:\n  - Certificate: \"cacerts/a.pem\" # one\n    \
                    OrganizationalUnitIdentifier: 'COP'\n- Certificate: b.pem\n  \
                    OrganizationalUnitIdentifier: x\nNodeOUs:\n    Enable: false\n    Unknown: 1\n";
        let config = read(text).unwrap();
        let expected = [entry("cacerts/a.pem", "COP"), entry("b.pem", "x")];
        assert_eq!(config.organizational_unit_identifiers, expected);
        assert_eq!(config.node_ous, Some(NodeOus::default()));
    }

    #[test]
    fn other_yaml_is_refused_by_its_line() {
        for (text, expected) in [
            ("NodeOUs:\n  Enable: maybe\n", "line 2: \"maybe\" is not a boolean"),
            ("NodeOUs: {Enable: true}\n", "line 1: unclear value"),
            ("NodeOUs\n", "line 1: no key before a colon"),
            ("NodeOUs:\n\tEnable: true\n", "line 2: tabs may not indent"),
            ("NodeOUs:\n  - Enable: true\n", "line 2: a list is not expected here"),
        ] {
            assert_eq!(read(text), Err(expected.to_string()), "{text:?}");
        }
    }
}
