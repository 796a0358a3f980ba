//! Gauss's hypergeometric function, by its series.

/// Terms at most; the series is geometric in `z`.
const MAX_TERMS: usize = 100_000;

/// The series ends when all that is left is less than this share of the sum.
const TOLERANCE: f64 = 1e-13;

/// ln 2F1(a, b; c; z) for positive a, b, c and 0 <= z < 1 (Abramowitz and Stegun 15.1.1). Where it can be, Euler's
/// transformation (15.3.3) is applied first: its terms do not grow before they fall.
pub(super) fn ln_2f1(a: f64, b: f64, c: f64, z: f64) -> f64 {
    if c > a && c > b && a + b > c {
        return (c - a - b) * (-z).ln_1p() + ln_series(c - a, c - b, c, z);
    }
    ln_series(a, b, c, z)
}

/// The sum is kept scaled, since it overflows for the busiest customers.
fn ln_series(a: f64, b: f64, c: f64, z: f64) -> f64 {
    let (mut term, mut sum, mut scale) = (1.0_f64, 1.0_f64, 0.0_f64);
    for n in 0..MAX_TERMS {
        let n = n as f64;
        let ratio = (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_met() {
        // 2F1(1, 1; 2; z) = -ln(1 - z) / z; 2F1(a, b; b; z) = (1 - z)^-a.
        for z in [0.0_f64, 0.1, 0.5, 0.9, 0.99] {
            let logarithm = if z == 0.0 { 1.0 } else { -(1.0 - z).ln() / z };
            assert!((ln_2f1(1.0, 1.0, 2.0, z) - logarithm.ln()).abs() < 1e-9, "{z}");
            assert!((ln_2f1(3.5, 2.0, 2.0, z) + 3.5 * (1.0 - z).ln()).abs() < 1e-8, "{z}");
        }
    }

    #[test]
    fn a_value_beyond_the_largest_number_has_a_logarithm() {
        let value = ln_2f1(3000.0, 2.0, 2.0, 0.9);
        assert!((value + 3000.0 * 0.1_f64.ln()).abs() < 1e-4 * value, "{value}");
    }
}
