//! The consenters of a channel: who they are, where they listen, which certificate proves it.

use carecord_consensus::NodeId;
use carecord_proto::common::Block;
use carecord_proto::etcdraft;

use crate::Error;

/// One consenter, as the channel's configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: NodeId,
    /// Where its cluster listener is, `host:port`.
    pub(crate) address: String,
    /// The certificate it shows when it dials, DER.
    client_certificate: Vec<u8>,
    /// The certificate it shows when it is dialled, DER.
    server_certificate: Vec<u8>,
}

/// All consenters of a channel, in the order of the configuration, and those who are leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    named: Vec<Member>,
    /// The configuration names them no more, but Raft still needs their word for their own removal.
    leaving: Vec<Member>,
}

// === impl Members ===

impl Members {
    /// Joins the consenters of the configuration with the ids that the last block's metadata gives them.
    ///
    /// A genesis block carries no ids: they are then 1, 2, … in the order of the configuration.
    pub(crate) fn new(consenters: &[etcdraft::Consenter], ids: &[NodeId]) -> Result<Self, Error> {
        let numbered: Vec<NodeId> = (1..=consenters.len() as u64).collect();
        let ids = if ids.is_empty() { &numbered } else { ids };
        if ids.len() != consenters.len() {
            return Err(Error::Consenters { named: consenters.len(), numbered: ids.len() });
        }
        consenters.iter().zip(ids).map(|(consenter, id)| Member::new(consenter, *id)).collect()
    }

    /// The same with the ids in the metadata of the configuration block itself.
    pub(crate) fn of_block(
        consenters: &[etcdraft::Consenter],
        block: &Block,
    ) -> Result<Self, Error> {
        let ids = match carecord_proto::block::number(block) {
            0 => Vec::new(),
            _ => carecord_proto::block::consenter_metadata(block)?.consenter_ids,
        };
        Self::new(consenters, &ids)
    }

    /// The consenter that shows this certificate when it dials.
    pub(crate) fn by_certificate(&self, der: &[u8]) -> Option<&Member> {
        self.all().find(|member| member.client_certificate == der)
    }

    /// The consenter that this node is, known by a TLS certificate of its own.
    pub(crate) fn own(&self, is_own: impl Fn(&[u8]) -> bool) -> Option<&Member> {
        self.named
            .iter()
            .find(|member| is_own(&member.server_certificate) || is_own(&member.client_certificate))
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Member> {
        self.all().find(|member| member.id == id)
    }

    /// Those whom the configuration names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.named.iter()
    }

    /// Those and the leaving ones.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Member> {
        self.named.iter().chain(&self.leaving)
    }

    /// These consenters, and of the ones `before` whoever is gone but still `present` in Raft.
    pub(crate) fn with_those_who_leave(
        mut self,
        before: &Self,
        present: impl Fn(NodeId) -> bool,
    ) -> Self {
        let leaves = |member: &&Member| {
            present(member.id) && !self.named.iter().any(|named| named.id == member.id)
        };
        self.leaving = before.all().filter(leaves).cloned().collect();
        self
    }

    /// The same without those leaving ones who are not `present` in Raft any more.
    pub(crate) fn without_those_who_left(&self, present: impl Fn(NodeId) -> bool) -> Self {
        let mut members = self.clone();
        members.leaving.retain(|member| present(member.id));
        members
    }
}

impl FromIterator<Member> for Members {
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        Self { named: members.into_iter().collect(), leaving: Vec::new() }
    }
}

// === impl Member ===

impl Member {
    /// When the first of its certificates expires, in seconds since 1970.
    pub(crate) fn certificate_expires_at(&self) -> Option<i64> {
        let both = [&self.client_certificate, &self.server_certificate];
        let expires = |der: &Vec<u8>| {
            let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
            Some(certificate.validity().not_after.timestamp())
        };
        both.into_iter().filter_map(expires).min()
    }

    /// The certificate by which the configuration knows it when it dials.
    pub(crate) fn client_certificate(&self) -> &[u8] {
        &self.client_certificate
    }

    fn new(consenter: &etcdraft::Consenter, id: NodeId) -> Result<Self, Error> {
        Ok(Self {
            id,
            address: format!("{}:{}", consenter.host, consenter.port),
            client_certificate: der(&consenter.client_tls_cert)?,
            server_certificate: der(&consenter.server_tls_cert)?,
        })
    }
}

fn der(pem: &[u8]) -> Result<Vec<u8>, Error> {
    // As Go reads PEM, since that is how it was judged before it was ordered.
    let block = carecord_msp::decode_pem(pem).ok_or(Error::ConsenterCertificate)?;
    Ok(block.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consenter(name: &str, byte: u8) -> etcdraft::Consenter {
        let certificate = |kind| pem::encode(&pem::Pem::new("CERTIFICATE", vec![byte, kind]));
        etcdraft::Consenter {
            host: name.into(),
            port: 7050,
            client_tls_cert: certificate(1).into(),
            server_tls_cert: certificate(2).into(),
        }
    }

    #[test]
    fn consenters_of_a_new_channel_are_numbered_in_order() {
        let members = Members::new(&[consenter("a", 7), consenter("b", 8)], &[]).unwrap();
        assert_eq!(members.get(2).unwrap().address, "b:7050");
        assert_eq!(members.by_certificate(&[7, 1]).unwrap().id, 1);
        assert_eq!(members.own(|der| der == [8, 2]).unwrap().id, 2);
        assert_eq!(members.by_certificate(&[7, 2]), None, "a server certificate dials nobody");
    }

    #[test]
    fn ids_come_from_the_last_block_where_it_has_them() {
        let members = Members::new(&[consenter("a", 7), consenter("b", 8)], &[4, 2]).unwrap();
        assert_eq!(members.get(4).unwrap().address, "a:7050");
        assert!(Members::new(&[consenter("a", 7)], &[4, 2]).is_err());
    }
}
