//! Typed, prefixed identifiers.
//!
//! Every id is 128 bits, printed as a prefix and 26 characters of Crockford base 32
//! (`per_01h…`). Ids of things the engine creates are *derived*: a keyed hash of what makes
//! them unique. A replay therefore creates the very same ids, which makes them idempotency keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LEN: usize = 26;

/// Text was not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}…")]
pub struct IdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
    /// What was given, cut to 40 characters.
    pub text: String,
}

/// Common behaviour of all typed ids.
pub trait Id: Copy {
    /// Prefix with its underscore, such as `per_`.
    const PREFIX: &'static str;
    /// Wraps the raw 128 bits.
    fn from_bits(bits: u128) -> Self;
    /// The raw 128 bits.
    fn bits(self) -> u128;
}

fn encode(prefix: &str, bits: u128) -> String {
    let mut out = String::with_capacity(prefix.len() + ENCODED_LEN);
    out.push_str(prefix);
    for index in (0..ENCODED_LEN).rev() {
        let digit = (bits >> (index * 5)) & 31;
        out.push(char::from(ALPHABET[digit as usize]));
    }
    out
}

fn decode(prefix: &'static str, text: &str) -> Result<u128, IdError> {
    let fail = || IdError {
        prefix,
        text: text.chars().take(40).collect(),
    };
    let digits = text.strip_prefix(prefix).ok_or_else(fail)?.as_bytes();
    if digits.len() != ENCODED_LEN {
        return Err(fail());
    }
    let mut bits: u128 = 0;
    for (index, byte) in digits.iter().enumerate() {
        let digit = ALPHABET
            .iter()
            .position(|known| known == byte)
            .ok_or_else(fail)? as u128;
        // 26 digits hold 130 bits: the first may only use the lowest three.
        if index == 0 && digit > 7 {
            return Err(fail());
        }
        bits = (bits << 5) | digit;
    }
    Ok(bits)
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_bits(bits: u128) -> Self {
                Self(bits)
            }
            fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode($prefix, self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                decode($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.to_be_bytes().serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(|bytes| Self(u128::from_be_bytes(bytes)))
                }
            }
        }
    };
}

typed_id!(
    /// A workspace: a tenant; nothing crosses it.
    WorkspaceId, "wsp_");
typed_id!(
    /// A customer company.
    AccountId, "acc_");
typed_id!(
    /// A human at a customer.
    PersonId, "per_");
typed_id!(
    /// An immutable fact; derived from the sender's message id, so a repeat has the same id.
    EventId, "evt_");
typed_id!(
    /// One subject's passage through one version of a program.
    EnrollmentId, "enr_");
typed_id!(
    /// Something sent or to be sent; the idempotency key end to end.
    MessageId, "msg_");
typed_id!(
    /// Work for a human.
    TaskId, "tsk_");
typed_id!(
    /// An address, or a person's choice, that messages may not go against; its bits are the key
    /// it is kept under.
    SuppressionId, "sup_");
typed_id!(
    /// A save campaign that is run for a customer.
    RecoveryId, "rec_");
typed_id!(
    /// A recorded answer to "should this step act for this subject now".
    DecisionId, "dec_");

/// An account or a person, where both will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectId {
    /// A customer company.
    Account(AccountId),
    /// A human at a customer.
    Person(PersonId),
}

impl SubjectId {
    /// The person's id, if the subject is a person.
    pub fn person(self) -> Option<PersonId> {
        match self {
            Self::Person(id) => Some(id),
            Self::Account(_) => None,
        }
    }

    /// The account's id, if the subject is an account.
    pub fn account(self) -> Option<AccountId> {
        match self {
            Self::Account(id) => Some(id),
            Self::Person(_) => None,
        }
    }

    /// The raw 128 bits; unique over both kinds, since ids are hashes that include the kind.
    pub fn bits(self) -> u128 {
        match self {
            Self::Account(id) => id.0,
            Self::Person(id) => id.0,
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Person(id) => id.fmt(f),
        }
    }
}

impl FromStr for SubjectId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.parse::<AccountId>() {
            Ok(id) => Ok(Self::Account(id)),
            Err(_) => text.parse().map(Self::Person),
        }
    }
}

/// What is processed in order by one worker: an account with its people, or a person alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RootId(pub SubjectId);

/// The workspace's secret that every derived id and every stable hash is keyed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl Salt {
    /// A keyed hash (BLAKE3) of a list of parts. Parts are length-prefixed, so `["ab", "c"]`
    /// and `["a", "bc"]` differ. `purpose` separates the uses of one salt.
    pub fn hash(&self, purpose: &str, parts: &[&[u8]]) -> u128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(purpose.len() as u64).to_le_bytes());
        hasher.update(purpose.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_be_bytes(bytes)
    }

    /// A derived id; the id's prefix is its purpose.
    pub fn derive<I: Id>(&self, parts: &[&[u8]]) -> I {
        I::from_bits(self.hash(I::PREFIX, parts))
    }

    /// A stable fraction in `[0, 1)` for hold-outs and splits.
    pub fn fraction(&self, purpose: &str, parts: &[&[u8]]) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.hash(purpose, parts) >> 75) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_printing_and_parsing() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let id = PersonId(bits);
            assert_eq!(id.to_string().parse::<PersonId>(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<PersonId>(&json).unwrap(), id);
            let bytes = postcard::to_stdvec(&id).unwrap();
            assert_eq!(postcard::from_bytes::<PersonId>(&bytes).unwrap(), id);
        }
    }

    #[test]
    fn text_of_another_kind_or_length_is_refused() {
        let account = AccountId(7).to_string();
        assert!(account.parse::<PersonId>().is_err());
        assert!("per_".parse::<PersonId>().is_err());
        assert!(
            "per_zzzzzzzzzzzzzzzzzzzzzzzzzz"
                .parse::<PersonId>()
                .is_err()
        );
        assert_eq!(account.parse(), Ok(SubjectId::Account(AccountId(7))));
    }

    #[test]
    fn parts_of_a_derived_id_do_not_run_into_each_other() {
        let salt = Salt([1; 32]);
        assert_ne!(
            salt.hash("x", &[b"ab", b"c"]),
            salt.hash("x", &[b"a", b"bc"])
        );
        assert_ne!(salt.hash("x", &[b"a"]), salt.hash("y", &[b"a"]));
        assert!((0.0..1.0).contains(&salt.fraction("x", &[b"a"])));
    }
}
