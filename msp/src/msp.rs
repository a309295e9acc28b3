//! One organisation's membership service provider.

use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::msp::MspConfig;

use crate::{Error, Identity};

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
    name: Arc<str>,
    tls_root_certs: Arc<[Bytes]>,
    tls_intermediate_certs: Arc<[Bytes]>,
}

impl Msp {
    /// Sets up the MSP of `config` under the rules of `version`.
    pub fn new(_config: &MspConfig, _version: MspVersion) -> Result<Msp, Error> {
        Err(Error::Setup("set-up is not written yet".into()))
    }

    /// The MSP id, as identities name it.
    pub fn id(&self) -> &str {
        &self.name
    }

    /// The TLS roots of the organisation, PEM as configured.
    pub fn tls_root_certs(&self) -> &[Bytes] {
        &self.tls_root_certs
    }

    /// The TLS intermediates of the organisation, PEM as configured.
    pub fn tls_intermediate_certs(&self) -> &[Bytes] {
        &self.tls_intermediate_certs
    }

    /// Reads a `SerializedIdentity` that must name this MSP; validity is asked of the identity.
    pub fn identity(&self, _serialized: &[u8]) -> Result<Arc<Identity>, Error> {
        Err(Error::UnknownMsp(self.name.to_string()))
    }
}
