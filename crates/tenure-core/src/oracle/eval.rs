//! Expressions, computed from facts alone.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::expr::{Aggregate, Comparison, Expr, Function, Operator, Scope};
use crate::health::HealthField;
use crate::id::SubjectId;
use crate::plan::{PropertyMap, is_own_event};
use crate::time::{Timestamp, zone};
use crate::value::Value;

use super::{Moment, Oracle};

/// A subject at a moment.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) oracle: &'a Oracle<'a>,
    pub(super) subject: SubjectId,
    pub(super) moment: Moment,
}

#[derive(Debug, Clone, PartialEq)]
enum Val {
    Plain(Value),
    Instant(f64),
}

fn number(value: f64) -> Option<Val> {
    value
        .is_finite()
        .then_some(Val::Plain(Value::Number(value)))
}

fn flag(value: bool) -> Val {
    Val::Plain(Value::Bool(value))
}

impl Asked<'_> {
    pub(super) fn value(&self, expr: &Expr) -> Option<Value> {
        match self.eval(expr, None)? {
            Val::Plain(value) => Some(value),
            Val::Instant(at) => Some(Value::Number(at)),
        }
    }

    pub(super) fn logic(&self, expr: &Expr) -> Option<bool> {
        truth(self.eval(expr, None).as_ref())
    }

    /// Whose value an expression of `scope` reads; `None` if there is nobody.
    fn whose(&self, scope: Scope) -> Option<SubjectId> {
        match (scope, self.subject) {
            (Scope::Account, SubjectId::Person(person)) => {
                let account = self.oracle.facts.account_of(person, self.moment.known)?;
                Some(SubjectId::Account(account))
            }
            _ => Some(self.subject),
        }
    }

    fn eval(&self, expr: &Expr, event: Option<&PropertyMap>) -> Option<Val> {
        let now = self.moment.at.0 as f64;
        let ask = |part: &Expr| self.eval(part, event);
        match expr {
            Expr::Literal(value) => Some(Val::Plain(value.clone())),
            Expr::Duration(ms) => number(*ms as f64),
            Expr::Instant(at) => Some(Val::Instant(at.0 as f64)),
            Expr::Local(at) => {
                let at = Timestamp::of_local(*at, &self.zone(event))?;
                Some(Val::Instant(at.0 as f64))
            }
            Expr::Now => Some(Val::Instant(now)),
            Expr::Trait(Scope::Event, name) => event?.get(name).cloned().map(Val::Plain),
            Expr::Trait(scope, name) => {
                let facts = &self.oracle.facts;
                let told = facts.told(self.whose(*scope)?, name, self.moment.known);
                told.map(Val::Plain)
            }
            Expr::Aggregate(scope, aggregate) => self.aggregate(self.whose(*scope)?, aggregate),
            Expr::Since(inner) => number(now - as_instant(&ask(inner)?, &self.zone(event))?),
            Expr::Until(inner) => number(as_instant(&ask(inner)?, &self.zone(event))? - now),
            Expr::Arithmetic(operator, left, right) => {
                arithmetic(*operator, ask(left)?, ask(right)?, &self.zone(event))
            }
            Expr::PeopleCount(_) => {
                let SubjectId::Account(account) = self.whose(Scope::Account)? else {
                    return None;
                };
                number(self.oracle.facts.people_count(account, self.moment.known) as f64)
            }
            Expr::Health(scope, field) => self.health(self.whose(*scope)?, *field),
            _ => self.truth_of(expr, event).map(flag),
        }
    }

    fn health(&self, subject: SubjectId, field: HealthField) -> Option<Val> {
        if field == HealthField::Zone {
            let zone = self.oracle.zone(subject, self.moment)?;
            return Some(Val::Plain(Value::text(zone.as_str())));
        }
        number(Asked { subject, ..*self }.health_number(field)?)
    }

    /// What only ever answers yes or no.
    fn truth_of(&self, expr: &Expr, event: Option<&PropertyMap>) -> Option<bool> {
        let ask = |part: &Expr| self.eval(part, event);
        match expr {
            Expr::Not(inner) => Some(!truth(ask(inner).as_ref())?),
            Expr::And(all) => {
                let answers: Vec<_> = all.iter().map(|part| truth(ask(part).as_ref())).collect();
                kleene(&answers, false)
            }
            Expr::Or(all) => {
                let answers: Vec<_> = all.iter().map(|part| truth(ask(part).as_ref())).collect();
                kleene(&answers, true)
            }
            Expr::Compare(comparison, left, right) => {
                compare(*comparison, &ask(left)?, &ask(right)?, &self.zone(event))
            }
            Expr::In(inner, values) => {
                let value = ask(inner)?;
                Some(
                    values
                        .iter()
                        .any(|known| value == Val::Plain(known.clone())),
                )
            }
            Expr::Contains(whole, part) => match (ask(whole)?, ask(part)?) {
                (Val::Plain(Value::Text(whole)), Val::Plain(Value::Text(part))) => {
                    Some(whole.contains(&*part))
                }
                (Val::Plain(Value::List(items)), part) => {
                    Some(items.into_iter().any(|item| Val::Plain(item) == part))
                }
                _ => None,
            },
            Expr::StartsWith(whole, part) => match (ask(whole)?, ask(part)?) {
                (Val::Plain(Value::Text(whole)), Val::Plain(Value::Text(part))) => {
                    Some(whole.starts_with(&*part))
                }
                _ => None,
            },
            Expr::Known(inner) => Some(ask(inner).is_some()),
            Expr::InSegment(scope, name) => self.in_segment(*scope, name),
            Expr::Held(inner, for_ms) => {
                let held = self.oracle.held(self.subject, inner, self.moment)?;
                Some(held.value? && held.since.plus_ms(*for_ms) <= self.moment.at)
            }
            _ => None,
        }
    }

    /// By whose clock dates are read: the subject's, its account's, the policy's; UTC in a filter.
    fn zone(&self, event: Option<&PropertyMap>) -> TimeZone {
        if event.is_some() {
            return TimeZone::UTC;
        }
        let told = |scope: Scope| {
            let facts = &self.oracle.facts;
            let value = facts.told(self.whose(scope)?, "timezone", self.moment.known)?;
            zone(value.as_text()?)
        };
        let policy = || zone(&self.oracle.definitions.policy.timezone);
        let found = told(Scope::Own).or_else(|| told(Scope::Account));
        found.or_else(policy).unwrap_or(TimeZone::UTC)
    }

    fn in_segment(&self, scope: Scope, name: &str) -> Option<bool> {
        let mut segments = self.oracle.definitions.segments.iter();
        let segment = segments.find(|segment| segment.name == name)?;
        let Some(subject) = self.whose(scope) else {
            return Some(false);
        };
        let member = Asked { subject, ..*self }.logic(&segment.when.expr);
        Some(member == Some(true))
    }

    fn aggregate(&self, subject: SubjectId, aggregate: &Aggregate) -> Option<Val> {
        let now = self.moment.at.0;
        let known = self.moment.known;
        let inside = |at: Timestamp| {
            aggregate.window.is_none_or(|window| {
                let until = now - window.offset_ms;
                at.0 > until - window.length_ms && at.0 <= until
            })
        };
        let passes = |properties: &PropertyMap| {
            let filter = aggregate.filter.as_deref();
            filter.is_none_or(|filter| {
                truth(self.eval(filter, Some(properties)).as_ref()) == Some(true)
            })
        };
        let events = self.oracle.facts.events(subject, known);
        let counted = events.into_iter().filter(|(event, properties)| {
            let any = *aggregate.event == *"*" && !is_own_event(&event.name);
            let named = any || *event.name == *aggregate.event;
            named && inside(event.occurred_at) && passes(properties)
        });
        let mut counted: Vec<_> = counted.collect();
        counted.sort_by_key(|(event, _)| event.occurred_at);
        let property = aggregate.property.as_deref();
        let values: Vec<(Timestamp, &Value)> = counted
            .iter()
            .filter_map(|(event, properties)| Some((event.occurred_at, properties.get(property?)?)))
            .collect();
        let numbers: Vec<f64> = values
            .iter()
            .filter_map(|(_, value)| value.as_number())
            .collect();
        match aggregate.function {
            Function::Count => number(counted.len() as f64),
            Function::Sum => number(numbers.iter().sum()),
            Function::Min => numbers.iter().copied().reduce(f64::min).and_then(number),
            Function::Max => numbers.iter().copied().reduce(f64::max).and_then(number),
            Function::Average => number(numbers.iter().sum::<f64>() / numbers.len() as f64),
            Function::Distinct => {
                let texts = values.iter().map(|(_, value)| format!("{value:?}"));
                number(texts.collect::<BTreeSet<_>>().len() as f64)
            }
            Function::ActivePeople => {
                let people = counted.iter().filter_map(|(event, _)| event.person);
                let people = people.map(|person| self.oracle.facts.resolve(person, known));
                number(people.collect::<BTreeSet<_>>().len() as f64)
            }
            Function::First if property.is_some() => edge(values.into_iter().min_by(by_time)),
            Function::Last if property.is_some() => edge(values.into_iter().max_by(by_time)),
            Function::First => counted
                .first()
                .map(|(e, _)| Val::Instant(e.occurred_at.0 as f64)),
            Function::Last => counted
                .last()
                .map(|(e, _)| Val::Instant(e.occurred_at.0 as f64)),
        }
    }
}

fn by_time(left: &(Timestamp, &Value), right: &(Timestamp, &Value)) -> Ordering {
    let by_value = || left.1.partial_cmp(right.1).unwrap_or(Ordering::Equal);
    left.0.cmp(&right.0).then_with(by_value)
}

fn edge(found: Option<(Timestamp, &Value)>) -> Option<Val> {
    found.map(|(_, value)| Val::Plain(value.clone()))
}

/// Kleene's `and` (`decisive` is false) and `or` (`decisive` is true).
fn kleene(answers: &[Option<bool>], decisive: bool) -> Option<bool> {
    if answers.contains(&Some(decisive)) {
        return Some(decisive);
    }
    (!answers.contains(&None)).then_some(!decisive)
}

fn truth(value: Option<&Val>) -> Option<bool> {
    match value {
        Some(Val::Plain(Value::Bool(flag))) => Some(*flag),
        _ => None,
    }
}

fn as_instant(value: &Val, zone: &TimeZone) -> Option<f64> {
    match value {
        Val::Instant(at) => Some(*at),
        Val::Plain(value) => value.as_instant_in(|| zone.clone()).map(|at| at.0 as f64),
    }
}

fn compare(comparison: Comparison, left: &Val, right: &Val, zone: &TimeZone) -> Option<bool> {
    use Value::{Bool, List, Number, Text};
    let order = match (left, right) {
        (Val::Instant(left), Val::Instant(right))
        | (Val::Plain(Number(left)), Val::Plain(Number(right))) => left.partial_cmp(right)?,
        (Val::Instant(left), text @ Val::Plain(Text(_))) => {
            left.partial_cmp(&as_instant(text, zone)?)?
        }
        (text @ Val::Plain(Text(_)), Val::Instant(right)) => {
            as_instant(text, zone)?.partial_cmp(right)?
        }
        (Val::Plain(Text(left)), Val::Plain(Text(right))) => left.cmp(right),
        (Val::Plain(Bool(_)), Val::Plain(Bool(_))) | (Val::Plain(List(_)), Val::Plain(List(_))) => {
            return match comparison {
                Comparison::Equal => Some(left == right),
                Comparison::NotEqual => Some(left != right),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    })
}

fn arithmetic(operator: Operator, left: Val, right: Val, zone: &TimeZone) -> Option<Val> {
    let dated = |value: Val| match &value {
        Val::Plain(Value::Text(_)) => Some(Val::Instant(as_instant(&value, zone)?)),
        _ => Some(value),
    };
    let (left, right) = (dated(left)?, dated(right)?);
    match (operator, left, right) {
        (operator, Val::Plain(Value::Number(left)), Val::Plain(Value::Number(right))) => {
            number(match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                Operator::Divide => left / right,
            })
        }
        (Operator::Subtract, Val::Instant(left), Val::Instant(right)) => number(left - right),
        (Operator::Add, Val::Instant(at), Val::Plain(Value::Number(ms)))
        | (Operator::Add, Val::Plain(Value::Number(ms)), Val::Instant(at)) => {
            Some(Val::Instant(at + ms))
        }
        (Operator::Subtract, Val::Instant(at), Val::Plain(Value::Number(ms))) => {
            Some(Val::Instant(at - ms))
        }
        _ => None,
    }
}
