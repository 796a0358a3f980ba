//! Calls: what senders tell, after parsing and before identity resolution.

use tenure_core::id::{AccountId, EventId, PersonId, Salt};
use tenure_core::log::{Identifier, IdentifierKind};
use tenure_core::time::Timestamp;
use tenure_core::value::Value;

/// The longest identifier taken, in bytes.
pub const MAX_IDENTIFIER_BYTES: usize = 512;
/// The longest event name taken, in bytes.
pub const MAX_EVENT_NAME_BYTES: usize = 200;

/// One thing a sender told. Keys are hashed already, on the caller's thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Derived from the sender's message id.
    pub event_id: EventId,
    /// What is told.
    pub kind: CallKind,
    /// The sender's id of the person.
    pub user: Option<Name>,
    /// The sender's id of the browser or device.
    pub anonymous: Option<Name>,
    /// The person's e-mail address, where told.
    pub email: Option<Name>,
    /// The account.
    pub account: Option<Name>,
    /// When it happened by the sender's corrected clock; `None` is when it is received.
    pub occurred_at: Option<Timestamp>,
    /// Imported history: it never starts a program and never sends.
    pub historical: bool,
}

/// What a call tells.
#[derive(Debug, Clone, PartialEq)]
pub enum CallKind {
    /// An event of the person (or, without one, of the account).
    Track {
        /// Event name.
        name: Box<str>,
        /// A JSON object as text.
        properties: Box<str>,
    },
    /// Traits of the person.
    Identify {
        /// Changes by name.
        traits: Vec<(Box<str>, Option<Value>)>,
    },
    /// The person belongs to the account; traits of the account.
    Group {
        /// Changes by name.
        traits: Vec<(Box<str>, Option<Value>)>,
    },
    /// The person formerly known by this name is the person.
    Alias {
        /// The former name, as a user id.
        previous_user: Name,
        /// The same name, as an anonymous id.
        previous_anonymous: Name,
    },
}

/// An identifier with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Of which kind.
    pub kind: IdentifierKind,
    /// As sent; e-mail addresses in lower case.
    pub value: Box<str>,
    /// Hash of kind and value under the workspace's salt.
    pub key: u128,
}

impl Name {
    /// Hashes an identifier. E-mail addresses are compared in lower case and without spaces
    /// around them.
    pub fn new(salt: &Salt, kind: IdentifierKind, value: &str) -> Self {
        let value: Box<str> = match kind {
            IdentifierKind::Email => value.trim().to_lowercase().into(),
            _ => value.into(),
        };
        let purpose = match kind {
            IdentifierKind::UserId => "user",
            IdentifierKind::AnonymousId => "anonymous",
            IdentifierKind::Email => "email",
            IdentifierKind::AccountId => "account",
        };
        let key = salt.hash(purpose, &[value.as_bytes()]);
        Self { kind, value, key }
    }

    /// The person that is known by this name alone, until something else is learned.
    pub fn own_person(&self) -> PersonId {
        PersonId(self.key)
    }

    /// The account of this name.
    pub fn own_account(&self) -> AccountId {
        AccountId(self.key)
    }

    /// As the log keeps it.
    pub fn identifier(&self) -> Identifier {
        Identifier {
            kind: self.kind,
            value: self.value.clone(),
        }
    }
}

/// The event id of a sender's message id.
pub fn event_id(salt: &Salt, message_id: &str) -> EventId {
    salt.derive(&[message_id.as_bytes()])
}

impl Call {
    /// Roughly how much memory it takes, in bytes; for the queue's limit.
    pub fn weight_bytes(&self) -> usize {
        let told = match &self.kind {
            CallKind::Track { name, properties } => name.len() + properties.len(),
            CallKind::Identify { traits } | CallKind::Group { traits } => traits.len() * 64,
            CallKind::Alias { .. } => 128,
        };
        told + 256
    }
}
