//! The identity of a node that is exchanged while the node runs.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::Signer;

/// Who a node signs as at the moment.
///
/// A signature and the creator beside it must be one signer's: whoever signs takes one [`CurrentSigner::get`] for both.
pub struct CurrentSigner(RwLock<Arc<dyn Signer>>);

// === impl CurrentSigner ===

impl CurrentSigner {
    /// Begins with this signer.
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        Self(RwLock::new(signer))
    }

    /// Whom to sign as, for one signature.
    pub fn get(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.0.read())
    }

    /// Signs as somebody else from now on.
    pub fn replace(&self, signer: Arc<dyn Signer>) {
        *self.0.write() = signer;
    }
}

impl fmt::Debug for CurrentSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentSigner").field(&self.get().msp_id()).finish()
    }
}
