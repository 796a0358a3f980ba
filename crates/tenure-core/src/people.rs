//! The people of a root.

use crate::id::PersonId;
use crate::subject::SubjectState;

/// The people of a root, in order of their ids. Most roots are one person, so it takes what one
/// needs: a node of an ordered map would make room for eleven.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct People(Vec<(PersonId, Box<SubjectState>)>);

impl People {
    /// A person's state.
    pub fn get(&self, person: &PersonId) -> Option<&SubjectState> {
        let at = self.place(person).ok()?;
        Some(&self.0[at].1)
    }

    pub(crate) fn get_mut(&mut self, person: &PersonId) -> Option<&mut SubjectState> {
        let at = self.place(person).ok()?;
        Some(&mut self.0[at].1)
    }

    /// Whether a person is among them.
    pub fn contains_key(&self, person: &PersonId) -> bool {
        self.place(person).is_ok()
    }

    /// Ids, in order.
    pub fn keys(&self) -> impl Iterator<Item = &PersonId> {
        self.0.iter().map(|(person, _)| person)
    }

    /// States, in order of the ids.
    pub fn values(&self) -> impl Iterator<Item = &SubjectState> {
        self.0.iter().map(|(_, state)| &**state)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut SubjectState> {
        self.0.iter_mut().map(|(_, state)| &mut **state)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a person in; gives back what was known.
    pub(crate) fn insert(&mut self, person: PersonId, state: SubjectState) -> Option<SubjectState> {
        let state = Box::new(state);
        match self.place(&person) {
            Ok(at) => Some(*std::mem::replace(&mut self.0[at].1, state)),
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (person, state));
                None
            }
        }
    }

    /// Takes a person out.
    pub(crate) fn remove(&mut self, person: &PersonId) -> Option<SubjectState> {
        let at = self.place(person).ok()?;
        Some(*self.0.remove(at).1)
    }

    fn place(&self, person: &PersonId) -> Result<usize, usize> {
        self.0.binary_search_by_key(person, |(known, _)| *known)
    }
}
