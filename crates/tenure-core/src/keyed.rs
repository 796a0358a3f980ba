//! A small map from stable hashes to values.
//!
//! Subjects keep a few dozen of these and every event reads them all, so they lie in two plain
//! vectors: a look-up searches neighbouring keys, a walk reads neighbouring values. Written and
//! read back it has the form of any map, in order of its keys.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most entries to make room for on the word of the bytes being read.
const MAX_TRUSTED_COUNT: usize = 1_024;

/// A small map from stable hashes to values, in order of the hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyed<T> {
    keys: Vec<u64>,
    values: Vec<T>,
}

impl<T> Keyed<T> {
    /// The value of a key.
    pub fn get(&self, key: &u64) -> Option<&T> {
        let at = self.keys.binary_search(key).ok()?;
        self.values.get(at)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &u64) -> Option<&mut T> {
        let at = self.keys.binary_search(key).ok()?;
        self.values.get_mut(at)
    }

    /// Whether there is a value.
    pub fn contains_key(&self, key: &u64) -> bool {
        self.keys.binary_search(key).is_ok()
    }

    /// Puts a value in; gives back what was there.
    pub fn insert(&mut self, key: u64, value: T) -> Option<T> {
        match self.keys.binary_search(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.values[at], value)),
            Err(at) => {
                self.keys.insert(at, key);
                self.values.insert(at, value);
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &u64) -> Option<T> {
        let at = self.keys.binary_search(key).ok()?;
        self.keys.remove(at);
        Some(self.values.remove(at))
    }

    /// Keeps the keys that pass.
    pub fn retain(&mut self, mut test: impl FnMut(&u64) -> bool) {
        if self.keys.iter().all(&mut test) {
            return;
        }
        let values = std::mem::take(&mut self.values);
        let keys = std::mem::take(&mut self.keys);
        let kept = keys.into_iter().zip(values).filter(|(key, _)| test(key));
        (self.keys, self.values) = kept.unzip();
    }

    /// All keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&u64, &T)> {
        self.keys.iter().zip(&self.values)
    }

    /// All values, in order of the keys.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    /// All values, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Keyed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T: Serialize> Serialize for Keyed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keyed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Keyed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of hashes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keyed<T>, A::Error> {
        let count = map.size_hint().unwrap_or(0).min(MAX_TRUSTED_COUNT);
        let mut out = Keyed {
            keys: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
        };
        while let Some((key, value)) = map.next_entry()? {
            out.insert(key, value);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_holds_what_an_ordered_map_holds_and_is_written_the_same() {
        let mut keyed = Keyed::default();
        let mut map = BTreeMap::new();
        for step in 0_u64..200 {
            let key = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
            if step % 3 == 0 {
                assert_eq!(keyed.remove(&key), map.remove(&key));
            } else {
                assert_eq!(keyed.insert(key, step), map.insert(key, step));
            }
            assert_eq!(keyed.get(&key), map.get(&key));
        }
        keyed.retain(|key| key % 2 == 0);
        map.retain(|key, _| key % 2 == 0);
        assert!(!map.is_empty());
        assert!(keyed.iter().eq(map.iter()));
        let bytes = postcard::to_stdvec(&keyed).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&map).unwrap());
        assert_eq!(postcard::from_bytes::<Keyed<u64>>(&bytes).unwrap(), keyed);
    }
}
