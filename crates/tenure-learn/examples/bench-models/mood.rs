//! Sentiment of short complaints and praise.

use std::path::Path;

use anyhow::Result;
use tenure_learn::sentiment::{Tone, Verdict, lexicon_score};
use tenure_learn::table::pick;

use crate::Figure;
use crate::source::Sheet;

const FOLDS: usize = 5;

/// Tweets to airlines, judged by people.
pub(crate) fn airline(data: &Path) -> Result<Vec<Figure>> {
    let sheet = Sheet::read(&data.join("airline_sentiment/Tweets.csv"))?;
    let texts = sheet.texts("text")?;
    let truth: Vec<Verdict> = sheet
        .texts("airline_sentiment")?
        .into_iter()
        .map(verdict)
        .collect();
    let by_lexicon: Vec<Verdict> = texts
        .iter()
        .map(|text| Verdict::of_score(lexicon_score(text)))
        .collect();
    let mut learned = truth.clone();
    for fold in 0..FOLDS {
        let part = |inside: bool| -> Vec<usize> {
            (0..texts.len())
                .filter(|row| (row % FOLDS == fold) == inside)
                .collect()
        };
        let learn = part(false);
        let tone = Tone::learn(&pick(&texts, &learn), &pick(&truth, &learn))?;
        for row in part(true) {
            learned[row] = tone.verdict(texts[row]);
        }
    }
    let (lexicon, own) = (Score::of(&by_lexicon, &truth), Score::of(&learned, &truth));
    Ok(vec![
        Figure::goal(
            "airline_sentiment",
            "lexicon, accuracy",
            format!("{:.3}", lexicon.accuracy),
            "0.550 (0.004)",
            lexicon.accuracy >= 0.546,
        ),
        Figure::goal(
            "airline_sentiment",
            "lexicon, macro F1",
            format!("{:.3}", lexicon.macro_f1),
            "0.514 (0.004)",
            lexicon.macro_f1 >= 0.510,
        ),
        Figure::goal(
            "airline_sentiment",
            "learned words, accuracy, 5 folds",
            format!("{:.3}", own.accuracy),
            "0.81-0.82 (0.003)",
            own.accuracy >= 0.807,
        ),
        Figure::goal(
            "airline_sentiment",
            "learned words, macro F1",
            format!("{:.3}", own.macro_f1),
            "0.74-0.76 (0.005)",
            own.macro_f1 >= 0.735,
        ),
    ])
}

fn verdict(name: &str) -> Verdict {
    match name {
        "positive" => Verdict::Positive,
        "negative" => Verdict::Negative,
        _ => Verdict::Neutral,
    }
}

struct Score {
    accuracy: f64,
    macro_f1: f64,
}

impl Score {
    fn of(said: &[Verdict], truth: &[Verdict]) -> Self {
        let pairs = || said.iter().zip(truth);
        let right = pairs().filter(|(said, truth)| said == truth).count() as f64;
        let f1 = Verdict::ALL.map(|class| {
            let count = |a: bool, b: bool| {
                pairs()
                    .filter(|(s, t)| (**s == class) == a && (**t == class) == b)
                    .count()
            };
            let hit = count(true, true) as f64;
            2.0 * hit / (2.0 * hit + count(true, false) as f64 + count(false, true) as f64)
        });
        Self {
            accuracy: right / said.len() as f64,
            macro_f1: f1.iter().sum::<f64>() / 3.0,
        }
    }
}
