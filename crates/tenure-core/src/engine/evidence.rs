//! Evidence of a signal: what its condition compared, with the values of that moment.

use serde_json::{Map, Value as Json};

use crate::expr::Expr;
use crate::lang::sentence;
use crate::plan::Signal;

use super::eval::Scene;

/// The most facts told with a signal.
const MAX_FACTS: usize = 20;

/// What is told with a signal: a JSON object with `about`, `severity` and `condition` of the
/// definition, and `facts`, a list of what was compared (in words) and its value. Durations are
/// milliseconds.
pub(super) fn evidence(scene: &Scene<'_>, signal: &Signal) -> Box<str> {
    let condition = &scene.plan.conditions[signal.condition.0 as usize];
    let mut facts = Vec::new();
    gather(scene, &condition.expr, &mut facts);
    let told = serde_json::from_str::<Map<String, Json>>(&signal.evidence);
    let mut told = told.unwrap_or_default();
    told.insert("facts".into(), Json::Array(facts));
    Json::Object(told).to_string().into()
}

fn gather<'a>(scene: &Scene<'a>, expr: &'a Expr, out: &mut Vec<Json>) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => {
            for part in parts {
                gather(scene, part, out);
            }
        }
        Expr::Not(inner) | Expr::Held(inner, _) => gather(scene, inner, out),
        Expr::Compare(_, left, right) => {
            fact(scene, left, out);
            fact(scene, right, out);
        }
        Expr::In(value, _) => fact(scene, value, out),
        Expr::InSegment(_, name) => {
            let segment = scene.plan.segment(name);
            if let Some(segment) = segment.filter(|one| one.audience == scene.audience) {
                let condition = &scene.plan.conditions[segment.condition.0 as usize];
                gather(scene, &condition.expr, out);
            }
        }
        _ => {}
    }
}

fn fact<'a>(scene: &Scene<'a>, expr: &'a Expr, out: &mut Vec<Json>) {
    if matches!(
        expr,
        Expr::Literal(_) | Expr::Duration(_) | Expr::Instant(_) | Expr::Now
    ) || out.len() >= MAX_FACTS
    {
        return;
    }
    let what = sentence(expr);
    if out.iter().any(|known| known["what"] == what.as_str()) {
        return;
    }
    let value = scene
        .value(expr)
        .map_or(Json::Null, |value| value.to_json());
    out.push(serde_json::json!({"what": what, "value": value}));
}
