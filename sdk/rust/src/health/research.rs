//! Research: studies and places, joining and leaving, contributions and suppressed counts.

use carecord_health::ids::{Commitment, Id};
use carecord_health::research::duo::Consented;
use carecord_health::research::{
    Acceptance, Answer, Contribution, NewSearch, NewStudy, Party, Search, Study,
};
use carecord_health::vocabulary::Decision;

use super::{Person, json, random_id};
use crate::Error;

/// For researchers and ethics boards.
impl Person {
    /// Publishes a study; the rewards of all its places leave the caller's account.
    pub async fn publish_study(&self, study: &NewStudy) -> Result<Study, Error> {
        self.submit("research:PublishStudy", [json(study)]).await
    }

    /// Approves or rejects a study for the ethics board.
    pub async fn decide_study(&self, study: &Id, decision: Decision) -> Result<Study, Error> {
        let args = [study.to_string(), decision.as_str().to_owned()];
        self.submit("research:Approve", args).await
    }

    /// Takes back what nobody earned, once the study is over.
    pub async fn settle_study(&self, study: &Id) -> Result<Study, Error> {
        self.submit("research:Settle", [study.to_string()]).await
    }

    /// The contributions of those who take part now; they are opened with [`Person::open_record`] for `HRESCH`.
    pub async fn collect(&self, study: &Id) -> Result<Vec<Contribution>, Error> {
        self.list("research:Collect", &[study.to_string()]).await
    }

    /// Asks the hospitals how many patients fit; the question itself goes to them sealed, by another way.
    pub async fn search(&self, study: &Id, query: Commitment) -> Result<Search, Error> {
        let new = NewSearch { id: random_id()?, study: study.clone(), query };
        self.submit("research:Search", [json(&new)]).await
    }

    /// The hospitals' answers so far.
    pub async fn search_answers(&self, search: &Id) -> Result<Vec<Answer>, Error> {
        self.list("research:Answers", &[search.to_string()]).await
    }

    /// A study.
    pub async fn study(&self, study: &Id) -> Result<Study, Error> {
        self.evaluate("research:Get", [study.to_string()]).await
    }

    /// All studies of the channel.
    pub async fn studies(&self) -> Result<Vec<Study>, Error> {
        self.list("research:List", &[]).await
    }
}

/// For patients, and for those who keep their records.
impl Person {
    /// Offers a place to a patient of the caller's hospital, or takes one for oneself.
    pub async fn offer_place(&self, study: &Id, patient: &Id, place: u32) -> Result<Party, Error> {
        let args = [study.to_string(), patient.to_string(), place.to_string()];
        self.submit("research:Offer", args).await
    }

    /// Joins a study: consents to its use of data, and is paid.
    pub async fn join_study(&self, study: &Id, terms: Consented) -> Result<Party, Error> {
        let acceptance = Acceptance { study: study.clone(), r#use: terms, grant: random_id()? };
        self.submit("research:Accept", [json(&acceptance)]).await
    }

    /// Does not join a study.
    pub async fn decline_study(&self, study: &Id) -> Result<Party, Error> {
        self.submit("research:Decline", [study.to_string()]).await
    }

    /// Leaves a study: from the next block on nothing of the caller's is opened or collected for it.
    pub async fn leave_study(&self, study: &Id) -> Result<Party, Error> {
        self.submit("research:Withdraw", [study.to_string()]).await
    }

    /// The studies that the calling patient was offered.
    pub async fn my_studies(&self) -> Result<Vec<Party>, Error> {
        self.list("research:ListMine", &[]).await
    }

    /// Gives a de-identified record, which has the study's id as a tag, to a study.
    pub async fn contribute(&self, study: &Id, record: &Id) -> Result<Contribution, Error> {
        self.submit("research:Contribute", [study.to_string(), record.to_string()]).await
    }

    /// Answers a search for the caller's hospital; a count below the study's smallest has to be told as 0.
    pub async fn answer_search(&self, search: &Id, count: u64) -> Result<Answer, Error> {
        self.submit("research:AnswerSearch", [search.to_string(), count.to_string()]).await
    }
}
