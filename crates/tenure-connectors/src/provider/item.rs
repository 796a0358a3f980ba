//! What goes out to a provider: items, what would be written of them, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::webhook::Attempt;

/// By which names a person is known. Prints none of them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// The sender's id of the person.
    pub user_id: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number in international form (`+…`).
    pub phone: Option<String>,
    /// The sender's id of the account.
    pub account_id: Option<String>,
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Who(..)")
    }
}

/// A value and since when it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The value; null takes it away.
    pub value: Value,
    /// Since when, in milliseconds since 1970.
    pub told_at_ms: i64,
}

/// One thing to bring to a provider.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Stays the same over all attempts: the key under which a provider recognises a repeat.
    pub id: String,
    /// What.
    pub change: Change,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What an item says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A person as it is now.
    Person {
        /// Who.
        who: Who,
        /// Traits by name.
        traits: BTreeMap<String, Told>,
    },
    /// An account as it is now.
    Account {
        /// The sender's id.
        account_id: String,
        /// Traits by name.
        traits: BTreeMap<String, Told>,
    },
    /// Something happened.
    Event {
        /// To whom.
        who: Who,
        /// Event name.
        name: String,
        /// When, in milliseconds since 1970.
        occurred_at_ms: i64,
        /// Properties.
        #[serde(default)]
        properties: Map<String, Value>,
    },
    /// Work for a human.
    Task {
        /// About whom; an account id alone is fine.
        who: Who,
        /// What to do.
        title: String,
        /// More about it.
        #[serde(default)]
        body: String,
        /// Until when, in milliseconds since 1970.
        due_at_ms: Option<i64>,
    },
    /// A person came into a list or left it.
    Member {
        /// Who.
        who: Who,
        /// The provider's id of the list.
        list: String,
        /// Which of the two.
        direction: Move,
    },
    /// A text to somebody or to a channel.
    Message {
        /// A telephone number or a channel, as the provider has it.
        to: String,
        /// The text.
        text: String,
    },
}

impl Change {
    /// What it is, in a word.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Person { .. } => "person",
            Self::Account { .. } => "account",
            Self::Event { .. } => "event",
            Self::Task { .. } => "task",
            Self::Member { .. } => "member",
            Self::Message { .. } => "message",
        }
    }
}

/// Into a list or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// In.
    Add,
    /// Out.
    Remove,
}

/// What is done at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Made if it is not there, else changed.
    Upsert,
    /// Made.
    Create,
    /// Put into a list.
    Add,
    /// Taken out of a list.
    Remove,
}

/// One thing that would be written, in the provider's words. What a dry run shows.
#[derive(Clone, PartialEq, Serialize)]
pub struct Write {
    /// Place of its item among those planned.
    pub index: usize,
    /// The item's id.
    pub item_id: String,
    /// Kind of record at the provider.
    pub object: String,
    /// What is done.
    pub action: Action,
    /// The field that identifies the record.
    pub key_field: String,
    /// Its value.
    pub key: String,
    /// Fields to write.
    pub fields: Map<String, Value>,
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("item_id", &self.item_id)
            .field("object", &self.object)
            .field("action", &self.action)
            .field("field_count", &self.fields.len())
            .finish_non_exhaustive()
    }
}

/// What is to be done about an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// This is to be written.
    Write(Write),
    /// Nothing: the provider has it already, or its value counts for more.
    Skip {
        /// Why.
        reason: String,
    },
    /// It cannot be written, or it could not be found out now.
    Settled(Attempt),
}

/// What came of an item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Pushed {
    /// A dry run: this would have been written.
    WouldWrite {
        /// What.
        write: Write,
    },
    /// There was nothing to write.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It was tried, or found impossible.
    Attempted {
        /// What is known now.
        #[serde(flatten)]
        attempt: Attempt,
    },
}
