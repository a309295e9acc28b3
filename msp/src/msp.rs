//! One organisation's membership service provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use carecord_proto::msp::{MspConfig, SerializedIdentity};
use prost::Message;

use crate::member::Member;
use crate::nodeou::NodeOus;
use crate::x509::{CertPool, Certificate, RevocationList};
use crate::{Error, Identity, pem_block, setup};

/// Which of Fabric's rule sets holds; it follows from the channel's capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MspVersion {
    /// No channel capability.
    V1_0,
    /// Channel V1_1.
    V1_1,
    /// Channel V1_3 and V1_4_2.
    V1_3,
    /// Channel V1_4_3 and V2_0.
    V1_4_3,
    /// Channel V3_0: Ed25519 identities too.
    V3_0,
}

/// One organisation's MSP, set up from its configuration; a clone shares everything.
#[derive(Debug, Clone)]
pub struct Msp {
    core: Arc<Core>,
}

/// What the configuration came to.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) version: MspVersion,
    pub(crate) name: String,
    pub(crate) identifier_hash: Hasher,
    pub(crate) signature_hash: Hasher,
    pub(crate) root_certs: Vec<Arc<Certificate>>,
    pub(crate) intermediate_certs: Vec<Arc<Certificate>>,
    pub(crate) roots: CertPool,
    pub(crate) intermediates: CertPool,
    /// CAs that have another CA below themselves: they may not issue identities. By their bytes.
    pub(crate) internal_nodes: BTreeSet<Vec<u8>>,
    pub(crate) revocation_lists: Vec<RevocationList>,
    /// Recognised OUs, each with the certifiers it may come from.
    pub(crate) ou_identifiers: BTreeMap<String, Vec<Vec<u8>>>,
    pub(crate) node_ous: NodeOus,
    pub(crate) admins: Vec<Member>,
    pub(crate) tls_root_certs: Vec<Bytes>,
    pub(crate) tls_intermediate_certs: Vec<Bytes>,
}

/// A hash function that the configuration names; a name nobody knows is an error only once it is used.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    name: String,
    algorithm: Option<&'static digest::Algorithm>,
}

impl Hasher {
    /// The function for identifiers.
    pub(crate) fn of_function(name: &str) -> Hasher {
        let algorithm = match name {
            "" | "SHA256" => Some(&digest::SHA256),
            "SHA384" => Some(&digest::SHA384),
            "SHA3_256" => Some(&digest::SHA3_256),
            "SHA3_384" => Some(&digest::SHA3_384),
            _ => None,
        };
        Hasher { name: name.into(), algorithm }
    }

    /// The function of 256 bits that a family signs with.
    pub(crate) fn of_family(name: &str) -> Hasher {
        let algorithm = match name {
            "" | "SHA2" => Some(&digest::SHA256),
            "SHA3" => Some(&digest::SHA3_256),
            _ => None,
        };
        Hasher { name: name.into(), algorithm }
    }

    /// Hashes the parts one after the other; `None` if the function is not known.
    pub(crate) fn hash<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
        let mut context = digest::Context::new(self.algorithm?);
        parts.into_iter().for_each(|part| context.update(part));
        Some(context.finish().as_ref().to_vec())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Msp {
    /// Sets up the MSP of `config` under the rules of `version`.
    pub fn new(config: &MspConfig, version: MspVersion) -> Result<Msp, Error> {
        Ok(Msp { core: Arc::new(setup::set_up(config, version)?) })
    }

    /// The MSP id, as identities name it.
    pub fn id(&self) -> &str {
        &self.core.name
    }

    /// The rule set it was set up for.
    pub fn version(&self) -> MspVersion {
        self.core.version
    }

    /// The TLS roots of the organisation, PEM as configured.
    pub fn tls_root_certs(&self) -> &[Bytes] {
        &self.core.tls_root_certs
    }

    /// The TLS intermediates of the organisation, PEM as configured.
    pub fn tls_intermediate_certs(&self) -> &[Bytes] {
        &self.core.tls_intermediate_certs
    }

    /// Reads a `SerializedIdentity` that must name this MSP; validity is asked of the identity.
    pub fn identity(&self, serialized: &[u8]) -> Result<Arc<Identity>, Error> {
        self.core.named_here(serialized)?;
        let serialized = Bytes::copy_from_slice(serialized);
        let message = decode_serialized(&serialized)?;
        self.identity_of(serialized, &message)
    }

    /// Reads the certificate of a message that is known to name this MSP.
    pub(crate) fn identity_of(
        &self,
        serialized: Bytes,
        message: &SerializedIdentity,
    ) -> Result<Arc<Identity>, Error> {
        let member = self.core.member_from_pem(&message.id_bytes)?;
        Ok(Arc::new(Identity::new(self.core.clone(), member, serialized)))
    }
}

impl Core {
    fn named_here(&self, serialized: &[u8]) -> Result<SerializedIdentity, Error> {
        let message = decode_serialized(serialized)?;
        if message.mspid != self.name {
            let (expected, received) = (self.name.clone(), message.mspid);
            return Err(Error::OtherMsp { expected, received });
        }
        Ok(message)
    }

    /// Reads a `SerializedIdentity` of this MSP.
    pub(crate) fn member(&self, serialized: &[u8]) -> Result<Member, Error> {
        self.member_from_pem(&self.named_here(serialized)?.id_bytes)
    }

    fn member_from_pem(&self, pem: &[u8]) -> Result<Member, Error> {
        let Some(block) = pem_block::decode(pem) else {
            return Err(Error::Identity("could not decode the PEM structure".into()));
        };
        let certificate = Certificate::read(&block.bytes)
            .map_err(|why| Error::from(why).within("parseCertificate failed"))?;
        Member::new(self, certificate)
            .map_err(|why| why.within_if_key("failed to import certificate's public key"))
    }
}

/// Reads the message that names an organisation and carries a certificate.
pub(crate) fn decode_serialized(mut bytes: &[u8]) -> Result<SerializedIdentity, Error> {
    SerializedIdentity::decode(&mut bytes).map_err(|_| {
        Error::SerializedIdentity("proto: cannot parse invalid wire-format data".into())
    })
}
