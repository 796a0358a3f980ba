//! Entries about the subjects of a root since its last checkpoint.

use tenure_core::id::{RootId, SubjectId};
use tenure_core::log::Position;

/// Entries about the subjects of a root. Most roots are one person, whose entries take eight bytes
/// each: hundreds of thousands of them wait for a checkpoint under load.
#[derive(Debug)]
pub struct Timeline {
    root: RootId,
    own: Vec<Position>,
    others: Vec<(SubjectId, Position)>,
}

impl Timeline {
    /// Without entries.
    pub fn new(root: RootId) -> Self {
        Self {
            root,
            own: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Notes an entry about a subject.
    pub fn push(&mut self, subject: SubjectId, position: Position) {
        if subject == self.root.0 {
            self.own.push(position);
        } else {
            self.others.push((subject, position));
        }
    }

    /// Forgets what was noted about a subject.
    pub fn forget(&mut self, subject: SubjectId) {
        if subject == self.root.0 {
            self.own.clear();
        }
        self.others.retain(|(whose, _)| *whose != subject);
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.others.is_empty()
    }

    /// Moves what was noted to `out`, by subject, each entry once and in order.
    pub fn take(&mut self, out: &mut Vec<(SubjectId, Vec<Position>)>) {
        let mut own = std::mem::take(&mut self.own);
        if !own.is_empty() {
            own.sort_unstable();
            own.dedup();
            out.push((self.root.0, own));
        }
        let mut others = std::mem::take(&mut self.others);
        others.sort_unstable();
        others.dedup();
        for (subject, position) in others {
            match out.last_mut() {
                Some((last, positions)) if *last == subject => positions.push(position),
                _ => out.push((subject, vec![position])),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tenure_core::id::{AccountId, PersonId};

    use super::*;

    #[test]
    fn entries_come_out_by_subject_each_once_and_in_order() {
        let account = SubjectId::Account(AccountId(1));
        let person = SubjectId::Person(PersonId(2));
        let mut timeline = Timeline::new(RootId(account));
        for (subject, position) in [
            (person, 7),
            (account, 7),
            (person, 3),
            (person, 7),
            (account, 4),
        ] {
            timeline.push(subject, position);
        }
        let mut out = Vec::new();
        timeline.take(&mut out);
        assert_eq!(out, [(account, vec![4, 7]), (person, vec![3, 7])]);
        assert!(timeline.is_empty());
    }
}
