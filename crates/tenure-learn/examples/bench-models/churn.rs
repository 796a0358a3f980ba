//! Churn: who leaves within the horizon.

use std::path::Path;

use anyhow::Result;
use tenure_learn::measure;
use tenure_learn::risk::{Past, Quality, Risk};
use tenure_learn::table::{Table, pick};

use crate::Figure;
use crate::source::Sheet;

const SEED: u64 = 42;

/// Five stratified folds of subscribers; features as of one day.
pub(crate) fn telco(data: &Path) -> Result<Vec<Figure>> {
    let sheet = Sheet::read(&data.join("telco_ibm/Telco-Customer-Churn.csv"))?;
    let folds = Sheet::read(&data.join("folds/folds_telco_ibm.csv"))?.numbers("fold")?;
    let table = sheet.table(&["customerID", "Churn"])?;
    let churned: Vec<bool> = sheet
        .texts("Churn")?
        .iter()
        .map(|text| *text == "Yes")
        .collect();
    let mut folds_present: Vec<u32> = folds.iter().map(|fold| *fold as u32).collect();
    folds_present.sort_unstable();
    folds_present.dedup();
    let mut scores = Vec::new();
    let mut established = true;
    for fold in folds_present {
        let rows = |inside: bool| -> Vec<usize> {
            (0..churned.len())
                .filter(|&row| (folds[row] as u32 == fold) == inside)
                .collect()
        };
        let unknown = vec![0; churned.len()];
        let (learn, test) = (rows(false), rows(true));
        let trial = score(&table, &churned, &unknown, &learn, &test)?;
        established &= trial.established;
        scores.push(trial.of_test);
    }
    let spread = |figure: fn(&Quality) -> f64| {
        measure::mean_and_deviation(&scores.iter().map(figure).collect::<Vec<_>>())
    };
    let (area, deviation) = spread(|quality| quality.roc_auc);
    let (brier, brier_deviation) = spread(|quality| quality.brier);
    Ok(vec![
        Figure::goal(
            "telco_ibm",
            "ROC-AUC, 5 folds",
            format!("{area:.4} ({deviation:.3})"),
            "0.8494 (0.011)",
            area >= 0.8494 - 0.011,
        ),
        Figure::goal(
            "telco_ibm",
            "PR-AUC",
            format!("{:.3}", spread(|q| q.average_precision).0),
            "0.667 (0.02)",
            spread(|q| q.average_precision).0 >= 0.667 - 0.02,
        ),
        Figure::goal(
            "telco_ibm",
            "Brier",
            format!("{brier:.4} ({brier_deviation:.4})"),
            "0.1337 (0.003)",
            brier <= 0.1337 + 0.003,
        ),
        Figure::goal(
            "telco_ibm",
            "lift of the top tenth",
            format!("{:.2}", spread(|q| q.top_decile_lift).0),
            "2.88 (0.1)",
            spread(|q| q.top_decile_lift).0 >= 2.88 - 0.1,
        ),
        Figure::goal(
            "telco_ibm",
            "what is said of the score before the test",
            verdict(established),
            "established",
            established,
        ),
    ])
}

fn verdict(established: bool) -> &'static str {
    if established {
        "established"
    } else {
        "not better than chance"
    }
}

/// Shoppers, four cut-offs to learn from and a later one to be judged by.
pub(crate) fn online_retail(data: &Path) -> Result<Vec<Figure>> {
    let trial = out_of_time(
        &data.join("point_in_time/pit_online_retail.csv.gz"),
        "2011-09-10",
        "2011-06-01",
    )?;
    let quality = &trial.of_test;
    Ok(vec![
        Figure::goal(
            "online_retail",
            "ROC-AUC, later cut-off",
            interval(quality),
            "0.760 (0.0105)",
            quality.roc_auc >= 0.760 - 0.0105,
        ),
        Figure::goal(
            "online_retail",
            "PR-AUC",
            format!("{:.3}", quality.average_precision),
            "0.542 (0.018)",
            quality.average_precision >= 0.542 - 0.018,
        ),
        Figure::goal(
            "online_retail",
            "Brier",
            format!("{:.4}", quality.brier),
            "0.178 (0.004)",
            quality.brier <= 0.178 + 0.004,
        ),
        Figure::goal(
            "online_retail",
            "lift of the top tenth",
            format!("{:.2}", quality.top_decile_lift),
            "1.91 (0.11)",
            quality.top_decile_lift >= 1.91 - 0.11,
        ),
        Figure::note("online_retail", "chosen", format!("{:?}", trial.recipe)),
        Figure::note(
            "online_retail",
            "expected calibration error",
            format!("{:.3}", quality.calibration_error),
        ),
    ])
}

/// The negative control: churn is close to chance, and a confident score would be wrong.
pub(crate) fn ravenstack(data: &Path) -> Result<Vec<Figure>> {
    let trial = out_of_time(
        &data.join("point_in_time/pit_ravenstack.csv.gz"),
        "2024-10-30",
        "9999",
    )?;
    let quality = &trial.of_test;
    Ok(vec![
        Figure::goal(
            "ravenstack",
            "ROC-AUC, later cut-off",
            interval(quality),
            "0.575 (0.030)",
            quality.roc_auc >= 0.575 - 0.030,
        ),
        Figure::goal(
            "ravenstack",
            "what is said of the score before the test",
            verdict(trial.established),
            "not better than chance",
            !trial.established,
        ),
        Figure::note(
            "ravenstack",
            "highest probability said",
            format!("{:.3}", trial.highest),
        ),
    ])
}

struct Trial {
    of_test: Quality,
    recipe: tenure_learn::risk::Recipe,
    established: bool,
    highest: f64,
}

fn interval(quality: &Quality) -> String {
    let (low, high) = quality.roc_auc_interval;
    format!("{:.3} ({low:.3}-{high:.3})", quality.roc_auc)
}

/// Learns from the cut-offs whose labels are complete before the last one, and scores that one.
fn out_of_time(path: &Path, test: &str, last_learned: &str) -> Result<Trial> {
    let sheet = Sheet::read(path)?;
    let cutoffs = sheet.texts("cutoff")?;
    let churned: Vec<bool> = sheet.numbers("y")?.iter().map(|y| *y > 0.5).collect();
    let mut names: Vec<&str> = cutoffs.clone();
    names.sort_unstable();
    names.dedup();
    let periods: Vec<u32> = cutoffs
        .iter()
        .map(|cutoff| names.binary_search(cutoff).unwrap_or_default() as u32)
        .collect();
    let rows = |wanted: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..sheet.row_count())
            .filter(|&row| wanted(cutoffs[row]))
            .collect()
    };
    let learn = rows(&|cutoff| cutoff < test && cutoff <= last_learned);
    score(
        &sheet.table(&["id", "y", "cutoff"])?,
        &churned,
        &periods,
        &learn,
        &rows(&|cutoff| cutoff == test),
    )
}

fn score(
    table: &Table,
    churned: &[bool],
    periods: &[u32],
    learn: &[usize],
    test: &[usize],
) -> Result<Trial> {
    let past = (
        table.rows(learn),
        pick(churned, learn),
        pick(periods, learn),
    );
    let risk = Risk::learn(
        &Past {
            table: &past.0,
            churned: &past.1,
            periods: &past.2,
        },
        SEED,
    )?;
    let said = risk.probabilities(&table.rows(test));
    let log_odds: Vec<f64> = said
        .iter()
        .map(|&p| tenure_learn::logistic::logit(p))
        .collect();
    let of_test = Quality::of(
        &log_odds,
        &pick(churned, test),
        tenure_learn::calibration::Calibration::NONE,
        SEED,
    );
    let highest = said.iter().copied().fold(0.0, f64::max);
    Ok(Trial {
        of_test,
        recipe: risk.recipe,
        established: risk.quality.is_established(),
        highest,
    })
}
