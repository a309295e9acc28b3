//! Every error code that the binary itself prints, and the pages of all codes of all components.

use crate::error::Exit;

/// Code and page of `docs/errors`, in the order of the codes.
pub const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of `code`, in any case.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(code)).map(|(_, page)| *page)
}

/// First line of a page, without code and heading mark.
pub fn title(page: &str) -> &str {
    let line = page.lines().next().unwrap_or_default();
    line.split_once(": ").map_or(line, |(_, title)| title)
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $exit:ident;)+) => {
        /// An error code; its page is `docs/errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All codes, in the order of their areas.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it is printed.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The exit code that goes with it unless the command knows better.
            pub fn exit(self) -> Exit {
                match self {
                    $(Self::$name => Exit::$exit,)+
                }
            }

        }
    };
}

codes! {
    /// The topology file cannot be read.
    TopologyUnreadable = "CR-NET-001", Usage;
    /// The topology file is not TOML, has an unknown key or a value of the wrong kind.
    TopologySyntax = "CR-NET-002", Usage;
    /// A name breaks the rules for names.
    TopologyName = "CR-NET-003", Usage;
    /// Two things have the same name, id or port.
    TopologyDuplicate = "CR-NET-004", Usage;
    /// Something is named that the file does not describe.
    TopologyReference = "CR-NET-005", Usage;
    /// Something that a network needs is missing.
    TopologyMissing = "CR-NET-006", Usage;
    /// An endorsement policy is not valid.
    TopologyPolicy = "CR-NET-007", Usage;
    /// A number is out of its range.
    TopologyRange = "CR-NET-008", Usage;
    /// A role or key kind is unknown.
    TopologyWord = "CR-NET-009", Usage;
    /// A port is taken.
    PortTaken = "CR-NET-010", Failed;
    /// A certificate or key is missing or not usable.
    Certificate = "CR-NET-011", Failed;
    /// The folder holds something else, or a network of another version.
    OldFolder = "CR-NET-012", Usage;
    /// The disk is full.
    DiskFull = "CR-NET-013", Failed;
    /// A file cannot be read or written.
    File = "CR-NET-014", Failed;
    /// A node did not become healthy in time.
    NodeSlow = "CR-NET-015", Timeout;
    /// A node stopped while the network came up.
    NodeStopped = "CR-NET-016", Failed;
    /// The network is running already.
    AlreadyUp = "CR-NET-017", Usage;
    /// There is no network in the folder.
    NoNetwork = "CR-NET-018", NotFound;
    /// `network.json` is damaged or of another version.
    NetworkFile = "CR-NET-019", Failed;
    /// A node's configuration file is wrong.
    NodeConfig = "CR-NET-020", Usage;
    /// A chaincode could not be deployed.
    Deploy = "CR-NET-021", Failed;
    /// A node does not stop.
    NodeStuck = "CR-NET-022", Timeout;
    /// The channel's first block could not be made.
    Genesis = "CR-NET-023", Failed;
    /// Some nodes are down or differ.
    Unhealthy = "CR-NET-024", Failed;
    /// An argument is not usable.
    Argument = "CR-CLI-001", Usage;
    /// The network has no such user, node, channel or chaincode.
    Unknown = "CR-CLI-002", NotFound;
    /// There is no such error code.
    UnknownCode = "CR-CLI-003", NotFound;
    /// A check of the acceptance run fell short.
    Short = "CR-CLI-004", Failed;
    /// A step of the demonstration did not end as it must.
    Demonstration = "CR-CLI-005", Failed;
    /// A benchmark could not run.
    Benchmark = "CR-CLI-006", Failed;
    /// A certificate authority's files cannot be used.
    Authority = "CR-CA-001", Failed;
    /// A CA's database cannot be used.
    CaStore = "CR-CA-002", Failed;
    /// A CA's configuration is not usable.
    CaConfig = "CR-CA-003", Usage;
    /// A CA's encrypted key does not open.
    CaPassphrase = "CR-CA-004", Denied;
    /// A CA cannot be reached, or does not answer as one.
    CaUnreachable = "CR-CA-005", Unreachable;
    /// A CA refused a request.
    CaRefused = "CR-CA-006", Denied;
    /// The organisation runs no CA.
    NoCa = "CR-CA-007", NotFound;
    /// The ordering service did not take a configuration update.
    ConfigRefused = "CR-CFG-001", Failed;
    /// The configuration has changed since it was read.
    ConfigConflict = "CR-CFG-002", Conflict;
    /// Signatures of administrators are missing.
    ConfigSignatures = "CR-CFG-003", Denied;
    /// A configuration update would lock somebody out.
    ConfigDangerous = "CR-CFG-004", Usage;
    /// A configuration update would change nothing.
    ConfigSame = "CR-CFG-005", Usage;
    /// A channel's configuration cannot be verified.
    ConfigUnverified = "CR-CFG-006", Failed;
    /// A file is not the configuration, update or signature that it should be.
    ConfigFile = "CR-CFG-007", Usage;
    /// A node did not take over a configuration block in time.
    ConfigSlow = "CR-CFG-008", Timeout;
    /// An orderer's participation service refused.
    Participation = "CR-CFG-009", Failed;
    /// An organisation or an orderer is, or is not, where the command needs it.
    ConfigMember = "CR-CFG-010", Usage;
    /// Certificates that a running node was to take over are refused; the old ones stay in force.
    Reload = "CR-CRT-001", Failed;
    /// Certificates have expired or soon will.
    Expiring = "CR-CRT-002", Failed;
    /// A certificate cannot be renewed.
    Renew = "CR-CRT-003", Failed;
    /// A chaincode package, or the file of its collections, cannot be used.
    ChaincodePackage = "CR-LC-001", Usage;
    /// A peer refused a call of the lifecycle.
    ChaincodeRefused = "CR-LC-002", Failed;
    /// Organisations have not approved what is to be committed.
    ChaincodeNotReady = "CR-LC-003", Conflict;
    /// The channel has no such chaincode.
    ChaincodeUndefined = "CR-LC-004", NotFound;
    /// A gateway cannot be reached.
    GatewayUnreachable = "CR-GW-001", Unreachable;
    /// The endorsing peers refused a proposal.
    Endorse = "CR-GW-002", Failed;
    /// The ordering service did not take a transaction.
    Submit = "CR-GW-003", Unreachable;
    /// A transaction was ordered and marked invalid.
    Commit = "CR-GW-004", Failed;
    /// Two transactions changed the same key.
    MvccConflict = "CR-GW-005", Conflict;
    /// A call took longer than its deadline.
    Deadline = "CR-GW-006", Timeout;
    /// The caller may not do this.
    Refused = "CR-GW-007", Denied;
    /// A peer or orderer does not deliver blocks.
    Deliver = "CR-DLV-001", Failed;
    /// The ledger has no such block or transaction.
    NoBlock = "CR-LED-001", NotFound;
    /// A ledger's files are damaged.
    LedgerDamaged = "CR-LED-002", Failed;
    /// A peer refused a request for a snapshot, or did not make it.
    Snapshot = "CR-SNP-001", Failed;
    /// The files of a snapshot are not what its metadata says.
    SnapshotDamaged = "CR-SNP-002", Failed;
    /// The peer is on the snapshot's channel already.
    SnapshotExists = "CR-SNP-003", Conflict;
    /// A node runs whose files are to be worked on.
    NodeRuns = "CR-SNP-004", Conflict;
    /// A ledger cannot be rolled back to this block.
    NoSuchEnd = "CR-SNP-005", Usage;
    /// Stored state is not what the blocks lead to.
    StateDiffers = "CR-SNP-006", Failed;
    /// The files of a backup are not what its manifest says.
    BackupDamaged = "CR-SNP-007", Failed;
    /// A backup is not restored over what is there.
    BackupPlace = "CR-SNP-008", Usage;
    /// A node's files could not be copied while it runs.
    BackupCopy = "CR-SNP-009", Failed;
    /// A receipt about private data does not hold.
    Receipt = "CR-PVT-001", Failed;
    /// A peer still has what was to be removed.
    StillHeld = "CR-PVT-002", Timeout;
    /// The vault did not take or hand out a record or a key wrap.
    Vault = "CR-VLT-001", Failed;
    /// A record could not be encrypted or opened.
    Seal = "CR-VLT-002", Failed;
}

// === impl Code ===

impl Code {
    /// The code whose text is `text`, in any case.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.text().eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, page};

    #[test]
    fn every_code_has_a_page_with_meaning_and_remedy() {
        for code in Code::ALL {
            let page = page(code.text()).unwrap_or_else(|| panic!("{} has no page", code.text()));
            assert!(page.starts_with(&format!("# {}", code.text())), "{}", code.text());
            assert!(page.contains("\n## What to do\n"), "{} says not what to do", code.text());
        }
    }

    #[test]
    fn no_two_codes_are_the_same() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.text()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn every_page_of_our_areas_belongs_to_a_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(text) = name.strip_suffix(".md") else { continue };
            let ours = text.starts_with("CR-NET") || text.starts_with("CR-CLI");
            assert!(!ours || Code::find(text).is_some(), "{text} has a page and no code");
        }
    }
}
