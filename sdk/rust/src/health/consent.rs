//! Consent: a patient permits or forbids, and hands data keys on to whom they permit.

use carecord_health::consent::{Grant, Grantee, NewGrant, NewScope, Recipient};
use carecord_health::ids::Id;
use carecord_health::model::Record;
use carecord_health::vocabulary::{Purpose, Verb};

use super::{Person, json, random_id};
use crate::Error;

impl Person {
    /// Permits `reader` to read for `purpose` until a time (seconds since 1970): all records, or only `records`.
    ///
    /// The data keys of what is permitted are wrapped to the reader, so that the reader can open it afterwards.
    pub async fn grant(
        &self,
        reader: &Id,
        purpose: Purpose,
        until: i64,
        records: Option<Vec<Id>>,
    ) -> Result<Grant, Error> {
        let new = NewGrant {
            id: random_id()?,
            effect: None,
            grantee: Grantee::Subject { subject: reader.clone() },
            verbs: vec![Verb::Read],
            purposes: vec![purpose],
            scope: records.as_ref().map(|records| NewScope {
                records: Some(records.clone()),
                except_records: None,
                tags: None,
                except_tags: None,
                created_from: None,
                created_until: None,
            }),
            from: None,
            until,
            delegate: None,
        };
        let grant: Grant = self.submit("consent:Grant", [json(&new)]).await?;
        let wanted = |record: &Record| records.as_ref().is_none_or(|ids| ids.contains(&record.id));
        for record in self.my_records().await?.into_iter().filter(wanted) {
            self.hand_on(&record, reader).await?;
        }
        Ok(grant)
    }

    /// Ends a grant; wraps that were made for it are deleted from the vaults that hold them.
    pub async fn revoke(&self, grant: &Id, reader: &Id) -> Result<(), Error> {
        self.contract.submit("consent:Revoke", [grant.to_string()]).await?;
        let Some(key) = self.subject(reader).await?.encryption_key else { return Ok(()) };
        for record in self.my_records().await? {
            let kid = key.registration.kid.as_str();
            self.vault(&record.org)?.delete_wraps(record.id.as_str(), Some(kid)).await?;
        }
        Ok(())
    }

    /// The caller's grants, newest and ended ones included.
    pub async fn my_grants(&self) -> Result<Vec<Grant>, Error> {
        self.list("consent:ListMine", &[]).await
    }

    /// To whom the data key of a new record of `patient` with these tags is to be wrapped.
    pub(super) async fn recipients(
        &self,
        patient: &Id,
        tags: &[Id],
    ) -> Result<Vec<Recipient>, Error> {
        self.agreed("consent:Recipients", &[patient.to_string(), json(&tags)]).await
    }
}
