//! Appointments: slots, requests, batches that are solved and verified here, picks and visits.

use carecord_health::appointments::{
    BatchPart, PART, Proven, Stats, handed,
    matching::{self, Batch, Solution, Weights},
    model::{BatchHead, BatchResult, Deposit, Match, NewRequest, NewSlot, Profile, Request, Terms},
    words::{PickReason, Specialty},
};
use carecord_health::ids::Id;

use super::{Person, json, parse};
use crate::{Contract, Error};

/// Vouches for the specialties of a practitioner of the caller's organisation; an administrator's act.
pub async fn qualify(
    admin: &Contract,
    practitioner: &Id,
    specialties: &[Specialty],
) -> Result<(), Error> {
    let args = [practitioner.to_string(), json(&specialties)];
    admin.submit("appointments:Qualify", args).await?;
    Ok(())
}

/// Freezes the requests made before a moment (seconds since 1970) and the slots to come; an administrator's act.
pub async fn freeze_batch(
    admin: &Contract,
    batch: &Id,
    family: Specialty,
    before: i64,
) -> Result<BatchHead, Error> {
    let args = [batch.to_string(), family.as_str().to_owned(), before.to_string()];
    parse(&admin.submit("appointments:FreezeBatch", args).await?)
}

/// Has a frozen batch matched: on the ledger if it is small enough, otherwise here, with the proof handed in.
pub async fn run_batch(admin: &Contract, head: &BatchHead) -> Result<BatchResult, Error> {
    if head.requests.max(head.slots) as usize <= matching::SOLVE_MAX {
        return parse(&admin.submit("appointments:RunMatching", [head.id.to_string()]).await?);
    }
    let handed = handed(&matching::assign(&frozen(admin, head).await?));
    let args = [head.id.to_string(), json(&handed.slots), json(&handed.prices)];
    parse(&admin.submit("appointments:SubmitMatching", args).await?)
}

/// Checks the proof of a batch that was run against what was frozen, here and not at a peer.
pub async fn verify_batch(contract: &Contract, batch: &Id) -> Result<i128, Error> {
    let id = batch.to_string();
    let head: BatchHead = parse(&contract.evaluate("appointments:GetBatch", [id.clone()]).await?)?;
    let result: BatchResult = parse(&contract.evaluate("appointments:GetResult", [id]).await?)?;
    let frozen = frozen(contract, &head).await?;
    let prices = result.proof.prices.iter().map(|price| price.get()).collect();
    let solution = Solution { slots: result.proof.slots, prices };
    let refuse = |_| Error::Untrusted("the matching of the batch is not proven by its prices");
    matching::verify(&Weights::of(&frozen), &solution).map_err(refuse)
}

/// The same, as the peer checks it.
pub async fn verify_batch_at_peer(contract: &Contract, batch: &Id) -> Result<Proven, Error> {
    parse(&contract.evaluate("appointments:VerifyMatching", [batch.to_string()]).await?)
}

/// What was frozen, part by part.
async fn frozen(contract: &Contract, head: &BatchHead) -> Result<Batch, Error> {
    let (mut demands, mut supplies) = (Vec::new(), Vec::new());
    for part in 0..(head.requests.max(head.slots) as usize).div_ceil(PART) {
        let args = [head.id.to_string(), part.to_string()];
        let read: BatchPart = parse(&contract.evaluate("appointments:GetBatchPart", args).await?)?;
        demands.extend(read.demands);
        supplies.extend(read.supplies);
    }
    Ok(Batch::new(demands, supplies))
}

impl Person {
    /// Says what the calling practitioner speaks, charges and takes on.
    pub async fn set_profile(&self, profile: &Profile) -> Result<(), Error> {
        self.contract.submit("appointments:SetProfile", [json(profile)]).await?;
        Ok(())
    }

    /// How a practitioner works.
    pub async fn profile_of(&self, practitioner: &Id) -> Result<Profile, Error> {
        self.evaluate("appointments:GetProfile", [practitioner.to_string()]).await
    }

    /// Offers time; slots in order, without overlap, up to a hundred at once.
    pub async fn publish_slots(&self, slots: &[NewSlot]) -> Result<(), Error> {
        self.contract.submit("appointments:PublishSlots", [json(&slots)]).await?;
        Ok(())
    }

    /// Takes an open slot back.
    pub async fn withdraw_slot(&self, slot: &Id) -> Result<(), Error> {
        self.contract.submit("appointments:WithdrawSlot", [slot.to_string()]).await?;
        Ok(())
    }

    /// Asks for a visit.
    pub async fn request_visit(&self, request: &NewRequest) -> Result<Request, Error> {
        self.submit("appointments:Request", [json(request)]).await
    }

    /// Changes the terms of an open request; waiting goes on.
    pub async fn amend_request(&self, request: &Id, terms: &Terms) -> Result<Request, Error> {
        self.submit("appointments:Amend", [request.to_string(), json(terms)]).await
    }

    /// Takes a request back, and its match with it.
    pub async fn cancel_request(&self, request: &Id) -> Result<(), Error> {
        self.contract.submit("appointments:Cancel", [request.to_string()]).await?;
        Ok(())
    }

    /// The caller's requests, oldest first.
    pub async fn my_requests(&self) -> Result<Vec<Request>, Error> {
        self.list("appointments:ListMine", &[]).await
    }

    /// The open requests of a specialty that the caller serves, oldest first.
    pub async fn open_requests(&self, specialty: Specialty) -> Result<Vec<Request>, Error> {
        self.list("appointments:ListOpen", &[specialty.as_str().to_owned()]).await
    }

    /// Picks a request for one of the caller's slots; beyond the best ones only with a reason, which stays on the ledger.
    pub async fn pick_request(
        &self,
        request: &Id,
        slot: &Id,
        reason: Option<PickReason>,
    ) -> Result<Match, Error> {
        let mut args = vec![request.to_string(), slot.to_string()];
        let Some(reason) = reason else { return self.submit("appointments:Claim", args).await };
        args.push(reason.as_str().to_owned());
        self.submit("appointments:ClaimBecause", args).await
    }

    /// A match of the caller.
    pub async fn visit(&self, id: &Id) -> Result<Match, Error> {
        self.evaluate("appointments:GetMatch", [id.to_string()]).await
    }

    /// The caller's matches, as patient or practitioner, oldest first.
    pub async fn visits(&self) -> Result<Vec<Match>, Error> {
        self.list("appointments:ListMatches", &[]).await
    }

    /// The practitioner is willing.
    pub async fn accept_visit(&self, id: &Id) -> Result<Match, Error> {
        self.submit("appointments:Accept", [id.to_string()]).await
    }

    /// Says no to a match.
    pub async fn decline_visit(&self, id: &Id) -> Result<(), Error> {
        self.contract.submit("appointments:Decline", [id.to_string()]).await?;
        Ok(())
    }

    /// Gives an accepted match back, at the cost of free choice.
    pub async fn release_visit(&self, id: &Id) -> Result<(), Error> {
        self.contract.submit("appointments:Release", [id.to_string()]).await?;
        Ok(())
    }

    /// Binds the patient; the deposit opens the channel out of which the visit is paid.
    pub async fn confirm_visit(&self, id: &Id, deposit: &Deposit) -> Result<Match, Error> {
        self.submit("appointments:Confirm", [id.to_string(), json(deposit)]).await
    }

    /// The patient is there.
    pub async fn check_in(&self, id: &Id) -> Result<Match, Error> {
        self.submit("appointments:CheckIn", [id.to_string()]).await
    }

    /// The practitioner begins.
    pub async fn start_visit(&self, id: &Id) -> Result<Match, Error> {
        self.submit("appointments:Start", [id.to_string()]).await
    }

    /// Either side ends it.
    pub async fn stop_visit(&self, id: &Id) -> Result<Match, Error> {
        self.submit("appointments:Stop", [id.to_string()]).await
    }

    /// The other side did not come.
    pub async fn no_show(&self, id: &Id) -> Result<(), Error> {
        self.contract.submit("appointments:NoShow", [id.to_string()]).await?;
        Ok(())
    }

    /// How the time of a practitioner was used between two moments, seconds since 1970.
    pub async fn utilisation(
        &self,
        practitioner: &Id,
        from: i64,
        until: i64,
    ) -> Result<Stats, Error> {
        let args = [practitioner.to_string(), from.to_string(), until.to_string()];
        self.evaluate("appointments:Stats", args).await
    }
}
