//! From a table to the numbers that a linear learner reads.
//!
//! A quantity becomes itself and its signed logarithm, sign(x) ln(1 + |x|), both scaled to mean 0 and deviation 1 over
//! the rows that were learned from; a skewed count then no longer drowns the rest. A category becomes one column a
//! name. What is not known becomes the mean, and a column says that it was not known.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::table::{Column, Kind, Table};

/// A name seen in fewer rows than this is not given a column of its own.
const MIN_ROWS_OF_A_NAME: usize = 10;

/// Scaled values beyond this many deviations are cut there, so that one absurd row cannot decide.
const MAX_DEVIATIONS: f64 = 6.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Scaled {
        logarithm: bool,
        mean: f64,
        deviation: f64,
    },
    Named(f64),
    Unknown,
}

/// One derived number: the column of the table it is made of, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Term {
    column: usize,
    shape: Shape,
}

/// What was found out about the columns when the design was fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    terms: Vec<Term>,
}

impl Design {
    /// Looks at every column of the rows that are learned from.
    pub fn fit(table: &Table) -> Self {
        let columns = table.columns().iter().enumerate();
        Self {
            terms: columns
                .flat_map(|(place, column)| terms_of(place, column))
                .collect(),
        }
    }

    /// How many numbers a row becomes.
    pub fn width(&self) -> usize {
        self.terms.len()
    }

    /// The column of the table that each derived number comes from.
    pub fn sources(&self) -> impl Iterator<Item = usize> + '_ {
        self.terms.iter().map(|term| term.column)
    }

    /// The numbers, one row a row of the table.
    pub fn matrix(&self, table: &Table) -> DMatrix<f64> {
        let columns = table.columns();
        DMatrix::from_fn(table.row_count(), self.terms.len(), |row, place| {
            let term = &self.terms[place];
            term.shape.of(columns[term.column].values[row])
        })
    }
}

impl Shape {
    fn of(&self, value: f64) -> f64 {
        match self {
            Self::Unknown => f64::from(u8::from(value.is_nan())),
            Self::Named(place) => f64::from(u8::from(value == *place)),
            Self::Scaled { .. } if value.is_nan() => 0.0,
            Self::Scaled {
                logarithm,
                mean,
                deviation,
            } => {
                let value = if *logarithm { signed_log(value) } else { value };
                ((value - mean) / deviation).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)
            }
        }
    }
}

/// sign(x) ln(1 + |x|).
pub fn signed_log(value: f64) -> f64 {
    value.signum() * value.abs().ln_1p()
}

fn terms_of(place: usize, column: &Column) -> Vec<Term> {
    let mut shapes = match &column.kind {
        Kind::Number => vec![scaled(&column.values, false), scaled(&column.values, true)],
        Kind::Category(names) => (0..names.len())
            .map(|name| named(&column.values, name))
            .collect(),
    };
    let unknown = column.values.iter().filter(|value| value.is_nan()).count();
    shapes.push((unknown > 0 && unknown < column.values.len()).then_some(Shape::Unknown));
    shapes
        .into_iter()
        .flatten()
        .map(|shape| Term {
            column: place,
            shape,
        })
        .collect()
}

fn scaled(values: &[f64], logarithm: bool) -> Option<Shape> {
    let known = values.iter().copied().filter(|value| !value.is_nan());
    let known: Vec<f64> = known
        .map(|value| if logarithm { signed_log(value) } else { value })
        .collect();
    if known.is_empty() {
        return None;
    }
    let (mean, deviation) = crate::measure::mean_and_deviation(&known);
    (deviation > 1e-9).then_some(Shape::Scaled {
        logarithm,
        mean,
        deviation,
    })
}

fn named(values: &[f64], name: usize) -> Option<Shape> {
    let place = name as f64;
    let seen = values.iter().filter(|&&value| value == place).count();
    (seen >= MIN_ROWS_OF_A_NAME && seen < values.len()).then_some(Shape::Named(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_scaled_twice_and_a_gap_is_marked() {
        let table = Table::new(vec![Column::number("n", vec![0.0, 2.0, f64::NAN])]).unwrap();
        let design = Design::fit(&table);
        let matrix = design.matrix(&table);
        assert_eq!(design.width(), 3);
        assert_eq!(
            matrix.row(2).iter().copied().collect::<Vec<_>>(),
            [0.0, 0.0, 1.0]
        );
        assert!((matrix[(0, 0)] + 1.0).abs() < 1e-12 && (matrix[(1, 0)] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_constant_column_and_a_rare_name_are_left_out() {
        let mut names = vec!["usual"; 30];
        names.extend(["other"; 20]);
        names.push("rare");
        let table = Table::new(vec![
            Column::number("same", vec![3.0; 51]),
            Column::category("name", names),
        ])
        .unwrap();
        assert_eq!(Design::fit(&table).width(), 2);
    }

    #[test]
    fn a_value_beyond_all_seen_is_cut() {
        let learned = Table::new(vec![Column::number("n", vec![0.0, 1.0])]).unwrap();
        let absurd = Table::new(vec![Column::number("n", vec![1e300])]).unwrap();
        assert!((Design::fit(&learned).matrix(&absurd)[(0, 0)] - MAX_DEVIATIONS).abs() < 1e-12);
    }
}
