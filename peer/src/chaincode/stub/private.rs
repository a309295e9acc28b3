//! Who may use a collection, and what asking for it leaves in the read-write set.

use carecord_chaincode::StubError;
use carecord_ledger::{
    SimulationError,
    definition::{LIFECYCLE, field_key, metadata_key},
};

use super::TxStub;

/// The fields of a definition that Fabric reads with every use of private data, beside its metadata.
const FIELDS: [&str; 4] = ["Sequence", "EndorsementInfo", "ValidationInfo", "Collections"];

/// What the creator of a transaction may do with a collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    read: bool,
    write: bool,
}

impl TxStub<'_, '_> {
    pub(super) fn may_read(&mut self, collection: &str) -> Result<(), StubError> {
        if self.rights(collection)?.read { Ok(()) } else { Err(self.refused("read", collection)) }
    }

    pub(super) fn may_write(&mut self, collection: &str) -> Result<(), StubError> {
        if self.rights(collection)?.write { Ok(()) } else { Err(self.refused("write", collection)) }
    }

    /// Fabric's text.
    fn refused(&self, right: &str, collection: &str) -> StubError {
        StubError::Peer(format!(
            "tx creator does not have {right} access permission on privatedata in \
             chaincodeName:{} collectionName: {collection}",
            self.namespace
        ))
    }

    /// The creator's rights; members have both, others what the collection does not keep to its members.
    pub(super) fn rights(&mut self, collection: &str) -> Result<Rights, StubError> {
        if let Some(known) = self.rights.get(collection) {
            return Ok(*known);
        }
        if self.call.opened.is_init() && self.deployed.definition.init_required {
            let text = "private data APIs are not allowed in chaincode Init()";
            return Err(StubError::Peer(text.to_owned()));
        }
        if self.rights.is_empty() {
            self.read_definition().map_err(|error| StubError::Peer(error.to_string()))?;
        }
        let found = self.deployed.collection(&self.channel.bundle(), collection);
        let found = found.ok_or_else(|| {
            let (channel, namespace) = (self.channel.id(), self.namespace);
            StubError::Peer(format!(
                "collection {channel}/{namespace}/{collection} could not be found"
            ))
        })?;
        let open = Rights { read: !found.member_only_read, write: !found.member_only_write };
        let is_member = (open.read && open.write) || found.admits(self.call.identity);
        let rights = if is_member { Rights { read: true, write: true } } else { open };
        self.rights.insert(collection.to_owned(), rights);
        Ok(rights)
    }

    /// Records the reads of the definition that Fabric records, so that endorsements by its peers are equal, and a
    /// transaction that was simulated under another definition conflicts.
    fn read_definition(&mut self) -> Result<(), SimulationError> {
        let chaincode = self.namespace;
        self.simulator.get(LIFECYCLE, &metadata_key(chaincode))?;
        for field in FIELDS {
            self.simulator.get(LIFECYCLE, &field_key(chaincode, field))?;
        }
        Ok(())
    }
}
