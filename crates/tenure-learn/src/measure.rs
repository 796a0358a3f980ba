//! How good a score is: ranking, calibration, and how sure one can be of either.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Number of equal bins of the expected calibration error.
const CALIBRATION_BINS: usize = 10;

/// Rows from the highest score to the lowest; rows of one score stay in their order.
pub(crate) fn by_score(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// Area under the receiver operating characteristic: the probability that a positive scores above a negative, ties
/// counting half (Mann and Whitney 1947). NaN unless both classes occur.
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < order.len() {
        let end = end_of_tie(&order, scores, start);
        let rank = (start + end + 1) as f64 / 2.0;
        rank_sum += rank * order[start..end].iter().filter(|&&row| labels[row]).count() as f64;
        start = end;
    }
    let positive = labels.iter().filter(|&&label| label).count() as f64;
    let negative = labels.len() as f64 - positive;
    (rank_sum - positive * (positive + 1.0) / 2.0) / (positive * negative)
}

/// Average precision: the area under the precision-recall curve as a step function. NaN without positives.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    let order = by_score(scores);
    let positive = labels.iter().filter(|&&label| label).count() as f64;
    let (mut found, mut sum, mut start) = (0.0, 0.0, 0);
    while start < order.len() {
        let end = end_of_tie(&order, scores, start);
        let gained = order[start..end].iter().filter(|&&row| labels[row]).count() as f64;
        found += gained;
        sum += gained * found / end as f64;
        start = end;
    }
    sum / positive
}

fn end_of_tie(order: &[usize], scores: &[f64], start: usize) -> usize {
    let score = scores[order[start]];
    let tied = order[start..]
        .iter()
        .take_while(|&&row| scores[row] == score);
    start + tied.count()
}

/// Mean squared error of probabilities (Brier 1950): 0 is perfect.
pub fn brier(probabilities: &[f64], labels: &[bool]) -> f64 {
    let errors = probabilities.iter().zip(labels);
    errors
        .map(|(p, &label)| (p - f64::from(u8::from(label))).powi(2))
        .sum::<f64>()
        / labels.len() as f64
}

/// Mean negative log likelihood in nats: the proper score that learners are compared by.
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> f64 {
    let terms = probabilities.iter().zip(labels).map(|(&p, &label)| {
        let p = p.clamp(1e-12, 1.0 - 1e-12);
        if label { -p.ln() } else { -(-p).ln_1p() }
    });
    terms.sum::<f64>() / labels.len() as f64
}

/// Expected calibration error over ten equal bins: the mean distance between what was said and what happened.
pub fn calibration_error(probabilities: &[f64], labels: &[bool]) -> f64 {
    let mut bins = [(0.0, 0.0); CALIBRATION_BINS];
    for (&p, &label) in probabilities.iter().zip(labels) {
        let bin = ((p * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        bins[bin].0 += p;
        bins[bin].1 += f64::from(u8::from(label));
    }
    bins.iter()
        .map(|(said, happened)| (said - happened).abs())
        .sum::<f64>()
        / labels.len() as f64
}

/// Rate of positives among the tenth with the highest scores, over the rate among all.
pub fn top_decile_lift(scores: &[f64], labels: &[bool]) -> f64 {
    let order = by_score(scores);
    let top = &order[..(order.len() / 10).max(1)];
    let rate = |hits: usize, of: usize| hits as f64 / of as f64;
    let base = rate(labels.iter().filter(|&&label| label).count(), labels.len());
    rate(top.iter().filter(|&&row| labels[row]).count(), top.len()) / base
}

/// The middle 95% of the area under the curve over `rounds` resamples with replacement (percentile bootstrap).
pub fn roc_auc_interval(scores: &[f64], labels: &[bool], rounds: usize, seed: u64) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut areas: Vec<f64> = (0..rounds)
        .map(|_| {
            let rows: Vec<usize> = (0..labels.len())
                .map(|_| rng.random_range(0..labels.len()))
                .collect();
            roc_auc(
                &crate::table::pick(scores, &rows),
                &crate::table::pick(labels, &rows),
            )
        })
        .filter(|area| !area.is_nan())
        .collect();
    areas.sort_by(f64::total_cmp);
    (quantile(&areas, 0.025), quantile(&areas, 0.975))
}

/// The value below which the given share of ascending values lies, interpolated. NaN of nothing.
pub fn quantile(ascending: &[f64], share: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    ascending[low] + (ascending[high] - ascending[low]) * (place - low as f64)
}

/// Mean and standard deviation (of a population) of some numbers.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn the_area_counts_pairs_in_order_and_ties_half() {
        let labels = [true, false, true, false];
        close(roc_auc(&[4.0, 3.0, 2.0, 1.0], &labels), 0.75);
        close(roc_auc(&[1.0; 4], &labels), 0.5);
        assert!(roc_auc(&[1.0], &[true]).is_nan());
    }

    #[test]
    fn average_precision_is_the_mean_precision_at_each_hit() {
        close(
            average_precision(&[4.0, 3.0, 2.0, 1.0], &[true, false, true, false]),
            f64::midpoint(1.0, 2.0 / 3.0),
        );
    }

    #[test]
    fn a_tie_is_taken_as_one_step_of_the_precision_curve() {
        close(average_precision(&[1.0, 1.0], &[true, false]), 0.5);
        close(average_precision(&[1.0, 1.0], &[false, true]), 0.5);
    }

    #[test]
    fn brier_and_calibration_error_are_zero_for_the_truth() {
        close(brier(&[1.0, 0.0], &[true, false]), 0.0);
        close(calibration_error(&[1.0, 0.0], &[true, false]), 0.0);
        close(calibration_error(&[0.5, 0.5], &[true, false]), 0.0);
        close(brier(&[0.5, 0.5], &[true, false]), 0.25);
    }

    #[test]
    fn the_top_tenth_is_compared_with_everybody() {
        let labels: Vec<bool> = (0..100).map(|row| row < 20).collect();
        let scores: Vec<f64> = (0..100).map(|row| -f64::from(row)).collect();
        close(top_decile_lift(&scores, &labels), 5.0);
    }

    #[test]
    fn the_interval_of_a_coin_contains_one_half() {
        let labels: Vec<bool> = (0..400).map(|row| row % 2 == 0).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let scores: Vec<f64> = labels.iter().map(|_| rng.random()).collect();
        let (low, high) = roc_auc_interval(&scores, &labels, 200, 1);
        assert!(low < 0.5 && 0.5 < high, "{low} to {high}");
    }
}
