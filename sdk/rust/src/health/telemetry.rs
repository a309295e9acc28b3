//! Telemetry: batches made, signed and proven here; samples and salts never leave the caller unsealed.

use carecord_health::ids::{ContentId, Id};
use carecord_health::merkle::{self, Bytes32, Hash};
use carecord_health::telemetry::{
    Chain, Proven, SampleProof,
    model::{Alert, Batch, Link, NewAlert, NewBatch, NewLink, NewRule, Rule, Tip},
    statement,
    words::GapReason,
};
use data_encoding::BASE64;

use super::{Person, json, random_id};
use crate::Error;

/// A sample of a device, with the salt that hides it in its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken, milliseconds since 1970.
    pub at_ms: i64,
    /// Its value in the device's unit.
    pub value: i64,
    /// Random bits that belong to it; whoever is to check the sample needs them.
    pub salt: [u8; statement::SALT_BYTES],
}

/// The samples of a batch as its device keeps them, to prove each of them later.
#[derive(Clone, Debug)]
pub struct Samples(Vec<Sample>);

// === impl Samples ===

impl Samples {
    /// Takes values in order of time and salts them.
    pub fn new(values: impl IntoIterator<Item = (i64, i64)>) -> Result<Self, Error> {
        let salted = values.into_iter().map(|(at_ms, value)| {
            let mut salt = [0; statement::SALT_BYTES];
            getrandom::fill(&mut salt).map_err(|_| Error::NoRandomness)?;
            Ok(Sample { at_ms, value, salt })
        });
        salted.collect::<Result<_, Error>>().map(Self)
    }

    /// The samples, in order.
    pub fn all(&self) -> &[Sample] {
        &self.0
    }

    /// The root that the ledger is told.
    pub fn root(&self) -> Hash {
        Hash::of(&merkle::root(&self.leaves()))
    }

    /// The proof of one sample of a batch; none if there is no such sample.
    pub fn proof(&self, link: &Id, seq: u64, index: u32) -> Option<SampleProof> {
        let leaves = self.leaves();
        let path = merkle::path(&leaves, index as usize)?;
        let (leaf, path) = (Hash::of(&leaves[index as usize]), path.iter().map(Hash::of).collect());
        Some(SampleProof { link: link.clone(), seq, index, leaf, path })
    }

    fn leaves(&self) -> Vec<Bytes32> {
        self.0.iter().map(|s| statement::sample(&s.salt, s.at_ms, s.value)).collect()
    }
}

impl Person {
    /// Asks a device of the patient's home to measure the patient, until a time (seconds since 1970).
    pub async fn link_device(&self, device: &Id, until: i64) -> Result<Link, Error> {
        let new = NewLink { id: random_id()?, device: device.clone(), until };
        self.submit("telemetry:LinkDevice", [json(&new)]).await
    }

    /// The calling device takes a link on.
    pub async fn accept_link(&self, link: &Id) -> Result<Link, Error> {
        self.submit("telemetry:AcceptLink", [link.to_string()]).await
    }

    /// Ends a link.
    pub async fn unlink_device(&self, link: &Id) -> Result<(), Error> {
        self.contract.submit("telemetry:UnlinkDevice", [link.to_string()]).await?;
        Ok(())
    }

    /// A link and the end of its chain.
    pub async fn chain(&self, link: &Id) -> Result<Chain, Error> {
        self.evaluate("telemetry:GetLink", [link.to_string()]).await
    }

    /// Signs and anchors samples that follow on the end of a chain; `to` is the time after the last one, milliseconds since 1970, `cid` where
    /// they lie sealed.
    ///
    /// Answers the end of the chain afterwards, so that the next batch needs no question.
    pub async fn anchor(
        &self,
        link: &Id,
        tip: &Tip,
        samples: &Samples,
        to: i64,
        cid: ContentId,
        gap: Option<GapReason>,
    ) -> Result<Tip, Error> {
        let channel = self.network().name().to_owned();
        let from = samples.all().first().map_or(to, |sample| sample.at_ms);
        let mut batch = NewBatch {
            link: link.clone(),
            seq: tip.seq + 1,
            prev_hash: tip.hash.clone(),
            from,
            to,
            samples: u32::try_from(samples.all().len()).unwrap_or(u32::MAX),
            root: samples.root(),
            cid,
            gap,
            signature: String::new(),
        };
        let statement = statement::batch(&channel, &batch);
        batch.signature = BASE64.encode(&self.gateway().sign(&statement)?);
        self.contract.submit("telemetry:Anchor", [json(&batch)]).await?;
        let gaps = tip.gaps + u64::from(gap.is_some());
        Ok(Tip { seq: batch.seq, hash: statement::batch_hash(&channel, &batch), to, gaps })
    }

    /// The batches of a link, oldest first.
    pub async fn batches(&self, link: &Id) -> Result<Vec<Batch>, Error> {
        self.list("telemetry:ListBatches", &[link.to_string()]).await
    }

    /// Asks the ledger whether a sample is in an anchored batch.
    pub async fn prove_sample(&self, proof: &SampleProof) -> Result<Proven, Error> {
        self.evaluate("telemetry:ProveSample", [json(proof)]).await
    }

    /// Sets a sealed rule for a link.
    pub async fn set_rule(&self, rule: &NewRule) -> Result<Rule, Error> {
        self.submit("telemetry:SetRule", [json(rule)]).await
    }

    /// Ends a rule.
    pub async fn end_rule(&self, rule: &Id) -> Result<(), Error> {
        self.contract.submit("telemetry:EndRule", [rule.to_string()]).await?;
        Ok(())
    }

    /// Says that a rule fired at a sample.
    pub async fn raise_alert(&self, rule: &Id, proof: SampleProof) -> Result<Alert, Error> {
        let SampleProof { seq, index, leaf, path, .. } = proof;
        let new = NewAlert { id: random_id()?, rule: rule.clone(), seq, index, leaf, path };
        self.submit("telemetry:RaiseAlert", [json(&new)]).await
    }

    /// Acknowledges an alert.
    pub async fn acknowledge(&self, alert: &Id) -> Result<Alert, Error> {
        self.submit("telemetry:Ack", [alert.to_string()]).await
    }

    /// Lifts an alert that nobody acknowledged in time.
    pub async fn escalate(&self, alert: &Id) -> Result<Alert, Error> {
        self.submit("telemetry:Escalate", [alert.to_string()]).await
    }

    /// The alerts of a link, oldest first.
    pub async fn alerts(&self, link: &Id) -> Result<Vec<Alert>, Error> {
        self.list("telemetry:ListAlerts", &[link.to_string()]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_is_proven_by_its_own_proof_only() {
        let samples = Samples::new((0..100).map(|n| (n * 10, n % 3))).unwrap();
        let (link, root) = (random_id().unwrap(), samples.root().bytes());
        for index in 0..100 {
            let proof = samples.proof(&link, 1, index).unwrap();
            let path: Vec<Bytes32> = proof.path.iter().map(Hash::bytes).collect();
            let leaf = proof.leaf.bytes();
            assert!(merkle::proves(&leaf, u64::from(index), 100, &path, &root));
        }
        assert_eq!(samples.proof(&link, 1, 100), None);
        // The same values are salted anew each time: nobody finds them by hashing the few that there are.
        let again = Samples::new((0..100).map(|n| (n * 10, n % 3))).unwrap();
        assert_ne!(again.root(), samples.root());
    }
}
