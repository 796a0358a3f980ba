//! Which events a series keeps, and what of them.

use crate::aggregate::{Observed, value_key};
use crate::define::Audience;
use crate::engine::eval::passes;
use crate::expr::{Aggregate, Expr, Function};
use crate::lang::canonical;
use crate::log::Event;
use crate::subject::SeriesKey;

use super::conditions::stable_hash;
use super::{Plan, PropertyMap};

/// How much of the instants of a key (a distinct value, a person) must be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retention {
    /// Only the last instant: enough for windows that end now.
    Latest,
    /// Every instant: for windows that ended earlier.
    Every,
    /// Only that it ever occurred: for all time.
    Ever,
}

/// What a series keeps of each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesKind {
    /// Its instant.
    Times,
    /// Its instant and a numeric property.
    Numbers,
    /// Its instant and a property of any type.
    Values,
    /// A hash of a property.
    Keys(Retention),
    /// The person it is about.
    People(Retention),
}

impl SeriesKind {
    /// The kind that serves an aggregate.
    pub fn of(aggregate: &Aggregate) -> Self {
        let retention = match aggregate.window {
            None => Retention::Ever,
            Some(window) if window.offset_ms == 0 => Retention::Latest,
            Some(_) => Retention::Every,
        };
        match aggregate.function {
            Function::Sum | Function::Min | Function::Max | Function::Average => Self::Numbers,
            Function::Distinct => Self::Keys(retention),
            Function::ActivePeople => Self::People(retention),
            Function::First | Function::Last if aggregate.property.is_some() => Self::Values,
            Function::Count | Function::First | Function::Last => Self::Times,
        }
    }

    /// Whether it reads a property.
    pub fn reads_property(self) -> bool {
        matches!(self, Self::Numbers | Self::Values | Self::Keys(_))
    }
}

/// Which events a series keeps, and what of them.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSpec {
    /// Its key in subject states; the horizon is not part of it.
    pub key: SeriesKey,
    /// Whose events: a person's, or an account's with those of its people.
    pub audience: Audience,
    /// Event name; `*` is any.
    pub event: Box<str>,
    /// What is kept.
    pub kind: SeriesKind,
    /// The property that is kept.
    pub property: Option<Box<str>>,
    /// Only events whose properties satisfy this.
    pub filter: Option<Expr>,
    /// How far back the longest window reaches, in milliseconds; 0 without windows.
    pub horizon_ms: i64,
}

impl SeriesSpec {
    /// The series that serves an aggregate of subjects of `audience`.
    pub fn of(audience: Audience, aggregate: &Aggregate) -> Self {
        let kind = SeriesKind::of(aggregate);
        let property = aggregate.property.clone().filter(|_| kind.reads_property());
        let filter = aggregate.filter.as_deref().cloned();
        let canonical = format!(
            "{audience:?}|{}|{kind:?}|{}|{}",
            aggregate.event,
            property.as_deref().unwrap_or(""),
            filter.as_ref().map_or_else(String::new, canonical),
        );
        Self {
            key: stable_hash(&canonical),
            audience,
            event: aggregate.event.clone(),
            kind,
            property,
            filter,
            horizon_ms: reach_ms(aggregate),
        }
    }

    /// Whether it reads properties of its events.
    pub(crate) fn reads_properties(&self) -> bool {
        self.filter.is_some() || self.kind.reads_property()
    }

    /// Whether an aggregate reads this series.
    pub fn serves(&self, audience: Audience, aggregate: &Aggregate) -> bool {
        self.audience == audience
            && self.event == aggregate.event
            && self.kind == SeriesKind::of(aggregate)
            && (!self.kind.reads_property() || self.property == aggregate.property)
            && self.filter.as_ref() == aggregate.filter.as_deref()
    }

    /// What the series takes of an event of its name; `None` if the filter refuses it or it lacks
    /// the property.
    pub(crate) fn observe(
        &self,
        plan: &Plan,
        event: &Event<'_>,
        properties: &PropertyMap,
    ) -> Option<Observed> {
        if let Some(filter) = &self.filter
            && !passes(plan, filter, properties, event.occurred_at)
        {
            return None;
        }
        let value = || properties.get(self.property.as_deref()?);
        match self.kind {
            SeriesKind::Times => Some(Observed::Time),
            SeriesKind::Numbers => value()?.as_number().map(Observed::Number),
            SeriesKind::Values => value().cloned().map(Observed::Value),
            SeriesKind::Keys(_) => value().map(|value| Observed::Key(value_key(value))),
            SeriesKind::People(_) => event.person.map(|person| Observed::Key(person.0)),
        }
    }

    /// Key under which the series gathers new events while its history is being backfilled.
    pub fn staged_key(&self) -> SeriesKey {
        self.key ^ STAGED
    }
}

const STAGED: u64 = 0x5354_4147_4544_0001;

/// How far back an aggregate looks, in milliseconds.
pub(crate) fn reach_ms(aggregate: &Aggregate) -> i64 {
    aggregate.window.map_or(0, |window| {
        window.length_ms.saturating_add(window.offset_ms)
    })
}
