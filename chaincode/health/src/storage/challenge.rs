//! Challenges: whether a provider still has what it is paid for.
//!
//! | step | by | within |
//! |---|---|---|
//! | `Challenge` | anyone registered, of another organisation than the provider's | |
//! | `Draw` | anyone registered, of a third organisation | [`STEP_SECONDS`] |
//! | `Reveal` | the challenger | [`STEP_SECONDS`] |
//! | `Respond` | the provider | [`STEP_SECONDS`] |
//! | `Lapse` | anyone registered | after that |
//!
//! A wrong block is refused and changes nothing; the provider may try again until its time is over, and loses reputation then. The
//! block is ciphertext and goes to the endorsers alone, in the transient field `block`: a ledger never forgets.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    error,
    events::{CHALLENGE_CHANGED, ChallengeChange},
    ids::Id,
    merkle::{self, Hash, PATH_MAX},
    model::Subject,
    person,
    storage::{
        model::{Challenge, NewChallenge, Object, Proven},
        objects, providers, score, seed, store,
        words::{ChallengeStatus, ReplicaStatus},
    },
};

/// The bytes of a block; the last one of an object may be shorter.
pub const BLOCK_BYTES: u64 = 1024;
/// How long each step may take: two hours, eight times what a signer's clock may be off.
pub const STEP_SECONDS: i64 = 2 * 3600;
/// The transient field of the block.
pub const BLOCK: &str = "block";

json_object! {
    /// The way from the block that is asked for to the root.
    pub struct BlockProof {
        /// The challenge.
        pub challenge: Id,
        /// The hashes beside the way, from below.
        pub path: Vec<Hash>,
    }
}

/// `Challenge(challenge)`.
pub(super) fn open(
    context: &mut Context<'_>,
    new: NewChallenge,
) -> Result<Challenge, ContractError> {
    let challenger = person::caller(context)?;
    let object = objects::find(context, &new.object)?.ok_or_else(objects::absent)?;
    let keeps = object
        .replicas
        .iter()
        .any(|r| r.provider == new.provider && r.status == ReplicaStatus::Kept);
    if !keeps {
        return Err(objects::absent());
    }
    let provider = providers::find(context, &new.provider)?.ok_or_else(providers::absent)?;
    if provider.org == challenger.msp {
        return Err(error::FOREIGN.because("an organisation does not challenge its own provider"));
    }
    if find(context, &new.id)?.is_some() {
        return Err(error::TAKEN.because("the challenge id is taken").at("/challenge/id"));
    }
    let key = store::open(&new.object, &new.provider);
    if context.bytes(&key)?.is_some() {
        return Err(error::STATE.because("a challenge of this copy is under way"));
    }
    context.put(&key, &new.id)?;
    let now = context.now();
    let challenge = Challenge {
        opened: new,
        challenger: challenger.id,
        org: challenger.msp,
        drawer: None,
        drawn: None,
        block: None,
        epoch: store::epoch(now),
        status: ChallengeStatus::Open,
        due: now + STEP_SECONDS,
    };
    save(context, &challenge)?;
    Ok(challenge)
}

/// `Draw(challengeId, nonce)`.
pub(super) fn draw(
    context: &mut Context<'_>,
    id: Id,
    nonce: Id,
) -> Result<Challenge, ContractError> {
    let drawer = person::caller(context)?;
    let mut challenge = awaited(context, &id, ChallengeStatus::Open)?;
    check_third(context, &challenge, &drawer)?;
    challenge.drawer = Some(drawer.id);
    challenge.drawn = Some(nonce);
    step(context, &mut challenge, ChallengeStatus::Drawn)?;
    Ok(challenge)
}

/// The drawer belongs neither to the challenger's nor to the provider's organisation.
fn check_third(
    context: &mut Context<'_>,
    challenge: &Challenge,
    drawer: &Subject,
) -> Result<(), ContractError> {
    let provider = providers::find(context, &challenge.opened.provider)?;
    let provider = provider.ok_or_else(providers::absent)?;
    if drawer.msp == challenge.org || drawer.msp == provider.org {
        return Err(error::FOREIGN.because("a third organisation draws"));
    }
    Ok(())
}

/// `Reveal(challengeId, nonce)`.
pub(super) fn reveal(
    context: &mut Context<'_>,
    id: Id,
    nonce: Id,
) -> Result<Challenge, ContractError> {
    let caller = person::caller(context)?;
    let mut challenge = awaited(context, &id, ChallengeStatus::Drawn)?;
    if challenge.challenger != caller.id {
        return Err(absent());
    }
    if seed::commitment(&id, &nonce) != challenge.opened.commitment {
        return Err(error::PROOF
            .because("that is not what the challenger committed to")
            .at("/nonce"));
    }
    let object = objects::find(context, &challenge.opened.object)?.ok_or_else(objects::absent)?;
    let drawn = challenge.drawn.clone().ok_or_else(absent)?;
    challenge.block = Some(seed::block(&id, &nonce, &drawn, blocks(&object)));
    challenge.epoch = store::epoch(context.now());
    step(context, &mut challenge, ChallengeStatus::Asked)?;
    Ok(challenge)
}

fn blocks(object: &Object) -> u64 {
    object.placed.size.div_ceil(BLOCK_BYTES)
}

/// `Respond(proof)` with the transient field `block`.
pub(super) fn respond(
    context: &mut Context<'_>,
    proof: BlockProof,
) -> Result<Challenge, ContractError> {
    let caller = person::caller(context)?;
    let mut challenge = awaited(context, &proof.challenge, ChallengeStatus::Asked)?;
    if challenge.opened.provider != caller.id {
        return Err(absent());
    }
    let object = objects::find(context, &challenge.opened.object)?.ok_or_else(objects::absent)?;
    check_block(context, &challenge, &object, &proof.path)?;
    note_proven(context, &challenge, &object)?;
    close(context, &mut challenge, object, true)?;
    Ok(challenge)
}

/// Notes that the epoch is proven, if it is payable: once, so that it is paid once.
fn note_proven(
    context: &mut Context<'_>,
    challenge: &Challenge,
    object: &Object,
) -> Result<(), ContractError> {
    let NewChallenge { id, provider, .. } = &challenge.opened;
    let replica = object.replicas.iter().find(|r| r.provider == *provider);
    let Some(replica) = replica.filter(|r| challenge.epoch >= r.payable) else { return Ok(()) };
    let key = store::proven(&object.placed.id, provider, challenge.epoch);
    if context.bytes(&key)?.is_some() {
        return Ok(());
    }
    let quota = object.placed.quota.clone();
    context.put(&key, &Proven { challenge: id.clone(), quota, cost: replica.cost, paid: false })
}

fn check_block(
    context: &mut Context<'_>,
    challenge: &Challenge,
    object: &Object,
    path: &[Hash],
) -> Result<(), ContractError> {
    let index = challenge.block.ok_or_else(absent)?;
    let expected = (object.placed.size - index * BLOCK_BYTES).min(BLOCK_BYTES);
    let block = context.stub().transient().get(BLOCK).cloned();
    let missing =
        || codes::VALUE.because("the transient field block is missing or has another length");
    let block = block.filter(|block| block.len() as u64 == expected).ok_or_else(missing)?;
    if path.len() > PATH_MAX {
        return Err(codes::VALUE.because("a path has at most 32 hashes").at("/proof/path"));
    }
    let path: Vec<merkle::Bytes32> = path.iter().map(Hash::bytes).collect();
    let root = object.placed.root.bytes();
    if merkle::proves(&merkle::leaf(&block), index, blocks(object), &path, &root) {
        return Ok(());
    }
    Err(error::PROOF.because("that is not the block that is asked for").at("/proof"))
}

/// `Lapse(challengeId)`: ends a challenge whose next step was not done in time.
pub(super) fn lapse(context: &mut Context<'_>, id: Id) -> Result<Challenge, ContractError> {
    person::caller(context)?;
    let mut challenge = find(context, &id)?.ok_or_else(absent)?;
    let under_way = [ChallengeStatus::Open, ChallengeStatus::Drawn, ChallengeStatus::Asked];
    if !under_way.contains(&challenge.status) || context.now() < challenge.due {
        return Err(error::STATE.because("the challenge is over, or there is still time"));
    }
    if challenge.status == ChallengeStatus::Asked {
        let object = objects::find(context, &challenge.opened.object)?;
        close(context, &mut challenge, object.ok_or_else(objects::absent)?, false)?;
        return Ok(challenge);
    }
    context.delete(&store::open(&challenge.opened.object, &challenge.opened.provider))?;
    challenge.status = ChallengeStatus::Void;
    save(context, &challenge)?;
    Ok(challenge)
}

/// Ends a challenge that the provider passed or failed.
fn close(
    context: &mut Context<'_>,
    challenge: &mut Challenge,
    mut object: Object,
    passed: bool,
) -> Result<(), ContractError> {
    let (object_id, provider_id) = (&challenge.opened.object, &challenge.opened.provider);
    context.delete(&store::open(object_id, provider_id))?;
    if let Some(mut provider) = providers::find(context, provider_id)? {
        provider.reputation = score::after_challenge(provider.reputation, passed);
        providers::save(context, &provider)?;
    }
    if let Some(replica) = object.replicas.iter_mut().find(|r| r.provider == *provider_id) {
        replica.failed = if passed { 0 } else { replica.failed.saturating_add(1) };
        objects::write(context, &object)?;
    }
    challenge.status = if passed { ChallengeStatus::Passed } else { ChallengeStatus::Failed };
    save(context, challenge)
}

fn step(
    context: &mut Context<'_>,
    challenge: &mut Challenge,
    status: ChallengeStatus,
) -> Result<(), ContractError> {
    challenge.status = status;
    challenge.due = context.now() + STEP_SECONDS;
    save(context, challenge)
}

/// A challenge that waits for this step, and still in time.
fn awaited(
    context: &mut Context<'_>,
    id: &Id,
    status: ChallengeStatus,
) -> Result<Challenge, ContractError> {
    let challenge = find(context, id)?.ok_or_else(absent)?;
    if challenge.status == status && context.now() < challenge.due {
        return Ok(challenge);
    }
    Err(error::STATE.because("the challenge does not wait for this, or its time is over"))
}

/// `GetChallenge(challengeId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Challenge, ContractError> {
    person::caller(context)?;
    find(context, &id)?.ok_or_else(absent)
}

fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Challenge>, ContractError> {
    context.get(&store::challenge(id))
}

fn absent() -> ContractError {
    error::ABSENT.because("no such challenge, or not the caller's part in it")
}

fn save(context: &mut Context<'_>, challenge: &Challenge) -> Result<(), ContractError> {
    context.put(&store::challenge(&challenge.opened.id), challenge)?;
    let change =
        ChallengeChange { challenge: challenge.opened.id.clone(), status: challenge.status };
    context.event(CHALLENGE_CHANGED, &change)
}
