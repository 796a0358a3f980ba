//! Gauss's hypergeometric function where the purchase processes need it.

/// Terms at most of a series or fraction.
const MAX_TERMS: usize = 20_000;

/// Relative error that ends a series or fraction.
const TOLERANCE: f64 = 1e-14;

/// ln 2F1(a, b; c; z) for positive a, b, c and 0 <= z < 1, by its series (Abramowitz and Stegun 15.1.1); meant for z
/// well below 1. The sum is kept scaled, since it overflows for the busiest customers.
pub(super) fn ln_2f1(a: f64, b: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum, mut scale) = (1.0_f64, 1.0_f64, 0.0_f64);
    for place in 0..MAX_TERMS {
        let place = place as f64;
        let ratio = (a + place) * (b + place) / ((c + place) * (place + 1.0)) * z;
        term *= ratio;
        sum += term;
        if sum > 1e200 {
            scale += sum.ln();
            term /= sum;
            sum = 1.0;
        }
        if ratio < 1.0 && term / (1.0 - ratio) < sum * TOLERANCE {
            break;
        }
    }
    scale + sum.ln()
}

/// ln 2F1(a, b; a + 1; z) for positive a, b and 0 <= z < 1, also close to 1: Euler's transformation (15.3.3), then
/// Gauss's continued fraction of 2F1(1, a + 1 - b; a + 1; z), evaluated from the front (modified Lentz).
pub(super) fn ln_2f1_next(a: f64, b: f64, z: f64) -> f64 {
    (1.0 - b) * (-z).ln_1p() - gauss_fraction(a + 1.0 - b, a, z).ln()
}

/// 1 + k1 z / (1 + k2 z / (1 + ...)), the inverse of 2F1(1, b; c + 1; z).
fn gauss_fraction(b: f64, c: f64, z: f64) -> f64 {
    let (mut value, mut front, mut back) = (1.0_f64, 1.0_f64, 0.0_f64);
    for n in 0..MAX_TERMS {
        let m = (n / 2) as f64;
        let at = c + n as f64;
        let top = if n % 2 == 0 {
            (-c - m) * (b + m)
        } else {
            (b - c - 1.0 - m) * (1.0 + m)
        };
        let part = top / (at * (at + 1.0)) * z;
        back = away_from_zero(1.0 + part * back).recip();
        front = away_from_zero(1.0 + part / front);
        value *= front * back;
        if (front * back - 1.0).abs() < TOLERANCE {
            break;
        }
    }
    value
}

fn away_from_zero(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_met() {
        // 2F1(1, 1; 2; z) = -ln(1 - z) / z; 2F1(a, b; b; z) = (1 - z)^-a.
        for z in [0.1_f64, 0.5, 0.9, 0.999_99] {
            let logarithm = (-(1.0 - z).ln() / z).ln();
            assert!((ln_2f1_next(1.0, 1.0, z) - logarithm).abs() < 1e-9, "{z}");
            assert!(
                (ln_2f1_next(2.5, 3.5, z) + 2.5 * (1.0 - z).ln()).abs() < 1e-8,
                "{z}"
            );
        }
        assert!((ln_2f1(3.5, 2.0, 2.0, 0.9) + 3.5 * 0.1_f64.ln()).abs() < 1e-8);
    }

    #[test]
    fn fraction_and_series_agree() {
        for (a, b) in [(0.3, 1.7), (5.0, 0.4), (40.0, 22.5), (300.0, 1.6)] {
            let (fraction, series) = (ln_2f1_next(a, b, 0.6), ln_2f1(a, b, a + 1.0, 0.6));
            assert!(
                (fraction - series).abs() < 1e-9 * (1.0 + series.abs()),
                "{fraction} and {series}"
            );
        }
    }

    #[test]
    fn a_value_beyond_the_largest_number_has_a_logarithm() {
        let value = ln_2f1(3000.0, 2.0, 2.0, 0.5);
        assert!(
            (value + 3000.0 * 0.5_f64.ln()).abs() < 1e-4 * value,
            "{value}"
        );
    }
}
