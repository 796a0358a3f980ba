//! Is this text content or angry?
//!
//! Without any example there is a lexicon of English words with rules for negation and emphasis (VADER; Hutto and
//! Gilbert 2014; crate `vader_sentiment`). Where a company has some hundreds of texts with a verdict, [`Tone`] learns its
//! own words and does much better.

use std::collections::BTreeMap;

use vader_sentiment::SentimentIntensityAnalyzer;

use crate::{LearnError, same_length};

/// Scores from -1 to 1 beyond this are a verdict; the authors' own bound.
const VERDICT: f64 = 0.05;

/// A text is read up to this many bytes: what is longer is a document, and hostile until proven otherwise.
const MAX_TEXT_BYTES: usize = 20_000;

/// Fewer texts than this teach nothing.
pub const MIN_TEXTS: usize = 100;

/// A verdict over a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Angry, sad, disappointed.
    Negative,
    /// Neither.
    Neutral,
    /// Content.
    Positive,
}

impl Verdict {
    /// All three, from the worst.
    pub const ALL: [Self; 3] = [Self::Negative, Self::Neutral, Self::Positive];

    /// The verdict that belongs to a score from -1 to 1.
    pub fn of_score(score: f64) -> Self {
        if score >= VERDICT {
            Self::Positive
        } else if score <= -VERDICT {
            Self::Negative
        } else {
            Self::Neutral
        }
    }
}

/// Scores a text from -1 (angry) to 1 (content) by the lexicon.
pub fn lexicon_score(text: &str) -> f64 {
    let words = plain(text);
    let analyzer = SentimentIntensityAnalyzer::new();
    let scores = analyzer.polarity_scores(&words);
    scores
        .get("compound")
        .copied()
        .filter(|score| score.is_finite())
        .unwrap_or(0.0)
}

/// The text without mentions and links, which name somebody and say nothing.
fn plain(text: &str) -> String {
    let words = head(text).split_whitespace();
    let said = words.filter(|word| !word.starts_with('@') && !word.starts_with("http"));
    said.collect::<Vec<_>>().join(" ")
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Passes over the texts.
const PASSES: usize = 8;

/// Step of the first pass.
const STEP: f64 = 0.4;

/// Shrinks a weight toward 0 each time its term is seen.
const SHRINK: f64 = 2e-5;

/// A term seen in fewer texts than this is not learned.
const MIN_TEXTS_OF_A_TERM: u32 = 2;

/// Words of a company: one weight a term and verdict, learned by logistic regression over TF-IDF of words and pairs of
/// words, with AdaGrad steps (Duchi, Hazan and Singer 2011).
#[derive(Debug, Clone)]
pub struct Tone {
    terms: BTreeMap<String, (usize, f64)>,
    weights: Vec<[f64; 3]>,
    bias: [f64; 3],
}

impl Tone {
    /// Learns from texts and what was thought of them. The order of the texts matters little, but the same order gives
    /// the same result.
    ///
    /// # Errors
    /// [`LearnError::TooLittle`] below [`MIN_TEXTS`], [`LearnError::Length`] when texts and verdicts differ in number.
    pub fn learn(texts: &[&str], verdicts: &[Verdict]) -> Result<Self, LearnError> {
        same_length("the verdicts", verdicts.len(), texts.len())?;
        if texts.len() < MIN_TEXTS {
            return Err(LearnError::TooLittle {
                what: "texts with a verdict",
                found: texts.len(),
                needed: MIN_TEXTS,
            });
        }
        let mut tone = Self {
            terms: vocabulary(texts),
            weights: Vec::new(),
            bias: [0.0; 3],
        };
        tone.weights = vec![[0.0; 3]; tone.terms.len()];
        let rows: Vec<Vec<(usize, f64)>> = texts.iter().map(|text| tone.row(text)).collect();
        tone.descend(&rows, verdicts);
        Ok(tone)
    }

    /// The likeliest verdict.
    pub fn verdict(&self, text: &str) -> Verdict {
        let said = self.probabilities(&self.row(text));
        let best = (0..3)
            .max_by(|&a, &b| said[a].total_cmp(&said[b]))
            .unwrap_or(1);
        Verdict::ALL[best]
    }

    /// From -1 to 1: the probability of content less that of anger.
    pub fn score(&self, text: &str) -> f64 {
        let said = self.probabilities(&self.row(text));
        said[2] - said[0]
    }

    fn descend(&mut self, rows: &[Vec<(usize, f64)>], verdicts: &[Verdict]) {
        let mut squares = vec![[1e-2_f64; 3]; self.weights.len()];
        for _ in 0..PASSES {
            for (row, verdict) in rows.iter().zip(verdicts) {
                let mut error = self.probabilities(row);
                error[*verdict as usize] -= 1.0;
                self.step(row, error, &mut squares);
            }
        }
    }

    fn step(&mut self, row: &[(usize, f64)], error: [f64; 3], squares: &mut [[f64; 3]]) {
        for class in 0..3 {
            self.bias[class] -= 0.01 * error[class];
            for &(term, value) in row {
                let slope = error[class] * value + SHRINK * self.weights[term][class];
                squares[term][class] += slope * slope;
                self.weights[term][class] -= STEP * slope / squares[term][class].sqrt();
            }
        }
    }

    fn probabilities(&self, row: &[(usize, f64)]) -> [f64; 3] {
        let mut sums = self.bias;
        for &(term, value) in row {
            for (sum, weight) in sums.iter_mut().zip(self.weights[term]) {
                *sum += weight * value;
            }
        }
        let top = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers = sums.map(|sum| (sum - top).exp());
        let total: f64 = powers.iter().sum();
        powers.map(|power| power / total)
    }

    /// The known terms of a text, scaled to length 1.
    fn row(&self, text: &str) -> Vec<(usize, f64)> {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        for term in terms(text) {
            if let Some(&(place, rarity)) = self.terms.get(&term) {
                *counts.entry(place).or_insert(0.0) += rarity;
            }
        }
        let length = counts
            .values()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt();
        counts
            .into_iter()
            .map(|(place, value)| (place, value / length))
            .collect()
    }
}

/// Each term with its place and its rarity, ln((1 + n) / (1 + texts with it)) + 1.
fn vocabulary(texts: &[&str]) -> BTreeMap<String, (usize, f64)> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for text in texts {
        let mut of_text = terms(text);
        of_text.sort_unstable();
        of_text.dedup();
        for term in of_text {
            *seen.entry(term).or_insert(0) += 1;
        }
    }
    let count = texts.len() as f64;
    let kept = seen
        .into_iter()
        .filter(|(_, texts)| *texts >= MIN_TEXTS_OF_A_TERM);
    let rarity = |texts: u32| ((1.0 + count) / (1.0 + f64::from(texts))).ln() + 1.0;
    kept.enumerate()
        .map(|(place, (term, texts))| (term, (place, rarity(texts))))
        .collect()
}

/// Words and pairs of neighbouring words, in lower case.
fn terms(text: &str) -> Vec<String> {
    let text = plain(text).to_lowercase();
    let words = text.split(|letter: char| {
        !letter.is_alphanumeric() && letter != '\'' && letter != '!' && letter != '?'
    });
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    words
        .iter()
        .map(|&word| word.to_owned())
        .chain(pairs)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexicon_hears_praise_anger_and_negation() {
        assert_eq!(
            Verdict::of_score(lexicon_score("I love this, great work!")),
            Verdict::Positive
        );
        assert_eq!(
            Verdict::of_score(lexicon_score("This is terrible and I hate it")),
            Verdict::Negative
        );
        assert_eq!(
            Verdict::of_score(lexicon_score("The invoice is attached")),
            Verdict::Neutral
        );
        assert!(lexicon_score("not good") < lexicon_score("good"));
    }

    #[test]
    fn mentions_and_links_are_not_read() {
        assert_eq!(
            plain("@lovely thanks https://hate.example.com now"),
            "thanks now"
        );
        assert!(lexicon_score("").abs() < 1e-12);
    }

    #[test]
    fn a_text_of_any_length_and_script_is_scored() {
        let long = "ß😀 ".repeat(20_000);
        assert!(lexicon_score(&long).is_finite());
    }

    #[test]
    fn a_company_teaches_its_own_words() {
        let praise = [
            "the grommets sparkle",
            "sparkle as ever",
            "what a sparkle today",
        ];
        let anger = [
            "the grommets fizzled",
            "it fizzled again",
            "fizzled on monday",
        ];
        let (mut texts, mut verdicts) = (Vec::new(), Vec::new());
        for round in 0..60 {
            texts.extend([praise[round % 3], anger[round % 3]]);
            verdicts.extend([Verdict::Positive, Verdict::Negative]);
        }
        let tone = Tone::learn(&texts, &verdicts).unwrap();
        assert_eq!(tone.verdict("my grommets sparkle"), Verdict::Positive);
        assert_eq!(tone.verdict("all of it fizzled"), Verdict::Negative);
        assert!(tone.score("a sparkle") > 0.5 && tone.score("unheard of").abs() < 0.5);
    }

    #[test]
    fn a_dozen_texts_teach_nothing() {
        let refused = Tone::learn(&["fine"; 12], &[Verdict::Neutral; 12]).unwrap_err();
        assert!(
            refused.to_string().contains("12 found, at least 100"),
            "{refused}"
        );
    }
}
