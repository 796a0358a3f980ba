//! Curves: from a component's number to 0 to 100.

/// The most points of a curve.
pub const MAX_CURVE_POINTS: usize = 50;

/// A piecewise linear curve: straight lines between its points, level before the first and after
/// the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    points: Vec<(f64, f64)>,
}

/// Why points are no curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveFault {
    /// Fewer than two, or more than [`MAX_CURVE_POINTS`].
    PointCount,
    /// The number of the point at this place is not greater than that of the one before.
    NotRising(usize),
    /// The score of the point at this place is not from 0 to 100.
    Score(usize),
}

impl Curve {
    /// A curve through `(number, score)` points: numbers rise strictly, scores are from 0 to 100.
    pub fn new(points: Vec<(f64, f64)>) -> Result<Self, Vec<CurveFault>> {
        let mut faults = Vec::new();
        if !(2..=MAX_CURVE_POINTS).contains(&points.len()) {
            faults.push(CurveFault::PointCount);
        }
        for (at, point) in points.iter().enumerate() {
            if at > 0 && point.0.partial_cmp(&points[at - 1].0) != Some(std::cmp::Ordering::Greater)
            {
                faults.push(CurveFault::NotRising(at));
            }
            if !(0.0..=100.0).contains(&point.1) {
                faults.push(CurveFault::Score(at));
            }
        }
        if faults.is_empty() {
            Ok(Self { points })
        } else {
            Err(faults)
        }
    }

    /// Its points.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The score of a number.
    pub fn score(&self, number: f64) -> f64 {
        let after = self.points.partition_point(|point| point.0 <= number);
        if after == 0 {
            return self.points[0].1;
        }
        let from = self.points[after - 1];
        match self.points.get(after) {
            None => from.1,
            Some(to) => from.1 + (number - from.0) * ((to.1 - from.1) / (to.0 - from.0)),
        }
    }

    /// By how much the score moves for each unit by which the number moves on, and the number at
    /// which that next changes, for a number that rises or else falls.
    pub(crate) fn tangent(&self, number: f64, rising: bool) -> (f64, Option<f64>) {
        let points = &self.points;
        // The line that is travelled on ends at the point `after`, and begins at the one before.
        let after = if rising {
            points.partition_point(|point| point.0 <= number)
        } else {
            points.partition_point(|point| point.0 < number)
        };
        let knee = if rising {
            points.get(after)
        } else {
            after.checked_sub(1).map(|at| &points[at])
        };
        let slope = match (after.checked_sub(1).map(|at| points[at]), points.get(after)) {
            (Some(from), Some(to)) => (to.1 - from.1) / (to.0 - from.0),
            _ => 0.0,
        };
        (slope, knee.map(|point| point.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Curve {
        Curve::new(vec![(0.0, 0.0), (2.0, 40.0), (6.0, 100.0)]).expect("the points rise")
    }

    #[test]
    fn a_curve_is_straight_between_its_points_and_level_outside() {
        let scores: Vec<f64> = [-1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 9.0]
            .iter()
            .map(|number| curve().score(*number))
            .collect();
        assert_eq!(scores, [0.0, 0.0, 20.0, 40.0, 70.0, 100.0, 100.0]);
    }

    #[test]
    fn the_tangent_at_a_point_depends_on_the_way_one_comes() {
        assert_eq!(curve().tangent(2.0, true), (15.0, Some(6.0)));
        assert_eq!(curve().tangent(2.0, false), (20.0, Some(0.0)));
        assert_eq!(curve().tangent(-1.0, true), (0.0, Some(0.0)));
        assert_eq!(curve().tangent(6.0, true), (0.0, None));
        assert_eq!(curve().tangent(9.0, false), (0.0, Some(6.0)));
        assert_eq!(curve().tangent(0.0, false), (0.0, None));
    }

    #[test]
    fn everything_that_is_wrong_with_points_is_said() {
        let faults = Curve::new(vec![(1.0, -1.0), (1.0, 101.0), (f64::NAN, 0.0)]);
        assert_eq!(
            faults,
            Err(vec![
                CurveFault::Score(0),
                CurveFault::NotRising(1),
                CurveFault::Score(1),
                CurveFault::NotRising(2),
            ])
        );
        assert_eq!(
            Curve::new(vec![(1.0, 1.0)]),
            Err(vec![CurveFault::PointCount])
        );
    }
}
