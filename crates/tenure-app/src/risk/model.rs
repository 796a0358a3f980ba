//! A learned risk as it is kept, and the tables it reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenure_core::id::AccountId;
use tenure_core::snapshot::{Churn, FeatureValue, Row};
use tenure_core::time::Timestamp;
use tenure_learn::risk::{Answer, Quality, Recipe, Risk};
use tenure_learn::table::{Column, Kind, Table};

use super::Summary;
use crate::error::AppError;

/// A name has at most so many different values, or it is told apart by each account alone.
const MAX_VALUES: usize = 20;
/// A feature known of fewer rows than this is left out.
const MIN_KNOWN_ROWS: usize = 30;
/// How many reasons of an account are kept.
const REASONS_KEPT: usize = 8;
/// Parts into which probabilities are cut to see whether they drift.
pub(super) const PARTS: usize = 10;

/// One input: the feature's name, and for a name the values it had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Input {
    name: String,
    /// `None` for a quantity.
    values: Option<Vec<Box<str>>>,
    /// Whether only its being known is read: the value differs from account to account.
    presence: bool,
}

/// What a model reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs(Vec<Input>);

#[derive(Default)]
struct Found<'a> {
    numbers: usize,
    texts: BTreeMap<&'a str, usize>,
}

impl Inputs {
    /// What rows that are learned from have in common. Labels are not looked at.
    pub fn of(rows: &[Row]) -> Self {
        let mut found: BTreeMap<&str, Found<'_>> = BTreeMap::new();
        for feature in rows.iter().flat_map(|row| &row.features) {
            let known = found.entry(&feature.name).or_default();
            match &feature.value {
                FeatureValue::Number(_) => known.numbers += 1,
                FeatureValue::Text(text) => *known.texts.entry(text).or_default() += 1,
            }
        }
        let inputs = found.into_iter().filter_map(|(name, known)| {
            let texts: usize = known.texts.values().sum();
            if known.numbers.max(texts) < MIN_KNOWN_ROWS.min(rows.len()) {
                return None;
            }
            let is_number = known.numbers >= texts;
            let presence = !is_number && known.texts.len() > MAX_VALUES;
            let values = known.texts.into_keys().map(Into::into).collect();
            Some(Input {
                name: name.to_owned(),
                values: (!is_number && !presence).then_some(values),
                presence,
            })
        });
        Self(inputs.collect())
    }

    /// The rows as a table.
    pub fn table(&self, rows: &[Row]) -> Result<Table, AppError> {
        let places: BTreeMap<&str, usize> = self
            .0
            .iter()
            .enumerate()
            .map(|(place, input)| (input.name.as_str(), place))
            .collect();
        let unknown = |input: &Input| if input.presence { 0.0 } else { f64::NAN };
        let mut values: Vec<Vec<f64>> = self
            .0
            .iter()
            .map(|input| vec![unknown(input); rows.len()])
            .collect();
        for (at, row) in rows.iter().enumerate() {
            for feature in &row.features {
                if let Some(place) = places.get(feature.name.as_str()) {
                    values[*place][at] = self.0[*place].read(&feature.value);
                }
            }
        }
        let columns = self.0.iter().zip(values).map(|(input, values)| Column {
            name: input.name.clone(),
            kind: input.values.as_ref().map_or(Kind::Number, |values| {
                Kind::Category(values.iter().map(ToString::to_string).collect())
            }),
            values,
        });
        Table::new(columns.collect()).map_err(|error| AppError::Conflict(error.to_string()))
    }
}

impl Input {
    fn read(&self, value: &FeatureValue) -> f64 {
        match (value, &self.values) {
            (_, None) if self.presence => 1.0,
            (FeatureValue::Number(number), None) => *number,
            (FeatureValue::Text(text), Some(values)) => {
                let place = values.iter().position(|known| known == text);
                place.map_or(f64::NAN, |place| place as f64)
            }
            _ => f64::NAN,
        }
    }
}

/// How a model did against the one before it, on rows that neither had seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Log loss of the new one.
    pub new_loss: f64,
    /// Log loss of the old one.
    pub old_loss: f64,
    /// Rows they were compared on.
    pub row_count: usize,
    /// Whether the new one serves.
    pub swapped: bool,
}

/// A learned risk with all that is to be told of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Model {
    /// Rises with every model.
    pub version: u32,
    /// When it was learned.
    pub trained_at: Timestamp,
    /// Within how many days an account churns or not.
    pub horizon_days: u32,
    /// What churn is.
    pub churn: Churn,
    /// How many moments it was learned from.
    pub moment_count: usize,
    /// Against the one before; `None` for the first.
    pub compared: Option<Compared>,
    /// Shares of the probabilities it said of present accounts when it was learned, in ten parts of equal width.
    pub parts: Vec<f64>,
    pub(super) inputs: Inputs,
    pub(super) risk: Risk,
}

/// What a model says of one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Version of the model.
    pub version: u32,
    /// As of when.
    pub at: Timestamp,
    /// Probability of churn within the horizon.
    pub probability: f64,
    /// Log-odds of the usual account, before any reason.
    pub base_log_odds: f64,
    /// The weightiest, in order.
    pub reasons: Vec<Weighed>,
    /// What all other features add together: base, reasons and this add up to the log-odds of the probability.
    pub other_log_odds: f64,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weighed {
    /// The feature.
    pub feature: String,
    /// What it was.
    pub value: Option<String>,
    /// What it adds to the log-odds; positive raises the risk.
    pub log_odds: f64,
}

impl Model {
    /// Quality on moments that it was not learned from.
    pub fn quality(&self) -> &Quality {
        &self.risk.quality
    }

    /// Whether anybody should act on it.
    pub fn is_established(&self) -> bool {
        self.quality().is_established()
    }

    /// What is to be told of it.
    pub fn summary(&self) -> Summary {
        let recipe = match self.risk.recipe {
            Recipe::Regression { .. } => "penalised regression",
            Recipe::Booster { .. } => "gradient boosting",
            Recipe::Both { .. } => "penalised regression and gradient boosting together",
        };
        Summary {
            version: self.version,
            trained_at: self.trained_at,
            horizon_days: self.horizon_days,
            moment_count: self.moment_count,
            recipe: recipe.to_owned(),
            quality: self.quality().clone(),
            compared: self.compared,
        }
    }

    /// What it says of rows, without reasons.
    pub fn probabilities(&self, rows: &[Row]) -> Result<Vec<f64>, AppError> {
        Ok(self.risk.probabilities(&self.inputs.table(rows)?))
    }

    /// What it says of rows.
    pub fn scores(&self, rows: &[Row]) -> Result<Vec<(AccountId, Score)>, AppError> {
        let answers = self.risk.explain(&self.inputs.table(rows)?);
        let scored = rows.iter().zip(answers);
        Ok(scored
            .map(|(row, answer)| (row.account, self.score(row, &answer)))
            .collect())
    }

    fn score(&self, row: &Row, answer: &Answer) -> Score {
        let kept = answer.reasons.iter().take(REASONS_KEPT);
        let others = answer.reasons.iter().skip(REASONS_KEPT);
        Score {
            version: self.version,
            at: row.at,
            probability: answer.probability,
            base_log_odds: answer.base_log_odds,
            reasons: kept
                .map(|reason| Weighed {
                    feature: reason.column.clone(),
                    value: shown(row, &reason.column),
                    log_odds: reason.log_odds,
                })
                .collect(),
            other_log_odds: others.map(|reason| reason.log_odds).sum(),
        }
    }
}

fn shown(row: &Row, name: &str) -> Option<String> {
    let found = row.features.iter().find(|feature| feature.name == name)?;
    Some(match &found.value {
        FeatureValue::Number(number) => format!("{}", (number * 100.0).round() / 100.0),
        FeatureValue::Text(text) => text.to_string(),
    })
}

/// Shares of probabilities in parts of equal width.
pub(super) fn parts(said: &[f64]) -> Vec<f64> {
    let mut shares = vec![0.0; PARTS];
    for probability in said {
        let part = ((probability * PARTS as f64) as usize).min(PARTS - 1);
        shares[part] += 1.0 / said.len() as f64;
    }
    shares
}

/// Population stability index of two sets of shares: below 0.1 nothing moved, above 0.25 much did (Siddiqi, Credit Risk
/// Scorecards, 2006). Empty parts count as a thousandth.
pub fn drift(then: &[f64], now: &[f64]) -> f64 {
    let pairs = then.iter().zip(now);
    let part = |(then, now): (&f64, &f64)| {
        let (then, now) = (then.max(0.001), now.max(0.001));
        (now - then) * (now / then).ln()
    };
    pairs.map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_core::snapshot::Feature;

    fn row(plan: &str, seats: f64) -> Row {
        let feature = |name: &str, value| Feature {
            name: name.to_owned(),
            value,
        };
        Row {
            account: AccountId(1),
            at: Timestamp(0),
            features: vec![
                feature("plan", FeatureValue::Text(plan.into())),
                feature("seats", FeatureValue::Number(seats)),
                feature(
                    "name",
                    FeatureValue::Text(format!("company {seats}").into()),
                ),
            ],
            left_after_ms: None,
        }
    }

    #[test]
    fn a_name_becomes_a_category_and_one_that_all_differ_in_only_its_presence() {
        let rows: Vec<Row> = (0..60)
            .map(|at| row(if at % 2 == 0 { "pro" } else { "free" }, f64::from(at)))
            .collect();
        let inputs = Inputs::of(&rows);
        assert_eq!(inputs.0.len(), 3);
        let mut unseen = row("huge", 5.0);
        unseen.features.pop();
        let table = inputs.table(&[unseen]).unwrap();
        let value = |name: &str| {
            let column = table.columns().iter().find(|column| column.name == name);
            column.unwrap().values[0]
        };
        assert!(value("plan").is_nan());
        assert_eq!((value("seats"), value("name")), (5.0, 0.0));
    }

    #[test]
    fn what_stays_the_same_does_not_drift() {
        let then = parts(&[0.05, 0.15, 0.15, 0.95]);
        assert!((then[1] - 0.5).abs() < 1e-12);
        assert!(drift(&then, &then).abs() < 1e-12);
        assert!(drift(&then, &parts(&[0.95, 0.95, 0.95, 0.15])) > 0.25);
    }
}
