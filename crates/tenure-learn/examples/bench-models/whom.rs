//! Uplift: whom a mailing helps.

use std::path::Path;

use anyhow::Result;
use tenure_learn::table::{pick, stratified_folds};
use tenure_learn::uplift::{Uplift, qini};

use crate::Figure;
use crate::source::Sheet;

const FOLDS: usize = 5;

/// 64 000 customers in three arms drawn by chance; the outcome is a visit.
pub(crate) fn hillstrom(data: &Path) -> Result<Vec<Figure>> {
    let sheet = Sheet::read(&data.join("hillstrom/hillstrom.csv"))?;
    let womens = ranking(
        &sheet,
        |arm| arm == "Womens E-Mail",
        |arm| arm != "Mens E-Mail",
    )?;
    let any = ranking(&sheet, |arm| arm != "No E-Mail", |_| true)?;
    Ok(vec![
        Figure::goal(
            "hillstrom",
            "women's mail, visit, normalised Qini",
            format!("{:.3} ({:.3})", womens.0, womens.1),
            "0.067 (0.008)",
            womens.0 >= 0.067 - 0.008,
        ),
        Figure::goal(
            "hillstrom",
            "any mail, visit, normalised Qini",
            format!("{:.3} ({:.3})", any.0, any.1),
            "0.036 (0.006)",
            any.0 >= 0.036 - 0.006,
        ),
    ])
}

fn ranking(
    sheet: &Sheet,
    treated: fn(&str) -> bool,
    included: fn(&str) -> bool,
) -> Result<(f64, f64)> {
    let arms = sheet.texts("segment")?;
    let visits = sheet.numbers("visit")?;
    let rows: Vec<usize> = (0..sheet.row_count())
        .filter(|&row| included(arms[row]))
        .collect();
    let table = sheet
        .table(&["segment", "visit", "conversion", "spend"])?
        .rows(&rows);
    let treated: Vec<bool> = rows.iter().map(|&row| treated(arms[row])).collect();
    let visited: Vec<bool> = rows.iter().map(|&row| visits[row] > 0.5).collect();
    // Folds keep the shares of all four combinations of arm and outcome close enough when drawn by outcome.
    let folds = stratified_folds(&visited, FOLDS, 42);
    let mut scores = Vec::new();
    for fold in 0..FOLDS {
        let part = |inside: bool| -> Vec<usize> {
            (0..rows.len())
                .filter(|&row| (folds[row] == fold) == inside)
                .collect()
        };
        let (learn, test) = (part(false), part(true));
        let uplift = Uplift::learn(
            &table.rows(&learn),
            &pick(&treated, &learn),
            &pick(&visited, &learn),
        )?;
        scores.push(qini(
            &uplift.effects(&table.rows(&test)),
            &pick(&treated, &test),
            &pick(&visited, &test),
        ));
    }
    Ok(tenure_learn::measure::mean_and_deviation(&scores))
}
