//! Health in words and figures: what each component says, and what it contributes.

use serde::Serialize;

use crate::engine::eval::Scene;
use crate::engine::score::{Part, weigh, zone_of};
use crate::id::SubjectId;
use crate::lang::sentence;
use crate::plan::Plan;
use crate::subject::Root;
use crate::time::Timestamp;

use super::{ComponentDef, HealthDef, Zone, day_of};

/// A subject's health with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthReading {
    /// The definition that applies.
    pub definition: String,
    /// The score, 0 to 100, in tenths; `None` if no component has data.
    pub score: Option<f64>,
    /// The zone.
    pub zone: Option<Zone>,
    /// The share of the weight that has data, 0 to 1.
    pub coverage: f64,
    /// The score less that of the midnight (UTC) that began the day a week ago, in tenths.
    pub trend_7d: Option<f64>,
    /// The same for 30 days ago.
    pub trend_30d: Option<f64>,
    /// What it is made of, in the order of the definition.
    pub components: Vec<ComponentReading>,
}

/// One component of a subject's health.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentReading {
    /// Its name.
    pub name: String,
    /// What it says, in words.
    pub about: String,
    /// How its number is found, in words.
    pub measure: String,
    /// The weight as written.
    pub weight: f64,
    /// The number; durations in milliseconds; `None` without data.
    pub value: Option<f64>,
    /// What the curve makes of it, 0 to 100, in tenths.
    pub score: Option<f64>,
    /// What it gives to the score, in tenths: the contributions add up to it exactly.
    pub contribution: Option<f64>,
    /// The whole in a sentence.
    pub sentence: String,
}

/// The health of a subject of a root now; `None` if no definition applies to it, or the history it
/// needs is not complete yet.
pub fn explain(
    plan: &Plan,
    root: &Root,
    subject: SubjectId,
    now: Timestamp,
) -> Option<HealthReading> {
    let scene = &Scene::of(plan, root, subject, now);
    let health = scene.plan.health(scene.audience)?;
    let state = scene.own?;
    if !state.conditions.contains_key(&health.key) {
        return None;
    }
    let (def, parts) = scene.parts(health)?;
    let found = scene.score(health).0;
    let (score, _, coverage, contributions) = weigh(def, &parts);
    let contributions = rounded_parts(&contributions);
    let trend = |days: i64| {
        let before = state.health.score_on(day_of(scene.now) - days)?;
        Some(tenths(score? - f64::from(before)))
    };
    let readings = def.components.iter().zip(&parts).zip(&contributions);
    Some(HealthReading {
        definition: def.name.clone(),
        score: score.map(tenths),
        zone: zone_of(health, found, state.health.zone),
        coverage,
        trend_7d: trend(7),
        trend_30d: trend(30),
        components: readings
            .map(|((component, part), contribution)| reading(component, *part, *contribution))
            .collect(),
    })
}

/// The score of a subject of a root now, unrounded; `None` if no definition applies to it, nothing
/// has data, or the history it needs is not complete yet.
pub fn score_at(plan: &Plan, root: &Root, subject: SubjectId, now: Timestamp) -> Option<f64> {
    let scene = Scene::of(plan, root, subject, now);
    let health = plan.health(scene.audience)?;
    let kept = scene.own?.conditions.contains_key(&health.key);
    scene.score(health).0.filter(|_| kept)?.score
}

fn reading(component: &ComponentDef, part: Option<Part>, contribution: f64) -> ComponentReading {
    let measure = sentence(&component.value.expr);
    let sentence = match part {
        None => format!(
            "{}: no data ({measure}), so the others count for more",
            component.name
        ),
        Some(part) => format!(
            "{}: {measure} is {}, which scores {} and gives {contribution} points",
            component.name,
            figure(part.value, component),
            tenths(part.score),
        ),
    };
    ComponentReading {
        name: component.name.clone(),
        about: component.about.clone(),
        measure,
        weight: component.weight,
        value: part.map(|part| part.value),
        score: part.map(|part| tenths(part.score)),
        contribution: part.map(|_| contribution),
        sentence,
    }
}

/// A number as a person reads it.
fn figure(value: f64, component: &ComponentDef) -> String {
    if component.durations {
        let days = value / crate::time::DAY_MS as f64;
        return format!("{days:.1} days");
    }
    let rounded = (value * 1_000.0).round() / 1_000.0;
    rounded.to_string()
}

/// Rounded to tenths.
fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Parts in tenths whose sum is the rounded sum: the largest remainders are rounded up (Hamilton's
/// method).
fn rounded_parts(parts: &[f64]) -> Vec<f64> {
    let whole = |part: &f64| (part * 10.0).floor();
    let total = (parts.iter().sum::<f64>() * 10.0).round();
    let mut out: Vec<f64> = parts.iter().map(whole).collect();
    let mut by_rest: Vec<usize> = (0..parts.len()).collect();
    let rest = |at: usize| parts[at] * 10.0 - whole(&parts[at]);
    by_rest.sort_by(|a, b| rest(*b).total_cmp(&rest(*a)).then(a.cmp(b)));
    let missing = total - out.iter().sum::<f64>();
    for at in by_rest.into_iter().take(missing.max(0.0) as usize) {
        out[at] += 1.0;
    }
    out.into_iter().map(|tenth| tenth / 10.0).collect()
}

/// Properties of the event of a change of zone: a JSON object.
pub(crate) fn zone_changed(
    def: &HealthDef,
    parts: &[Option<Part>],
    from: Zone,
    to: Zone,
) -> String {
    let (score, _, coverage, contributions) = weigh(def, parts);
    let names = def
        .components
        .iter()
        .map(|component| component.name.clone());
    let told = parts.iter().zip(rounded_parts(&contributions));
    let contributions: serde_json::Map<String, serde_json::Value> = names
        .zip(told)
        .filter_map(|(name, (part, given))| part.map(|_| (name, given.into())))
        .collect();
    serde_json::json!({
        "from": from.as_str(),
        "to": to.as_str(),
        "score": score.map(tenths),
        "coverage": (coverage * 100.0).round() / 100.0,
        "definition": def.name,
        "contributions": contributions,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_contributions_add_up_to_the_rounded_score() {
        assert_eq!(rounded_parts(&[33.333, 33.333, 33.334]), [33.3, 33.3, 33.4]);
        assert_eq!(rounded_parts(&[0.04, 0.04, 0.04]), [0.1, 0.0, 0.0]);
        assert_eq!(rounded_parts(&[]), Vec::<f64>::new());
    }
}
