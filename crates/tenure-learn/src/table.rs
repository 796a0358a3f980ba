//! What is learned from: one row a subject and moment, one column a feature.

use crate::{LearnError, same_length};

/// What the numbers of a column mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A quantity.
    Number,
    /// The place of a value in this list of names.
    Category(Vec<String>),
}

/// A feature: its name and its value in every row; NaN where it is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name shown in reasons.
    pub name: String,
    /// What the numbers mean.
    pub kind: Kind,
    /// One number a row.
    pub values: Vec<f64>,
}

impl Column {
    /// A quantity.
    pub fn number(name: impl Into<String>, values: Vec<f64>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Number,
            values,
        }
    }

    /// Names, an empty one meaning "not known".
    pub fn category<'a>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut places = std::collections::BTreeMap::new();
        let values = values.into_iter().map(|value| {
            if value.is_empty() {
                return f64::NAN;
            }
            *places.entry(value.to_owned()).or_insert_with(|| {
                names.push(value.to_owned());
                (names.len() - 1) as f64
            })
        });
        let values = values.collect();
        Self {
            name: name.into(),
            kind: Kind::Category(names),
            values,
        }
    }
}

/// Columns of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<Column>,
    row_count: usize,
}

impl Table {
    /// Puts columns side by side.
    ///
    /// # Errors
    /// [`LearnError::Length`] when they differ in length.
    pub fn new(columns: Vec<Column>) -> Result<Self, LearnError> {
        let row_count = columns.first().map_or(0, |column| column.values.len());
        for column in &columns {
            same_length("a column", column.values.len(), row_count)?;
        }
        Ok(Self { columns, row_count })
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// The named rows, in the order given.
    #[must_use]
    pub fn rows(&self, places: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.clone(),
            kind: column.kind.clone(),
            values: pick(&column.values, places),
        });
        Self {
            columns: columns.collect(),
            row_count: places.len(),
        }
    }
}

/// The values at the given places.
pub fn pick<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&place| values[place]).collect()
}

/// Splits rows into folds of nearly equal size, each with nearly the same share of positives, shuffled by `seed`.
/// Returns the fold (0..`fold_count`) of each row.
pub fn stratified_folds(labels: &[bool], fold_count: usize, seed: u64) -> Vec<usize> {
    use rand::{SeedableRng as _, seq::SliceRandom as _};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut folds = vec![0; labels.len()];
    for class in [false, true] {
        let mut places: Vec<usize> = (0..labels.len())
            .filter(|&row| labels[row] == class)
            .collect();
        places.shuffle(&mut rng);
        for (turn, row) in places.into_iter().enumerate() {
            folds[row] = turn % fold_count;
        }
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_places_and_an_empty_name_is_not_known() {
        let column = Column::category("plan", ["pro", "", "free", "pro"]);
        assert_eq!(
            column.kind,
            Kind::Category(vec!["pro".into(), "free".into()])
        );
        assert_eq!(column.values[0], column.values[3]);
        assert!(column.values[1].is_nan());
    }

    #[test]
    fn columns_of_different_length_are_refused() {
        let columns = vec![Column::number("a", vec![1.0]), Column::number("b", vec![])];
        assert_eq!(
            Table::new(columns),
            Err(LearnError::Length {
                what: "a column",
                found: 0,
                expected: 1
            })
        );
    }

    #[test]
    fn every_fold_has_its_share_of_both_classes() {
        let labels: Vec<bool> = (0..100).map(|row| row % 5 == 0).collect();
        let folds = stratified_folds(&labels, 4, 7);
        for fold in 0..4 {
            let of_fold: Vec<usize> = (0..100).filter(|&row| folds[row] == fold).collect();
            assert_eq!(of_fold.len(), 25);
            assert_eq!(of_fold.iter().filter(|&&row| labels[row]).count(), 5);
        }
    }
}
