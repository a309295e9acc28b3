//! Storage: quotas, placement, and both sides of a possession challenge.

use bytes::Bytes;
use carecord_health::ids::Id;
use carecord_health::merkle::{self, Bytes32, Hash};
use carecord_health::storage::{
    BLOCK, BLOCK_BYTES, BlockProof,
    model::{Challenge, NewChallenge, NewObject, NewProvider, NewQuota, Object, Provider, Quota},
    seed,
};
use carecord_health::token::Amount;

use super::{Person, json, parse, random_id};
use crate::Error;

/// The Merkle root over the blocks of a ciphertext, as `storage:Place` takes it.
pub fn object_root(ciphertext: &[u8]) -> Hash {
    Hash::of(&merkle::root(&leaves(ciphertext)))
}

fn leaves(ciphertext: &[u8]) -> Vec<Bytes32> {
    blocks(ciphertext).map(merkle::leaf).collect()
}

fn blocks(ciphertext: &[u8]) -> impl Iterator<Item = &[u8]> {
    ciphertext.chunks(usize::try_from(BLOCK_BYTES).expect("a KiB"))
}

/// A challenge that its challenger has opened, and the random bits that are to be shown after the draw.
#[derive(Clone, Debug)]
pub struct OpenedChallenge {
    /// The challenge.
    pub id: Id,
    nonce: Id,
}

impl Person {
    /// Registers the caller as a provider, or changes its terms.
    pub async fn register_provider(&self, terms: &NewProvider) -> Result<Provider, Error> {
        self.submit("storage:RegisterProvider", [json(terms)]).await
    }

    /// Takes no more objects.
    pub async fn exit_storage(&self) -> Result<(), Error> {
        self.contract.submit("storage:Exit", [] as [String; 0]).await?;
        Ok(())
    }

    /// Says how long a retrieval from a provider took.
    pub async fn report_latency(&self, provider: &Id, ms: u32) -> Result<(), Error> {
        let args = [provider.to_string(), ms.to_string()];
        self.contract.submit("storage:ReportLatency", args).await?;
        Ok(())
    }

    /// All providers.
    pub async fn providers(&self) -> Result<Vec<Provider>, Error> {
        self.list("storage:ListProviders", &[]).await
    }

    /// Buys a quota of bytes for some epochs with a deposit in CARE.
    pub async fn buy_quota(
        &self,
        bytes: u64,
        epochs: u32,
        deposit: Amount,
    ) -> Result<Quota, Error> {
        let new = NewQuota { id: random_id()?, bytes, epochs, deposit };
        self.submit("storage:BuyQuota", [json(&new)]).await
    }

    /// Gets the rest of a quota's deposit back.
    pub async fn close_quota(&self, quota: &Id) -> Result<Quota, Error> {
        self.submit("storage:CloseQuota", [quota.to_string()]).await
    }

    /// A quota of the caller.
    pub async fn quota(&self, quota: &Id) -> Result<Quota, Error> {
        self.evaluate("storage:GetQuota", [quota.to_string()]).await
    }

    /// Places an object with providers.
    pub async fn place(&self, object: &NewObject) -> Result<Object, Error> {
        self.submit("storage:Place", [json(object)]).await
    }

    /// An object of the caller, as owner or provider.
    pub async fn object(&self, object: &Id) -> Result<Object, Error> {
        self.evaluate("storage:GetObject", [object.to_string()]).await
    }

    /// The calling provider keeps an object, if the bytes that it got are the ones that were placed.
    pub async fn keep(&self, object: &Object, ciphertext: &[u8]) -> Result<(), Error> {
        let placed = &object.placed;
        if placed.size != ciphertext.len() as u64 || placed.root != object_root(ciphertext) {
            return Err(Error::Untrusted("the bytes are not those of the object"));
        }
        self.contract.submit("storage:Keep", [placed.id.to_string()]).await?;
        Ok(())
    }

    /// Gives lost copies of an object to other providers.
    pub async fn repair(&self, object: &Id) -> Result<Object, Error> {
        self.submit("storage:Repair", [object.to_string()]).await
    }

    /// Ends the keeping of an object.
    pub async fn remove_object(&self, object: &Id) -> Result<(), Error> {
        self.contract.submit("storage:Remove", [object.to_string()]).await?;
        Ok(())
    }

    /// The calling provider gives up an object that nobody pays for any more.
    pub async fn drop_object(&self, object: &Id) -> Result<(), Error> {
        self.contract.submit("storage:Drop", [object.to_string()]).await?;
        Ok(())
    }

    /// Opens a challenge of a provider's copy.
    pub async fn challenge(&self, object: &Id, provider: &Id) -> Result<OpenedChallenge, Error> {
        let opened = OpenedChallenge { id: random_id()?, nonce: random_id()? };
        let new = NewChallenge {
            id: opened.id.clone(),
            object: object.clone(),
            provider: provider.clone(),
            commitment: seed::commitment(&opened.id, &opened.nonce),
        };
        self.contract.submit("storage:Challenge", [json(&new)]).await?;
        Ok(opened)
    }

    /// Draws for somebody else's challenge, as a third organisation.
    pub async fn draw(&self, challenge: &Id) -> Result<Challenge, Error> {
        let args = [challenge.to_string(), random_id()?.to_string()];
        self.submit("storage:Draw", args).await
    }

    /// Shows what the challenger committed to, which decides the block.
    pub async fn reveal(&self, opened: &OpenedChallenge) -> Result<Challenge, Error> {
        let args = [opened.id.to_string(), opened.nonce.to_string()];
        self.submit("storage:Reveal", args).await
    }

    /// The calling provider answers a challenge out of the ciphertext that it keeps; the block goes to endorsers only.
    pub async fn respond(
        &self,
        challenge: &Challenge,
        ciphertext: &[u8],
    ) -> Result<Challenge, Error> {
        let missing = || Error::Untrusted("the challenge asks for no block of these bytes");
        let index = challenge.block.and_then(|block| usize::try_from(block).ok());
        let index = index.ok_or_else(missing)?;
        let block = blocks(ciphertext).nth(index).ok_or_else(missing)?;
        let path = merkle::path(&leaves(ciphertext), index).ok_or_else(missing)?;
        let path = path.iter().map(Hash::of).collect();
        let proof = BlockProof { challenge: challenge.opened.id.clone(), path };
        let proposal = self
            .contract
            .proposal("storage:Respond")
            .arguments([json(&proof)])
            .transient(BLOCK, Bytes::copy_from_slice(block))
            .build()?;
        let transaction = proposal.endorse().await?;
        let result = transaction.result().clone();
        transaction.submit().await?.wait_valid().await?;
        parse(&result)
    }

    /// A challenge.
    pub async fn challenge_state(&self, challenge: &Id) -> Result<Challenge, Error> {
        self.evaluate("storage:GetChallenge", [challenge.to_string()]).await
    }

    /// Ends a challenge whose next step was not done in time.
    pub async fn lapse(&self, challenge: &Id) -> Result<Challenge, Error> {
        self.submit("storage:Lapse", [challenge.to_string()]).await
    }

    /// The calling provider is paid for an epoch in which it proved an object.
    pub async fn settle_epoch(&self, object: &Id, epoch: u64) -> Result<Amount, Error> {
        self.submit("storage:Settle", [object.to_string(), epoch.to_string()]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_covers_every_byte_and_the_short_last_block() {
        let mut bytes = vec![7; 3 * 1024 + 5];
        let root = object_root(&bytes);
        assert_eq!(blocks(&bytes).map(<[u8]>::len).collect::<Vec<_>>(), [1024, 1024, 1024, 5]);
        for at in [0, 1023, 1024, 3 * 1024 + 4] {
            bytes[at] ^= 1;
            assert_ne!(object_root(&bytes), root, "{at}");
            bytes[at] ^= 1;
        }
        assert_ne!(object_root(&bytes[..3 * 1024]), root);
    }
}
