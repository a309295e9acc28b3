//! MSP folders in cryptogen's layout: `cacerts`, `tlscacerts`, `signcerts`, `keystore`, `config.yaml`.

use std::path::Path;

use bytes::Bytes;
use carecord_proto::msp::{FabricNodeOUs, MspConfig};

use crate::{Error, SigningIdentity};

/// Reads an MSP folder into the configuration that goes into a channel.
pub fn load_msp_config(_dir: &Path, _msp_id: &str) -> Result<MspConfig, Error> {
    Err(Error::Keystore("not written yet".into()))
}

/// Reads the certificate and the key of an MSP folder.
pub fn load_signing_identity(_dir: &Path, _msp_id: &str) -> Result<SigningIdentity, Error> {
    Err(Error::Keystore("not written yet".into()))
}

/// Builds the MSP configuration of an organisation from its CA certificates (PEM).
pub fn msp_config_from(
    _msp_id: &str,
    _ca_certs: &[Bytes],
    _tls_ca_certs: &[Bytes],
    _node_ous: Option<FabricNodeOUs>,
) -> MspConfig {
    MspConfig::default()
}

/// Node OUs with Fabric's usual names, certified by `ca_cert` (PEM).
pub fn default_node_ous(_ca_cert: &[u8]) -> FabricNodeOUs {
    FabricNodeOUs::default()
}
