//! The suppression list: addresses nothing may go to. It keeps hashes, not addresses.

use tenure_core::id::SubjectId;
use tenure_core::id::{PersonId, SuppressionId};
use tenure_core::log::{Body, Command, IdentifierKind};
use tenure_store::Batch;
use tenure_store::row::{Refusal, RefusalKind};

use crate::error::AppError;
use crate::node::Node;
use crate::query::Query;
use crate::refusals::{address_key, refused_address};

impl Node {
    /// Puts an address on the suppression list, whether or not anybody is known by it.
    pub fn suppress_address(
        &self,
        address: &str,
        reason: &str,
    ) -> Result<(SuppressionId, Refusal), AppError> {
        let address = address.trim();
        if !address.contains('@') || address.len() > crate::call::MAX_IDENTIFIER_BYTES {
            return Err(AppError::Invalid {
                field: "email".into(),
                message: "is not an e-mail address".into(),
            });
        }
        let query = Query::new(self.store().as_ref(), self.salt());
        let person = query.person_named(IdentifierKind::Email, address)?;
        let key = address_key(self.salt(), address);
        let refusal = refused_address(person, self.now(), reason);
        self.note_suppression(key, person, Some(refusal.clone()))?;
        Ok((SuppressionId(key), refusal))
    }

    /// Takes an address off the suppression list.
    pub fn lift_suppression(&self, id: SuppressionId) -> Result<(), AppError> {
        let found = self.store().refusal(id)?;
        let found = found.filter(|refusal| refusal.kind == RefusalKind::Address);
        let refusal = found.ok_or_else(|| AppError::NotFound {
            what: "suppression",
            name: id.to_string(),
        })?;
        self.note_suppression(id.0, refusal.person, None)
    }

    /// What one commit tells the engine about the person and dispatch about the address.
    fn note_suppression(
        &self,
        key: u128,
        person: Option<PersonId>,
        refusal: Option<Refusal>,
    ) -> Result<(), AppError> {
        let mut entries = Vec::new();
        if let Some(person) = person {
            entries.push(Body::Command(Command::Suppress {
                person,
                account: self.account_of(SubjectId::Person(person))?,
                suppressed: refusal.is_some(),
            }));
        }
        let batch = Batch {
            suppressions: vec![(key, refusal)],
            ..Batch::default()
        };
        self.writer().append(entries, batch).map(drop)
    }
}
