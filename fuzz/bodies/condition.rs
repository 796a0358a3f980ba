//! Any text is a condition or a list of findings; what parses survives its canonical text.

use tenure_core::define::Audience;
use tenure_core::lang::{canonical, parse_condition, parse_filter, parse_number, sentence};

/// Runs one input.
pub(crate) fn run(text: &str) {
    for audience in [Audience::Person, Audience::Account] {
        if let Ok(expr) = parse_condition(text, audience) {
            let again = parse_condition(&canonical(&expr), audience);
            assert_eq!(
                again.as_ref(),
                Ok(&expr),
                "the canonical text reads differently"
            );
            assert!(!sentence(&expr).is_empty(), "a condition has no sentence");
        }
        drop(parse_number(text, audience));
    }
    drop(parse_filter(text));
}
