//! Proof that a sample is in an anchored batch, and what was anchored.

use carecord_chaincode::{Context, ContractError, Schema, codes, json_object, serde_json};

use crate::{
    error,
    ids::Id,
    merkle::{self, Hash, PATH_MAX},
    page::{self, Page},
    telemetry::{
        links,
        model::{Batch, Link, Tip},
        store,
    },
};

json_object! {
    /// A sample's place and the way from it to the root.
    pub struct SampleProof {
        /// The link.
        pub link: Id,
        /// The batch.
        pub seq: u64,
        /// The sample's place in it.
        pub index: u32,
        /// The sample's leaf hash; who holds salt, time and value of the sample computes it.
        pub leaf: Hash,
        /// The hashes beside its way to the root, from below.
        pub path: Vec<Hash>,
    }
}

json_object! {
    /// What a proof shows.
    pub struct Proven {
        /// When the batch was anchored, seconds since 1970.
        pub at: i64,
        /// The time of its first sample, milliseconds since 1970.
        pub from: i64,
        /// The time after its last.
        pub to: i64,
    }
}

/// `ProveSample(proof)`: to whoever may see the link.
pub(super) fn prove(
    context: &mut Context<'_>,
    proof: SampleProof,
) -> Result<Proven, ContractError> {
    links::visible(context, &proof.link)?;
    let SampleProof { link, seq, index, leaf, path } = proof;
    let Batch { batch, at, .. } = check(context, &link, seq, index, &leaf, &path)?;
    Ok(Proven { at, from: batch.from, to: batch.to })
}

/// Checks a leaf against the root of a batch; answers the batch.
pub(super) fn check(
    context: &mut Context<'_>,
    link: &Id,
    seq: u64,
    index: u32,
    leaf: &Hash,
    path: &[Hash],
) -> Result<Batch, ContractError> {
    let found: Option<Batch> = context.get(&store::batch(link, seq))?;
    let found = found.ok_or_else(|| error::ABSENT.because("no such batch of the link"))?;
    if path.len() > PATH_MAX {
        return Err(codes::VALUE.because("a path has at most 32 hashes"));
    }
    let path: Vec<merkle::Bytes32> = path.iter().map(Hash::bytes).collect();
    let (size, root) = (u64::from(found.batch.samples), found.batch.root.bytes());
    if merkle::proves(&leaf.bytes(), u64::from(index), size, &path, &root) {
        return Ok(found);
    }
    Err(error::PROOF.because("the sample is not at this place of the batch"))
}

/// A link and the end of its chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Chain {
    /// The link.
    pub link: Link,
    /// The end of its chain; absent before the device took it on.
    pub tip: Option<Tip>,
}

impl Schema for Chain {
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "object",
            "properties": {"link": Link::schema(), "tip": Tip::schema()}})
    }
}

/// `GetLink(linkId)`: to whoever may see the link.
pub(super) fn chain(context: &mut Context<'_>, id: Id) -> Result<Chain, ContractError> {
    let (link, _) = links::visible(context, &id)?;
    let tip = context.get(&store::tip(&id))?;
    Ok(Chain { link, tip })
}

/// `ListBatches(linkId, after, limit)`: oldest first, to whoever may see the link.
pub(super) fn list(
    context: &mut Context<'_>,
    link: Id,
    after: String,
    limit: u32,
) -> Result<Page<Batch>, ContractError> {
    links::visible(context, &link)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "tlbatch", &[link.as_str()], &after, limit)?;
    let mut items = Vec::new();
    for attributes in &listed.items {
        let seq = attributes.last().and_then(|seq| seq.parse().ok());
        let seq = seq.ok_or_else(|| codes::FAILED.because("a batch's key cannot be read"))?;
        items.extend(context.get::<Batch>(&store::batch(&link, seq))?);
    }
    Ok(Page { items, next: listed.next })
}
