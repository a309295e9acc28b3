//! Whether somebody whose call lasts may still have what it gives: configurations change and certificates expire meanwhile.

use std::sync::Arc;

use carecord_channel::SignedData;
use carecord_msp::Identity;
use tonic::Status;

use crate::{acl, channel::Channel, clock};

/// The right of one caller to one resource of a channel, as it was last looked at.
#[derive(Debug)]
pub(crate) struct Entitlement {
    resource: &'static str,
    identity: Arc<Identity>,
    /// Of the configuration under which the right was last looked at.
    sequence: u64,
}

// === impl Entitlement ===

impl Entitlement {
    /// Checks the signature of a request and the right of its signer.
    pub(crate) fn of(
        channel: &Channel,
        resource: &'static str,
        signed: SignedData,
    ) -> Result<Self, Status> {
        let bundle = channel.bundle();
        let creator = signed.identity.clone();
        acl::check_signed(&bundle, resource, signed).map_err(Status::permission_denied)?;
        let identity = bundle.msps().identity(&creator);
        let identity = identity.map_err(|error| Status::permission_denied(error.to_string()))?;
        Ok(Self { resource, identity, sequence: bundle.sequence() })
    }

    /// Refuses whom the configuration in force does not let use the resource any more. That the request was signed is
    /// known; who signed it is read anew, so that a revocation counts.
    pub(crate) fn check_again(&mut self, channel: &Channel) -> Result<(), Status> {
        let bundle = channel.bundle();
        if bundle.sequence() == self.sequence {
            return Ok(());
        }
        let identity = bundle.msps().identity(self.identity.serialized());
        let checked = identity.map_err(|error| error.to_string()).and_then(|identity| {
            acl::check_identity(&bundle, self.resource, &identity).map(|()| identity)
        });
        self.identity = checked.map_err(Status::permission_denied)?;
        self.sequence = bundle.sequence();
        Ok(())
    }

    /// Refuses whose certificate has expired.
    pub(crate) fn check_expiry(&self) -> Result<(), Status> {
        let late_s = clock::unix_ms() / 1000 - self.identity.expires_at();
        if late_s > 0 {
            let text = format!("client identity expired {late_s}s before");
            return Err(Status::permission_denied(text));
        }
        Ok(())
    }
}
