//! Health definitions.

use crate::define::{Audience, Condition};
use crate::expr::{Expr, Scope};
use crate::health::{
    ComponentDef, Curve, CurveFault, HealthDef, MAX_CURVE_POINTS, MAX_HEALTH_COMPONENTS,
    ZONE_CHANGED, Zones,
};
use crate::lang::yaml::node::{Kind, Node};
use crate::lang::yaml::quantity::{duration_ms, short};
use crate::lang::yaml::reader::{EventScope, Fields, Reader};
use crate::plan::parts;

use super::program::PRIORITY_RANGE;

/// Where zones begin when nothing is said.
const DEFAULT_ZONES: (f64, f64) = (70.0, 50.0);
/// How far above its beginning a better zone is reached when nothing is said.
const DEFAULT_HYSTERESIS: f64 = 5.0;
/// The largest weight.
const MAX_WEIGHT: f64 = 1_000_000.0;

impl Reader<'_> {
    pub(super) fn health(&mut self, mut fields: Fields<'_>) -> Option<HealthDef> {
        let name = fields
            .take("health")
            .and_then(|node| self.name(node, "a health definition's name"));
        let about = self.optional_text(&mut fields, "about");
        let audience = if fields.has("audience") {
            self.audience(&mut fields)
        } else {
            Audience::Account
        };
        let when = fields.take("when");
        let when = when.map(|node| self.condition(node, audience, EventScope::None));
        let priority = fields
            .take("priority")
            .and_then(|node| self.integer(node, "`priority`", PRIORITY_RANGE))
            .unwrap_or(0);
        let zones = self.zones(&mut fields);
        let components = self
            .required(
                &mut fields,
                "components",
                "list what health is made of: `- { name: logins, weight: 1, value: count(\"login\", 7d), curve: [[0, 0], [5, 100]] }`",
            )
            .map(|node| self.components(node, audience));
        self.finish(&fields, "a health definition");
        Some(HealthDef {
            name: name?,
            about: about.unwrap_or_default(),
            audience,
            when: match when {
                Some(when) => Some(when?),
                None => None,
            },
            priority: i32::try_from(priority).unwrap_or(0),
            zones: zones?,
            components: components?,
            place: self.place(fields.span),
        })
    }

    fn zones(&mut self, fields: &mut Fields<'_>) -> Option<Zones> {
        let (mut healthy, mut watch) = DEFAULT_ZONES;
        let mut span = fields.head();
        if let Some(node) = fields.take("zones") {
            span = node.span;
            let help = "write for example `zones: { healthy: 70, watch: 50 }`";
            let mut inner = self.fields(node, "`zones`", help)?;
            for (key, value) in [("healthy", &mut healthy), ("watch", &mut watch)] {
                let node = self.required(&mut inner, key, help)?;
                *value = self.decimal(node, &format!("`{key}`"), 0.0, 100.0)?;
            }
            self.finish(&inner, "`zones`");
        }
        let hysteresis = match fields.take("hysteresis") {
            Some(node) => self.decimal(node, "`hysteresis`", 0.0, 50.0)?,
            None => DEFAULT_HYSTERESIS,
        };
        if watch >= healthy || watch <= 0.0 {
            self.error(
                "bad-zones",
                span,
                "`healthy` begins above `watch`, and `watch` above 0",
                "below `watch` is at risk: write for example `zones: { healthy: 70, watch: 50 }`",
            );
            return None;
        }
        if healthy + hysteresis > 100.0 {
            self.error(
                "bad-zones",
                span,
                "no score is high enough to become healthy again",
                "`healthy` and `hysteresis` together are at most 100",
            );
            return None;
        }
        Some(Zones {
            healthy,
            watch,
            hysteresis,
        })
    }

    /// A number in a range, in digits.
    fn decimal(&mut self, node: &Node, what: &str, least: f64, most: f64) -> Option<f64> {
        let text = self.text(node, what)?;
        let number = text.parse::<f64>().ok();
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.error(
                "bad-number",
                node.span,
                format!("{what} is a number from {least} to {most}"),
                "write the digits alone",
            );
        }
        number
    }

    fn components(&mut self, node: &Node, audience: Audience) -> Vec<ComponentDef> {
        let items = self.items(node, "`components`");
        if items.is_empty() || items.len() > MAX_HEALTH_COMPONENTS {
            self.error(
                "component-count",
                node.span,
                format!("health has from 1 to {MAX_HEALTH_COMPONENTS} components"),
                "join some of them, or write at least one",
            );
        }
        let mut out: Vec<ComponentDef> = Vec::new();
        for item in items.iter().take(MAX_HEALTH_COMPONENTS) {
            let Some(component) = self.component(item, audience) else {
                continue;
            };
            if out.iter().any(|known| known.name == component.name) {
                self.error(
                    "duplicate-name",
                    item.span,
                    format!("there are two components `{}`", component.name),
                    "rename one of them, or remove it",
                );
            }
            out.push(component);
        }
        out
    }

    fn component(&mut self, node: &Node, audience: Audience) -> Option<ComponentDef> {
        let help = "write for example `{ name: logins, weight: 1, value: count(\"login\", 7d), curve: [[0, 0], [5, 100]] }`";
        let mut fields = self.fields(node, "a component", help)?;
        let name = self
            .required(&mut fields, "name", help)
            .and_then(|node| self.name(node, "a component's name"));
        let about = self.optional_text(&mut fields, "about");
        let weight = match fields.take("weight") {
            Some(node) => self.weight(node),
            None => Some(1.0),
        };
        let value = self
            .required(&mut fields, "value", help)
            .and_then(|node| Some((self.measure(node, audience)?, node)));
        if let Some(((value, _), node)) = &value
            && reads_zone_changes(&value.expr)
        {
            self.error(
                "health-echo",
                node.span,
                format!("health cannot count `{ZONE_CHANGED}`: each change would cause the next"),
                "count what the customer does",
            );
        }
        let duration = value.as_ref().and_then(|((_, duration), _)| *duration);
        let curve = self
            .required(&mut fields, "curve", help)
            .and_then(|node| self.curve(node, duration));
        self.finish(&fields, "a component");
        Some(ComponentDef {
            name: name?,
            about: about.unwrap_or_default(),
            weight: weight?,
            value: value?.0.0,
            curve: curve?,
            durations: duration == Some(true),
        })
    }

    fn weight(&mut self, node: &Node) -> Option<f64> {
        let text = self.text(node, "`weight`")?;
        let digits = text.strip_suffix('%').unwrap_or(text).trim();
        let weight = digits.parse::<f64>().ok();
        let weight = weight.filter(|weight| *weight > 0.0 && *weight <= MAX_WEIGHT);
        if weight.is_none() {
            self.error(
                "bad-number",
                node.span,
                "`weight` is a number above 0",
                "weights count beside each other: 1 and 3 are a quarter and three quarters",
            );
        }
        weight
    }

    /// `duration` says whether the value is one, if that is known.
    fn curve(&mut self, node: &Node, duration: Option<bool>) -> Option<Curve> {
        let items = self.items(node, "`curve`");
        let mut points = Vec::with_capacity(items.len());
        let mut spans = Vec::with_capacity(items.len());
        for item in items.iter().take(MAX_CURVE_POINTS + 1) {
            points.push(self.point(item, duration)?);
            spans.push(item.span);
        }
        let faults = match Curve::new(points) {
            Ok(curve) => return Some(curve),
            Err(faults) => faults,
        };
        for fault in faults {
            let (span, message, help) = match fault {
                CurveFault::PointCount => (
                    node.span,
                    format!("a curve has from 2 to {MAX_CURVE_POINTS} points"),
                    "write for example `[[0, 0], [5, 100]]`",
                ),
                CurveFault::NotRising(at) => (
                    spans[at],
                    "the numbers of a curve rise from point to point".to_owned(),
                    "put the points into order; of two with the same number remove one",
                ),
                CurveFault::Score(at) => (
                    spans[at],
                    "the second part of a point is a score from 0 to 100".to_owned(),
                    "write the number first and the score after it",
                ),
            };
            self.error("bad-curve", span, message, help);
        }
        None
    }

    fn point(&mut self, node: &Node, duration: Option<bool>) -> Option<(f64, f64)> {
        let help = "a point is `[number, score]`, for example `[20%, 40]` or `[14d, 0]`";
        let pair = match &node.kind {
            Kind::Sequence(pair) if pair.len() == 2 => pair,
            _ => {
                self.error("bad-curve", node.span, "this is no point of a curve", help);
                return None;
            }
        };
        let number = self.text(&pair[0], "a point's number")?.to_owned();
        let score = self.text(&pair[1], "a point's score")?;
        let parsed = score.parse::<f64>().ok();
        let Some(score) = parsed.filter(|score| score.is_finite()) else {
            let message = format!("`{}` is no score", short(score));
            self.error("bad-curve", pair[1].span, message, help);
            return None;
        };
        let Some((found, is_duration)) = measure_of(&number) else {
            let message = format!("`{}` is no number", short(&number));
            self.error("bad-curve", pair[0].span, message, help);
            return None;
        };
        if let Some(wanted) = duration.filter(|wanted| *wanted != is_duration) {
            let (message, help) = if wanted {
                (
                    "the value is a duration, and this is none",
                    "write for example `14d`",
                )
            } else {
                (
                    "the value is a number, and this is a duration",
                    "leave out the unit",
                )
            };
            self.error("bad-curve", pair[0].span, message, help);
            return None;
        }
        Some((found, score))
    }

    /// A number or a duration, with whether it is one.
    fn measure(&mut self, node: &Node, audience: Audience) -> Option<(Condition, Option<bool>)> {
        let (value, duration) = self.measured(node, audience)?;
        self.note_references(&value.expr, audience, node.span);
        if super::reader::reads_event(&value.expr) {
            self.error(
                "no-event-here",
                node.span,
                "there is no event whose properties could be read here",
                "a trait of this name is written in backticks",
            );
        }
        Some((value, duration))
    }
}

/// A number as written in a point: digits, a percentage or (then true) a duration in milliseconds.
fn measure_of(text: &str) -> Option<(f64, bool)> {
    let negative = text.strip_prefix('-');
    if let Some(ms) = duration_ms(negative.unwrap_or(text)) {
        let ms = ms as f64;
        return Some((if negative.is_some() { -ms } else { ms }, true));
    }
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse::<f64>().ok()?,
    };
    number.is_finite().then_some((number, false))
}

fn reads_zone_changes(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Aggregate(scope, aggregate) => {
            *scope != Scope::Event && &*aggregate.event == ZONE_CHANGED
        }
        _ => false,
    };
    own || parts(expr).into_iter().any(reads_zone_changes)
}
