//! Customers without a contract: what they will still buy.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use tenure_learn::measure::roc_auc;
use tenure_learn::purchase::{BetaNbd, Leaving, ParetoNbd, Process, Record, record_of};

use crate::Figure;

/// Weeks to fit on, and as many to be judged by.
const WEEKS: f64 = 39.0;

/// A music shop: 2 357 customers, of whom every purchase of 78 weeks is known.
pub(crate) fn cdnow(data: &Path) -> Result<Vec<Figure>> {
    let path = data.join("cdnow/CDNOW_sample.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    let customers = customers(&text)?;
    let records: Vec<Record> = customers.iter().map(|(record, _)| *record).collect();
    let pareto = ParetoNbd::fit(&records)?;
    let plain = BetaNbd::fit(&records, Leaving::AfterRepeats)?;
    let modified = BetaNbd::fit(&records, Leaving::AfterEach)?;
    let mut figures = Vec::new();
    figures.extend(judge(
        "Pareto/NBD",
        &pareto,
        &customers,
        ("0.755", 0.755),
        ("1.603", 1.603),
    ));
    figures.extend(judge(
        "BG/NBD",
        &plain,
        &customers,
        ("0.785", 0.785),
        ("1.608", 1.608),
    ));
    figures.extend(judge(
        "MBG/NBD",
        &modified,
        &customers,
        ("0.765", 0.765),
        ("1.607", 1.607),
    ));
    figures.push(Figure::goal(
        "cdnow",
        "BG/NBD log likelihood",
        format!("{:.2}", plain.log_likelihood),
        "-9582.43",
        plain.log_likelihood >= -9582.44,
    ));
    let alive: Vec<f64> = records.iter().map(|record| pareto.alive(record)).collect();
    let bought: Vec<bool> = customers.iter().map(|(_, later)| *later > 0.0).collect();
    let area = roc_auc(&alive, &bought);
    figures.push(Figure::goal(
        "cdnow",
        "Pareto/NBD alive, ROC-AUC",
        format!("{area:.3}"),
        "0.73 (0.01)",
        area >= 0.72,
    ));
    Ok(figures)
}

fn judge(
    name: &str,
    process: &dyn Process,
    customers: &[(Record, f64)],
    mae: (&'static str, f64),
    rmse: (&'static str, f64),
) -> [Figure; 2] {
    let errors: Vec<f64> = customers
        .iter()
        .map(|(record, later)| process.expected_purchases(record, WEEKS) - later)
        .collect();
    let count = errors.len() as f64;
    let mean = errors.iter().map(|error| error.abs()).sum::<f64>() / count;
    let root = (errors.iter().map(|error| error * error).sum::<f64>() / count).sqrt();
    // The standard error of a mean over these customers is about 0.03; the processes are the same, so 0.005 is asked.
    [
        Figure::goal(
            "cdnow",
            format!("{name} MAE, next 39 weeks"),
            format!("{mean:.3}"),
            mae.0,
            mean <= mae.1 + 0.005,
        ),
        Figure::goal(
            "cdnow",
            format!("{name} RMSE"),
            format!("{root:.3}"),
            rmse.0,
            root <= rmse.1 + 0.005,
        ),
    ]
}

/// Each customer's record after 39 weeks, and how many purchases followed.
fn customers(text: &str) -> Result<Vec<(Record, f64)>> {
    let mut purchases: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, customer, day, ..] = fields[..] else {
            continue;
        };
        let at =
            week_of(day).with_context(|| format!("line {}: {day:?} is not a day", number + 1))?;
        purchases.entry(customer).or_default().push(at);
    }
    let seen = purchases.values().filter_map(|times| {
        let mut later: Vec<f64> = times.iter().copied().filter(|&at| at > WEEKS).collect();
        later.sort_by(f64::total_cmp);
        later.dedup();
        Some((record_of(times, WEEKS)?, later.len() as f64))
    });
    Ok(seen.collect())
}

/// Weeks since the last day of 1996 of a day like 19970101.
fn week_of(day: &str) -> Option<f64> {
    let date: jiff::civil::Date = jiff::civil::Date::strptime("%Y%m%d", day).ok()?;
    let first = jiff::civil::date(1996, 12, 31);
    Some(f64::from(first.until(date).ok()?.get_days()) / 7.0)
}
