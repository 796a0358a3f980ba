//! What a subject's tracked conditions answered.
//!
//! A subject has dozens, and every event looks for the earliest instant at which any of them could
//! change. So each part lies in a vector of its own: that search reads eight bytes a condition.
//! Written and read back they have the form of a map from keys to [`ConditionState`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::keyed::Keyed;
use crate::subject::{ConditionKey, ConditionState};
use crate::time::Timestamp;

/// Stands for a condition that time alone never changes: no wake-up is that late.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// Answers by key, in order of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    keys: Vec<ConditionKey>,
    next_change_at: Vec<Timestamp>,
    since: Vec<Timestamp>,
    values: Vec<Option<bool>>,
}

impl Answers {
    /// What is remembered of a condition.
    pub fn get(&self, key: ConditionKey) -> Option<ConditionState> {
        self.place(key).ok().map(|at| self.at(at))
    }

    /// Whether a condition is tracked.
    pub fn contains_key(&self, key: ConditionKey) -> bool {
        self.place(key).is_ok()
    }

    /// Puts in what is to be remembered of a condition.
    pub fn set(&mut self, key: ConditionKey, state: ConditionState) {
        let next_change_at = state.next_change_at.unwrap_or(NEVER);
        match self.place(key) {
            Ok(at) => {
                self.next_change_at[at] = next_change_at;
                self.since[at] = state.since;
                self.values[at] = state.value;
            }
            Err(at) => {
                self.keys.insert(at, key);
                self.next_change_at.insert(at, next_change_at);
                self.since.insert(at, state.since);
                self.values.insert(at, state.value);
            }
        }
    }

    /// Lets go of a condition.
    pub fn remove(&mut self, key: ConditionKey) {
        if let Ok(at) = self.place(key) {
            self.keys.remove(at);
            self.next_change_at.remove(at);
            self.since.remove(at);
            self.values.remove(at);
        }
    }

    /// Keeps the conditions whose key passes.
    pub fn retain(&mut self, test: impl Fn(ConditionKey) -> bool) {
        let gone: Vec<ConditionKey> = self
            .keys
            .iter()
            .copied()
            .filter(|key| !test(*key))
            .collect();
        for key in gone {
            self.remove(key);
        }
    }

    /// The earliest instant at which time alone could change one.
    pub fn next_change_at(&self) -> Option<Timestamp> {
        let next = self.next_change_at.iter().min();
        next.copied().filter(|at| *at != NEVER)
    }

    /// Keys of those that time alone could have changed by `now`, in order.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = ConditionKey> {
        let all = self.keys.iter().zip(&self.next_change_at);
        all.filter(move |(_, at)| **at <= now && **at != NEVER)
            .map(|(key, _)| *key)
    }

    /// All of them, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (ConditionKey, ConditionState)> {
        self.keys
            .iter()
            .enumerate()
            .map(|(at, key)| (*key, self.at(at)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Memory they take, in bytes.
    pub(crate) fn weight_bytes(&self) -> usize {
        let each =
            size_of::<ConditionKey>() + 2 * size_of::<Timestamp>() + size_of::<Option<bool>>();
        self.keys.capacity() * each
    }

    fn place(&self, key: ConditionKey) -> Result<usize, usize> {
        self.keys.binary_search(&key)
    }

    fn at(&self, at: usize) -> ConditionState {
        let next_change_at = self.next_change_at[at];
        ConditionState {
            value: self.values[at],
            since: self.since[at],
            next_change_at: Some(next_change_at).filter(|at| *at != NEVER),
        }
    }
}

impl Serialize for Answers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Keyed::<ConditionState>::deserialize(deserializer)?;
        Ok(Self {
            keys: map.iter().map(|(key, _)| *key).collect(),
            next_change_at: map
                .values()
                .map(|state| state.next_change_at.unwrap_or(NEVER))
                .collect(),
            since: map.values().map(|state| state.since).collect(),
            values: map.values().map(|state| state.value).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: Option<bool>, since: i64, next: Option<i64>) -> ConditionState {
        ConditionState {
            value,
            since: Timestamp(since),
            next_change_at: next.map(Timestamp),
        }
    }

    #[test]
    fn they_hold_what_a_map_holds_and_are_written_the_same() {
        let mut answers = Answers::default();
        let mut map = Keyed::default();
        for step in 0_i64..200 {
            let key = (step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
            if step % 5 == 0 {
                answers.remove(key);
                map.remove(&key);
            } else {
                let next = (step % 3 == 0).then_some(1_000 - step);
                let state = state(
                    [None, Some(true), Some(false)][step as usize % 3],
                    step,
                    next,
                );
                answers.set(key, state);
                map.insert(key, state);
            }
            assert_eq!(answers.get(key), map.get(&key).copied());
            let earliest = map.values().filter_map(|state| state.next_change_at).min();
            assert_eq!(answers.next_change_at(), earliest);
        }
        assert!(answers.len() > 10);
        let bytes = postcard::to_stdvec(&answers).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&map).unwrap());
        assert_eq!(postcard::from_bytes::<Answers>(&bytes).unwrap(), answers);
    }

    #[test]
    fn those_are_due_whose_time_has_come() {
        let mut answers = Answers::default();
        for (key, next) in [(1, Some(50)), (2, None), (3, Some(20)), (4, Some(90))] {
            answers.set(key, state(Some(true), 0, next));
        }
        assert_eq!(answers.due(Timestamp(50)).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(answers.due(Timestamp(i64::MAX)).count(), 3);
    }
}
