//! Evaluation: every answer comes with the earliest instant at which time alone could change it.

use std::cmp::Ordering;

use jiff::tz::TimeZone;

use crate::aggregate::{Reading, Series};
use crate::define::Audience;
use crate::expr::{Aggregate, Comparison, Expr, Function, Operator, Scope, Window};
use crate::id::SubjectId;
use crate::plan::{Plan, PropertyMap, Reads, TrackedCondition, audience_of, reach_ms};
use crate::policy::local::zone_of;
use crate::subject::{Root, SubjectState};
use crate::time::{MINUTE_MS, Timestamp};
use crate::value::Value;

/// How many changes that change nothing are looked past, so that few wake-ups are wasted.
const LOOK_AHEAD: usize = 8;
/// A product of two values that both move with time has no simple crossing; it is looked at again
/// after so long.
const NON_LINEAR_RECHECK_MS: i64 = MINUTE_MS;

/// What an expression is evaluated against.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) audience: Audience,
    pub(crate) own: Option<&'a SubjectState>,
    pub(crate) account: Option<&'a SubjectState>,
    pub(crate) people_count: Option<usize>,
    pub(crate) event: Option<&'a PropertyMap>,
    pub(crate) now: Timestamp,
    /// What the tracked condition reads, if it is one: its series are found among few.
    pub(crate) reads: Option<&'a Reads>,
}

/// A value while it is computed. Numbers and instants say by how many milliseconds (or units)
/// they move per millisecond.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Val<'a> {
    Unknown,
    Bool(bool),
    Number { value: f64, slope: f64 },
    Instant { at: f64, slope: f64 },
    Text(&'a str),
    List(&'a [Value]),
}

/// An answer and when it could change though nothing happens.
pub(super) type Timed<T> = (T, Option<Timestamp>);

impl<'a> Scene<'a> {
    /// The scene of a subject of a root.
    pub(crate) fn of(plan: &'a Plan, root: &'a Root, subject: SubjectId, now: Timestamp) -> Self {
        let own = root.subject(subject);
        let audience = match subject {
            SubjectId::Account(_) => Audience::Account,
            SubjectId::Person(_) => Audience::Person,
        };
        let in_account = root.id.0.account().is_some();
        Self {
            plan,
            audience,
            own,
            account: root.account(),
            people_count: in_account.then_some(root.people().len()),
            event: None,
            now,
            reads: None,
        }
    }

    /// The answer of a tracked condition, and the next instant at which it is worth asking again.
    pub(crate) fn answer(self, condition: &'a TrackedCondition) -> Timed<Option<bool>> {
        let expr = &condition.expr;
        let reads = Some(&condition.reads);
        let scene = Self { reads, ..self };
        let (answer, mut next) = scene.logic(expr);
        for _ in 0..LOOK_AHEAD {
            let Some(at) = next else { break };
            let (later, after) = Self { now: at, ..scene }.logic(expr);
            if later != answer {
                break;
            }
            next = after;
        }
        (answer, next)
    }

    /// The value of any expression.
    pub(crate) fn value(&self, expr: &'a Expr) -> Option<Value> {
        match self.eval(expr).0 {
            Val::Unknown => None,
            Val::Bool(flag) => Some(Value::Bool(flag)),
            Val::Number { value, .. } => Some(Value::Number(value)),
            Val::Instant { at, .. } => Some(Value::Number(at)),
            Val::Text(text) => Some(Value::text(text)),
            Val::List(items) => Some(Value::List(items.to_vec())),
        }
    }

    pub(crate) fn logic(&self, expr: &'a Expr) -> Timed<Option<bool>> {
        match expr {
            Expr::Not(inner) => {
                let (answer, next) = self.logic(inner);
                (answer.map(|flag| !flag), next)
            }
            Expr::And(all) => self.all(all, false),
            Expr::Or(all) => self.all(all, true),
            Expr::Compare(comparison, left, right) => self.compare(*comparison, left, right),
            Expr::In(inner, values) => {
                let (value, next) = self.eval(inner);
                let found = || values.iter().any(|known| equals(&value, known));
                (known(&value).then(found), next)
            }
            Expr::Contains(whole, part) => self.texts(whole, part, contains),
            Expr::StartsWith(whole, part) => self.texts(whole, part, starts_with),
            Expr::Known(inner) => {
                let (value, next) = self.eval(inner);
                (Some(known(&value)), next)
            }
            Expr::InSegment(scope, name) => (self.in_segment(*scope, name), None),
            Expr::Held(inner, for_ms) => self.held(inner, *for_ms),
            other => match self.eval(other) {
                (Val::Bool(flag), next) => (Some(flag), next),
                (_, next) => (None, next),
            },
        }
    }

    /// Kleene's `and` (`decisive` is false) and `or` (`decisive` is true). A decisive part decides
    /// alone, so nothing else matters until it changes.
    fn all(&self, parts: &'a [Expr], decisive: bool) -> Timed<Option<bool>> {
        let mut answer = Some(!decisive);
        let mut next = None;
        for part in parts {
            let (value, changes_at) = self.logic(part);
            if value == Some(decisive) {
                return (value, changes_at);
            }
            if value.is_none() {
                answer = None;
            }
            next = earliest(next, changes_at);
        }
        (answer, next)
    }

    fn compare(&self, op: Comparison, left: &'a Expr, right: &'a Expr) -> Timed<Option<bool>> {
        if let Some(exact) = self.count_against_constant(op, left, right) {
            return exact;
        }
        let (left, left_next) = self.eval(left);
        let (right, right_next) = self.eval(right);
        let next = earliest(left_next, right_next);
        match (left, right) {
            (
                Val::Number { value: left, slope },
                Val::Number {
                    value: right,
                    slope: other,
                },
            )
            | (
                Val::Instant { at: left, slope },
                Val::Instant {
                    at: right,
                    slope: other,
                },
            ) => self.compare_linear(op, left - right, slope - other, next),
            (Val::Instant { at, slope }, Val::Text(text)) => match self.instant_of(text) {
                Some(other) => self.compare_linear(op, at - other.0 as f64, slope, next),
                None => (None, next),
            },
            (Val::Text(text), Val::Instant { at, slope }) => match self.instant_of(text) {
                Some(other) => self.compare_linear(op, other.0 as f64 - at, -slope, next),
                None => (None, next),
            },
            (Val::Text(left), Val::Text(right)) => (Some(ordered(op, left.cmp(right))), next),
            (Val::Bool(left), Val::Bool(right)) => (equality(op, left == right), next),
            (Val::List(left), Val::List(right)) => (equality(op, left == right), next),
            _ => (None, next),
        }
    }

    fn compare_linear(
        &self,
        op: Comparison,
        difference: f64,
        slope: f64,
        next: Option<Timestamp>,
    ) -> Timed<Option<bool>> {
        let Some(order) = difference.partial_cmp(&0.0) else {
            return (None, next);
        };
        let crossing = crossing_ms(op, difference, slope).map(|ms| self.now.plus_ms(ms));
        (Some(ordered(op, order)), earliest(next, crossing))
    }

    /// A count in a window that ends now, against a constant: the exact instant at which enough
    /// events have left is known at once.
    fn count_against_constant(
        &self,
        op: Comparison,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Option<Timed<Option<bool>>> {
        let (Expr::Aggregate(scope, aggregate), Expr::Literal(Value::Number(constant))) =
            (left, right)
        else {
            return None;
        };
        let window = aggregate.window.filter(|window| window.offset_ms == 0)?;
        if aggregate.function != Function::Count {
            return None;
        }
        let Some(series) = self.series(*scope, aggregate) else {
            return Some((None, None));
        };
        let test = |count: u64| {
            let order = (count as f64).partial_cmp(constant);
            order.is_some_and(|order| ordered(op, order))
        };
        let count = series.count(Some(window), self.now).value;
        let flip = series.next_count_flip(window, self.now, test);
        Some((Some(test(count)), flip))
    }

    fn texts(
        &self,
        whole: &'a Expr,
        part: &'a Expr,
        test: fn(&Val<'_>, &Val<'_>) -> Option<bool>,
    ) -> Timed<Option<bool>> {
        let (whole, whole_next) = self.eval(whole);
        let (part, part_next) = self.eval(part);
        (test(&whole, &part), earliest(whole_next, part_next))
    }

    fn in_segment(&self, scope: Scope, name: &str) -> Option<bool> {
        let segment = self.plan.segment(name)?;
        let Some(state) = self.state(scope) else {
            return Some(false);
        };
        let key = self.plan.conditions[segment.condition.0 as usize].key;
        let known = state.conditions.get(key)?;
        Some(known.value == Some(true))
    }

    fn held(&self, inner: &Expr, for_ms: i64) -> Timed<Option<bool>> {
        let known = || {
            let index = self.plan.condition_of(self.audience, inner)?;
            let key = self.plan.conditions[index.0 as usize].key;
            self.own?.conditions.get(key)
        };
        match known() {
            Some(state) if state.value == Some(true) => {
                let due = state.since.plus_ms(for_ms);
                let held = due <= self.now;
                (Some(held), (!held).then_some(due))
            }
            Some(state) => (state.value, None),
            None => (None, None),
        }
    }

    /// The state whose value an expression of `scope` reads.
    fn state(&self, scope: Scope) -> Option<&'a SubjectState> {
        match (scope, self.audience) {
            (Scope::Account, Audience::Person) => self.account,
            _ => self.own,
        }
    }

    fn series(&self, scope: Scope, aggregate: &Aggregate) -> Option<&'a Series> {
        let state = self.state(scope)?;
        let audience = audience_of(self.audience, scope);
        let spec = match self.reads {
            Some(reads) => {
                let few = if audience == self.audience {
                    &reads.series
                } else {
                    &reads.account_series
                };
                let mut few = few.iter().map(|&at| &self.plan.series[at as usize]);
                few.find(|spec| spec.serves(audience, aggregate))?
            }
            None => self.plan.series_of(audience, aggregate)?,
        };
        let series = state.series.get(&spec.key)?;
        series.covers(reach_ms(aggregate)).then_some(series)
    }

    pub(super) fn eval(&self, expr: &'a Expr) -> Timed<Val<'a>> {
        match expr {
            Expr::Literal(value) => (Val::of(value), None),
            Expr::Duration(ms) => (number(*ms as f64), None),
            Expr::Instant(at) => (instant(*at), None),
            Expr::Local(at) => {
                let at = Timestamp::of_local(*at, &self.zone());
                (at.map_or(Val::Unknown, instant), None)
            }
            Expr::Trait(scope, name) => (self.named(*scope, name), None),
            Expr::Aggregate(scope, aggregate) => self.aggregate(*scope, aggregate),
            Expr::Now => {
                let at = self.now.0 as f64;
                (Val::Instant { at, slope: 1.0 }, None)
            }
            Expr::Since(inner) => self.distance(inner, 1.0),
            Expr::Until(inner) => self.distance(inner, -1.0),
            Expr::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right),
            Expr::Health(scope, field) => self.health(*scope, *field),
            Expr::PeopleCount(_) => (
                self.people_count.map_or(Val::Unknown, |n| number(n as f64)),
                None,
            ),
            _ => {
                let (answer, next) = self.logic(expr);
                (answer.map_or(Val::Unknown, Val::Bool), next)
            }
        }
    }

    fn named(&self, scope: Scope, name: &str) -> Val<'a> {
        let found = match scope {
            Scope::Event => self.event.and_then(|event| event.get(name)),
            _ => self.state(scope).and_then(|state| state.traits.get(name)),
        };
        found.map_or(Val::Unknown, Val::of)
    }

    fn aggregate(&self, scope: Scope, aggregate: &Aggregate) -> Timed<Val<'a>> {
        let Some(series) = self.series(scope, aggregate) else {
            return (Val::Unknown, None);
        };
        let (function, window) = (aggregate.function, aggregate.window);
        match function {
            Function::Count => timed(series.count(window, self.now), |n| number(n as f64)),
            Function::Sum | Function::Min | Function::Max | Function::Average => {
                let reading = series.number(function, window, self.now);
                timed(reading, |found| found.map_or(Val::Unknown, number))
            }
            Function::Distinct | Function::ActivePeople => {
                timed(series.distinct(window, self.now), |n| number(n as f64))
            }
            Function::First | Function::Last => self.edge(series, aggregate, window),
        }
    }

    fn edge(
        &self,
        series: &'a Series,
        aggregate: &Aggregate,
        window: Option<Window>,
    ) -> Timed<Val<'a>> {
        let function = aggregate.function;
        if aggregate.property.is_some() {
            let reading = series.value(function, window, self.now);
            timed(reading, |found| found.map_or(Val::Unknown, Val::of))
        } else {
            let reading = series.instant(function, window, self.now);
            timed(reading, |found| found.map_or(Val::Unknown, instant))
        }
    }

    /// Milliseconds from an instant to now (`sign` 1) or from now to it (`sign` -1).
    fn distance(&self, inner: &'a Expr, sign: f64) -> Timed<Val<'a>> {
        let (value, next) = self.eval(inner);
        let Some((at, slope)) = self.as_instant(&value) else {
            return (Val::Unknown, next);
        };
        let value = sign * (self.now.0 as f64 - at);
        let slope = sign * (1.0 - slope);
        (Val::Number { value, slope }, next)
    }

    fn arithmetic(&self, operator: Operator, left: &'a Expr, right: &'a Expr) -> Timed<Val<'a>> {
        let (left, left_next) = self.eval(left);
        let (right, right_next) = self.eval(right);
        let next = earliest(left_next, right_next);
        let (result, linear) =
            combine(operator, self.dated(left, &right), self.dated(right, &left));
        let recheck = (!linear).then(|| self.now.plus_ms(NON_LINEAR_RECHECK_MS));
        (result, earliest(next, recheck))
    }

    fn as_instant(&self, value: &Val<'_>) -> Option<(f64, f64)> {
        match value {
            Val::Instant { at, slope } => Some((*at, *slope)),
            Val::Text(text) => self.instant_of(text).map(|at| (at.0 as f64, 0.0)),
            Val::Number { value, .. } => {
                let at = Value::Number(*value).as_instant()?;
                Some((at.0 as f64, 0.0))
            }
            _ => None,
        }
    }

    /// A date as text counts as an instant beside a number or an instant.
    fn dated(&self, value: Val<'a>, beside: &Val<'_>) -> Val<'a> {
        match (value, beside) {
            (Val::Text(text), Val::Number { .. } | Val::Instant { .. }) => {
                match self.instant_of(text) {
                    Some(at) => instant(at),
                    None => value,
                }
            }
            _ => value,
        }
    }

    fn instant_of(&self, text: &str) -> Option<Timestamp> {
        Timestamp::parse_in(text, || self.zone())
    }

    /// By whose clock dates are read. In a `where` it is always UTC: what is kept of events must
    /// not change its meaning with a trait or with the policy.
    fn zone(&self) -> TimeZone {
        if self.own.is_none() && self.account.is_none() {
            return TimeZone::UTC;
        }
        zone_of(self.plan, self.own, self.account)
    }
}

/// Whether the properties of an event satisfy a filter. Unknown does not.
pub(crate) fn passes(plan: &Plan, filter: &Expr, properties: &PropertyMap, at: Timestamp) -> bool {
    let scene = Scene {
        plan,
        audience: Audience::Person,
        own: None,
        account: None,
        people_count: None,
        event: Some(properties),
        now: at,
        reads: None,
    };
    scene.logic(filter).0 == Some(true)
}

impl<'a> Val<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(value) => number(*value),
            Value::Text(text) => Self::Text(text),
            Value::List(items) => Self::List(items),
        }
    }
}

fn number(value: f64) -> Val<'static> {
    Val::Number { value, slope: 0.0 }
}

fn instant(at: Timestamp) -> Val<'static> {
    Val::Instant {
        at: at.0 as f64,
        slope: 0.0,
    }
}

fn timed<'a, T>(reading: Reading<T>, with: impl FnOnce(T) -> Val<'a>) -> Timed<Val<'a>> {
    (with(reading.value), reading.next_change_at)
}

fn known(value: &Val<'_>) -> bool {
    !matches!(value, Val::Unknown)
}

pub(crate) fn earliest(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// The result, and whether it moves in a straight line.
fn combine<'a>(operator: Operator, left: Val<'a>, right: Val<'a>) -> (Val<'a>, bool) {
    use Operator::{Add, Divide, Multiply, Subtract};
    let result = match (operator, left, right) {
        (Add, Val::Number { value: a, slope: s }, Val::Number { value: b, slope: t }) => {
            plain(a + b, s + t)
        }
        (Subtract, Val::Number { value: a, slope: s }, Val::Number { value: b, slope: t })
        | (Subtract, Val::Instant { at: a, slope: s }, Val::Instant { at: b, slope: t }) => {
            plain(a - b, s - t)
        }
        (Add, Val::Instant { at: a, slope: s }, Val::Number { value: b, slope: t })
        | (Add, Val::Number { value: a, slope: s }, Val::Instant { at: b, slope: t }) => {
            Val::Instant {
                at: a + b,
                slope: s + t,
            }
        }
        (Subtract, Val::Instant { at: a, slope: s }, Val::Number { value: b, slope: t }) => {
            Val::Instant {
                at: a - b,
                slope: s - t,
            }
        }
        (Multiply, Val::Number { value: a, slope: s }, Val::Number { value: b, slope: t }) => {
            return (plain(a * b, s * b + t * a), s == 0.0 || t == 0.0);
        }
        (Divide, Val::Number { value: a, slope: s }, Val::Number { value: b, slope: t }) => {
            return (plain(a / b, s / b), t == 0.0);
        }
        _ => Val::Unknown,
    };
    (result, true)
}

fn plain(value: f64, slope: f64) -> Val<'static> {
    if value.is_finite() {
        Val::Number { value, slope }
    } else {
        Val::Unknown
    }
}

fn ordered(op: Comparison, order: Ordering) -> bool {
    match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

fn equality(op: Comparison, equal: bool) -> Option<bool> {
    match op {
        Comparison::Equal => Some(equal),
        Comparison::NotEqual => Some(!equal),
        _ => None,
    }
}

/// What floating-point numbers lose at most when a line is followed, as a part of what is added.
const LINE_ERROR: f64 = 1e-12;

/// In how many whole milliseconds `difference + slope * ms` first compares differently with zero,
/// or may, for all that rounding lets one see: to look once too early costs a wake-up, to look too
/// late would be wrong.
pub(super) fn crossing_ms(op: Comparison, difference: f64, slope: f64) -> Option<i64> {
    if slope == 0.0 {
        return None;
    }
    let later = |ms: i64| difference + slope * ms as f64;
    let answer = |ms: i64| {
        let order = later(ms).partial_cmp(&0.0);
        order.map(|order| ordered(op, order))
    };
    // What is exactly zero is no matter of rounding.
    let is_unsure = |ms: i64| {
        let (value, reach) = (
            later(ms).abs(),
            difference.abs() + (slope * ms as f64).abs(),
        );
        value > 0.0 && value <= reach * LINE_ERROR
    };
    let zero = (-difference / slope).floor();
    if !(-2.0..9e15).contains(&zero) {
        return None;
    }
    let now = answer(0);
    (zero as i64 - 1..=zero as i64 + 2)
        .filter(|ms| *ms >= 1)
        .find(|ms| answer(*ms) != now || is_unsure(*ms))
}

fn equals(value: &Val<'_>, other: &Value) -> bool {
    match (value, other) {
        (Val::Bool(left), Value::Bool(right)) => left == right,
        // Values are equal when their numbers are the same, as in `Value`'s own equality.
        (Val::Number { value: left, .. }, number @ Value::Number(_)) => {
            Value::Number(*left) == *number
        }
        (Val::Text(left), Value::Text(right)) => *left == &**right,
        (Val::List(left), Value::List(right)) => left == right,
        _ => false,
    }
}

fn contains(whole: &Val<'_>, part: &Val<'_>) -> Option<bool> {
    match (whole, part) {
        (Val::Text(whole), Val::Text(part)) => Some(whole.contains(part)),
        (Val::List(items), part) if known(part) => {
            Some(items.iter().any(|item| equals(part, item)))
        }
        _ => None,
    }
}

fn starts_with(whole: &Val<'_>, part: &Val<'_>) -> Option<bool> {
    match (whole, part) {
        (Val::Text(whole), Val::Text(part)) => Some(whole.starts_with(part)),
        _ => None,
    }
}
