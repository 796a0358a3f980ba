//! From triggers and outcomes to figures.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::id::SubjectId;
use crate::time::{DAY_MS, Timestamp};

/// Days before an outcome for which it is asked who was healthy then.
pub const LOOK_BACK_DAYS: [i64; 3] = [90, 60, 30];

/// How well triggers announced outcomes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Announcement {
    /// Triggers in the period.
    pub trigger_count: u64,
    /// Subjects that were triggered at least once.
    pub subject_count: u64,
    /// Triggers long enough before the end that it is known whether the outcome followed within
    /// the horizon.
    pub settled_count: u64,
    /// Those of the settled after which the outcome followed within the horizon.
    pub right_count: u64,
    /// `right_count / settled_count`.
    pub precision: Option<f64>,
    /// Subjects with the outcome in the period.
    pub outcome_count: u64,
    /// Those that were triggered within the horizon before it.
    pub announced_count: u64,
    /// `announced_count / outcome_count`.
    pub recall: Option<f64>,
    /// Days from the first trigger within the horizon to the outcome: lower quartile, median,
    /// upper quartile.
    pub lead_days: Option<[f64; 3]>,
    /// Settled triggers without outcome, per week of the settled part of the period.
    pub false_per_week: Option<f64>,
}

/// The period that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From here on.
    pub since: Timestamp,
    /// To the end of what is known.
    pub until: Timestamp,
    /// How long after a trigger the outcome counts, in milliseconds.
    pub horizon_ms: i64,
}

/// Judges triggers by outcomes. `outcomes` is the first outcome of each subject.
pub fn announce(
    triggers: &[(SubjectId, Timestamp)],
    outcomes: &BTreeMap<SubjectId, Timestamp>,
    period: Period,
) -> Announcement {
    let inside = |at: Timestamp| at >= period.since && at <= period.until;
    let triggers: Vec<_> = triggers.iter().filter(|(_, at)| inside(*at)).collect();
    let follows = |subject: &SubjectId, at: Timestamp| {
        let outcome = outcomes.get(subject);
        outcome.is_some_and(|then| *then >= at && then.since_ms(at) <= period.horizon_ms)
    };
    let settled_until = period.until.plus_ms(-period.horizon_ms);
    // Triggers whose horizon is not over are left out, also those that came true already: else the
    // end of the period would count only what is good.
    let settled: Vec<_> = triggers
        .iter()
        .filter(|(_, at)| *at <= settled_until)
        .collect();
    let right = settled.iter().filter(|(who, at)| follows(who, *at)).count();
    let mut by_subject: BTreeMap<SubjectId, Vec<Timestamp>> = BTreeMap::new();
    for (who, at) in &triggers {
        by_subject.entry(*who).or_default().push(*at);
    }
    let ended: Vec<_> = outcomes.iter().filter(|(_, at)| inside(**at)).collect();
    let first_before = |subject: &SubjectId, outcome: Timestamp| {
        let times = by_subject.get(subject)?.iter().copied();
        let announcing =
            |at: &Timestamp| *at <= outcome && outcome.since_ms(*at) <= period.horizon_ms;
        times.filter(announcing).min()
    };
    let leads = ended.iter().filter_map(|(subject, outcome)| {
        let first = first_before(subject, **outcome)?;
        Some(outcome.since_ms(first) as f64 / DAY_MS as f64)
    });
    let mut leads: Vec<f64> = leads.collect();
    let weeks = settled_until.since_ms(period.since) as f64 / (7 * DAY_MS) as f64;
    let wrong = settled.len() - right;
    Announcement {
        trigger_count: triggers.len() as u64,
        subject_count: by_subject.len() as u64,
        settled_count: settled.len() as u64,
        right_count: right as u64,
        precision: share(right, settled.len()),
        outcome_count: ended.len() as u64,
        announced_count: leads.len() as u64,
        recall: share(leads.len(), ended.len()),
        lead_days: quartiles(&mut leads),
        false_per_week: (weeks > 0.0).then(|| wrong as f64 / weeks),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Lower quartile, median and upper quartile, by linear interpolation between the order
/// statistics (Hyndman and Fan 1996, type 7).
fn quartiles(values: &mut [f64]) -> Option<[f64; 3]> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = part * (values.len() - 1) as f64;
        let (low, high) = (
            values[place.floor() as usize],
            values[place.ceil() as usize],
        );
        low + (high - low) * place.fract()
    };
    Some([at(0.25), at(0.5), at(0.75)])
}

/// How well a score tells those with the outcome from those without.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Discrimination {
    /// Scores that were looked at: every subject each week.
    pub score_count: u64,
    /// Those after which the outcome followed within the horizon.
    pub outcome_count: u64,
    /// Area under the ROC curve: how likely a score before an outcome is lower than one that is
    /// not (a tie counts half).
    pub roc_auc: Option<f64>,
    /// The ROC curve: for scores below each threshold the share of false and of true alarms.
    pub roc: Vec<RocPoint>,
}

/// One point of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RocPoint {
    /// A score below this is an alarm.
    pub below: f64,
    /// Share of scores without the outcome that are alarms.
    pub false_alarm_rate: f64,
    /// Share of scores before an outcome that are alarms.
    pub hit_rate: f64,
}

/// Judges `(score, whether the outcome followed)` pairs. The area is that of the Mann-Whitney
/// statistic (Hanley and McNeil 1982).
pub fn discriminate(mut scores: Vec<(f64, bool)>) -> Discrimination {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positive = scores.iter().filter(|(_, hit)| *hit).count();
    let negative = scores.len() - positive;
    let rates = |below: f64| {
        let alarms = &scores[..scores.partition_point(|(score, _)| *score < below)];
        let hits = alarms.iter().filter(|(_, hit)| *hit).count();
        RocPoint {
            below,
            false_alarm_rate: (alarms.len() - hits) as f64 / negative.max(1) as f64,
            hit_rate: hits as f64 / positive.max(1) as f64,
        }
    };
    let known = positive > 0 && negative > 0;
    Discrimination {
        score_count: scores.len() as u64,
        outcome_count: positive as u64,
        roc_auc: known.then(|| area(&scores, positive as f64, negative as f64)),
        roc: if known {
            (0..=20).map(|step| rates(f64::from(step) * 5.0)).collect()
        } else {
            Vec::new()
        },
    }
}

/// `scores` are sorted.
fn area(scores: &[(f64, bool)], positive: f64, negative: f64) -> f64 {
    let mut at = 0;
    let (mut seen_positive, mut sum) = (0.0, 0.0);
    while at < scores.len() {
        let tied = scores[at].0;
        let (mut hits, mut misses) = (0.0, 0.0);
        while let Some((_, hit)) = scores.get(at).filter(|(score, _)| *score <= tied) {
            if *hit {
                hits += 1.0;
            } else {
                misses += 1.0;
            }
            at += 1;
        }
        // Every score without outcome here is above all positive ones seen, and ties with these.
        sum += misses * (seen_positive + hits / 2.0);
        seen_positive += hits;
    }
    sum / (positive * negative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AccountId;

    fn account(id: u128) -> SubjectId {
        SubjectId::Account(AccountId(id))
    }

    fn day(days: i64) -> Timestamp {
        Timestamp(days * DAY_MS)
    }

    #[test]
    fn precision_recall_and_lead_time_of_a_small_company() {
        let triggers = [
            (account(1), day(10)),
            (account(1), day(30)),
            (account(2), day(20)),
            (account(3), day(5)),
            (account(4), day(95)),
        ];
        let outcomes = BTreeMap::from([
            (account(1), day(40)),
            (account(3), day(60)),
            (account(5), day(50)),
        ]);
        let period = Period {
            since: day(0),
            until: day(100),
            horizon_ms: 30 * DAY_MS,
        };
        let found = announce(&triggers, &outcomes, period);
        assert_eq!((found.trigger_count, found.subject_count), (5, 4));
        assert_eq!((found.settled_count, found.right_count), (4, 2));
        assert_eq!(found.precision, Some(0.5));
        assert_eq!((found.outcome_count, found.announced_count), (3, 1));
        assert_eq!(found.lead_days, Some([30.0, 30.0, 30.0]));
        assert_eq!(found.false_per_week, Some(0.2));
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_the_right_order() {
        let scores = vec![
            (10.0, true),
            (20.0, false),
            (30.0, true),
            (30.0, false),
            (90.0, false),
        ];
        // Of six pairs: 3 right for the first positive, and one right and one tie of three.
        let found = discriminate(scores);
        assert_eq!(found.roc_auc, Some((3.0 + 1.5) / 6.0));
        assert!((found.roc[5].hit_rate - 0.5).abs() < 1e-9);
        assert_eq!(discriminate(vec![(1.0, true)]).roc_auc, None);
    }
}
