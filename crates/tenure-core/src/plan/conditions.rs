//! Tracked conditions: deduplicated, with what they read, each after what it depends on.

use std::collections::BTreeMap;

use crate::define::{Audience, Condition, Definitions, Place, SegmentDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Aggregate, Expr, Function, Scope};
use crate::health::Health;
use crate::lang::canonical;
use crate::policy::local::ZONE_TRAIT;
use crate::subject::{ConditionKey, SeriesKey};

use super::series::SeriesSpec;

/// A condition's place in [`super::Plan::conditions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConditionIndex(pub u32);

/// A condition the engine keeps the answer of.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedCondition {
    /// Its key in subject states.
    pub key: ConditionKey,
    /// People or accounts.
    pub audience: Audience,
    /// As written; the first writing, if several are the same.
    pub text: Box<str>,
    /// What is evaluated.
    pub expr: Expr,
    /// Kept for every subject; the others only for subjects inside one of `programs`.
    pub always: bool,
    /// The programs (index in the plan) that use it for running enrollments.
    pub programs: Vec<usize>,
    /// What it reads.
    pub reads: Reads,
    /// Series (index in the plan) of the subject and of its account without whose history it
    /// cannot be answered, those of its dependencies included.
    pub needs: Vec<(u32, i64)>,
}

/// What a condition reads, so that it is evaluated again when one of these changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reads {
    /// Series of the subject.
    pub series: Vec<u32>,
    /// Series of the person's account.
    pub account_series: Vec<u32>,
    /// Traits of the subject.
    pub traits: Vec<Box<str>>,
    /// Traits of the person's account.
    pub account_traits: Vec<Box<str>>,
    /// Conditions of the subject.
    pub conditions: Vec<ConditionIndex>,
    /// Conditions of the person's account.
    pub account_conditions: Vec<ConditionIndex>,
    /// How many people the account has.
    pub people_count: bool,
    /// Whether it looks at the person's account at all.
    pub account: bool,
}

/// A hash that survives restarts and versions.
pub(crate) fn stable_hash(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

fn condition_key(audience: Audience, expr: &Expr) -> ConditionKey {
    stable_hash(&format!("{audience:?}|{}", canonical(expr)))
}

/// Conditions and series as they are gathered while a plan is compiled.
#[derive(Debug)]
pub struct ConditionSet {
    pub(super) conditions: Vec<TrackedCondition>,
    pub(super) series: Vec<SeriesSpec>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Set while an older version is compiled, whose places mean nothing in the current files.
    pub(super) quiet: bool,
    pub(super) program: usize,
    /// Conditions that others ask how long they have held.
    pub(super) held: Vec<ConditionIndex>,
    pub(super) definitions: Definitions,
    pub(super) healths: Vec<Health>,
    by_key: BTreeMap<ConditionKey, ConditionIndex>,
    series_by_key: BTreeMap<SeriesKey, u32>,
    /// Names of the segments being compiled, to find circles.
    pub(super) open: Vec<String>,
}

impl ConditionSet {
    pub(super) fn new(definitions: &Definitions) -> Self {
        Self {
            conditions: Vec::new(),
            series: Vec::new(),
            diagnostics: Vec::new(),
            quiet: false,
            program: 0,
            held: Vec::new(),
            definitions: definitions.clone(),
            healths: Vec::new(),
            by_key: BTreeMap::new(),
            series_by_key: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    /// Index in `plan.programs` of the program that is being compiled.
    pub fn program(&self) -> usize {
        self.program
    }

    /// Tracks a condition, for every subject or only for those inside `program`.
    pub fn track(
        &mut self,
        audience: Audience,
        condition: &Condition,
        always: bool,
        program: Option<usize>,
    ) -> ConditionIndex {
        let user = User {
            audience,
            always,
            program,
            place: &condition.place,
        };
        self.add(&condition.expr, &condition.text, user)
    }

    /// A condition that is tracked.
    pub(super) fn find(&self, audience: Audience, expr: &Expr) -> Option<ConditionIndex> {
        self.by_key.get(&condition_key(audience, expr)).copied()
    }

    /// Registers what an expression reads that is only evaluated when a step asks (`if`, a
    /// branch): its series are kept, its inner conditions tracked.
    pub fn prepare(&mut self, audience: Audience, condition: &Condition) {
        let user = User {
            audience,
            always: true,
            program: None,
            place: &condition.place,
        };
        let mut gathered = Gathered::default();
        self.gather(&condition.expr, user, &mut gathered);
    }

    fn add(&mut self, expr: &Expr, text: &str, user: User<'_>) -> ConditionIndex {
        let mut gathered = Gathered::default();
        self.gather(expr, user, &mut gathered);
        if reads_dates(expr) {
            gathered.read_trait(user.audience, Scope::Own, ZONE_TRAIT);
            gathered.read_trait(user.audience, Scope::Account, ZONE_TRAIT);
        }
        let key = condition_key(user.audience, expr);
        let index = *self.by_key.entry(key).or_insert_with(|| {
            self.conditions.push(TrackedCondition {
                key,
                audience: user.audience,
                text: text.into(),
                expr: expr.clone(),
                always: false,
                programs: Vec::new(),
                reads: gathered.reads.clone(),
                needs: gathered.needs.clone(),
            });
            ConditionIndex(self.conditions.len() as u32 - 1)
        });
        let condition = &mut self.conditions[index.0 as usize];
        condition.always |= user.always;
        condition.programs.extend(user.program);
        condition.programs.dedup();
        index
    }

    /// Tracks the condition of a segment, and of the segments it rests on, before those who ask.
    pub(super) fn segment(
        &mut self,
        name: &str,
        asked: Option<&Place>,
    ) -> Option<(Audience, ConditionIndex)> {
        let Some(def) = self.find_segment(name) else {
            let message = format!("there is no segment `{name}`");
            self.report(
                asked,
                "unknown-segment",
                message,
                "define it, or correct the name",
            );
            return None;
        };
        if self.open.iter().any(|open| open == name) {
            let message = format!("the segment `{name}` rests on itself");
            self.report(
                asked.or(Some(&def.when.place)),
                "segment-circle",
                message,
                "take one of the segments of the circle out of the other's condition",
            );
            return None;
        }
        self.open.push(name.into());
        let user = User {
            audience: def.audience,
            always: true,
            program: None,
            place: &def.when.place,
        };
        let index = self.add(&def.when.expr, &def.when.text, user);
        self.open.pop();
        Some((def.audience, index))
    }

    fn find_segment(&self, name: &str) -> Option<SegmentDef> {
        let segments = &self.definitions.segments;
        segments.iter().find(|def| def.name == name).cloned()
    }

    pub(super) fn report(
        &mut self,
        place: Option<&Place>,
        code: &'static str,
        message: String,
        help: &'static str,
    ) {
        if self.quiet {
            return;
        }
        let unknown = Place::default();
        let place = place.unwrap_or(&unknown);
        let file = self.definitions.files.get(place.file);
        let (path, text) = file.map_or(("", ""), |file| (file.path.as_str(), file.text.as_str()));
        let found = Diagnostic::error(code, path, text, place.span, message).help(help);
        if !self.diagnostics.contains(&found) {
            self.diagnostics.push(found);
        }
    }

    pub(super) fn gather(&mut self, expr: &Expr, user: User<'_>, out: &mut Gathered) {
        match expr {
            Expr::Trait(scope, name) => out.read_trait(user.audience, *scope, name),
            Expr::Aggregate(scope, aggregate) => self.gather_series(*scope, aggregate, user, out),
            Expr::PeopleCount(_) => {
                out.reads.people_count = true;
                out.reads.account |= user.audience == Audience::Person;
            }
            Expr::InSegment(scope, name) => self.gather_segment(*scope, name, user, out),
            Expr::Health(scope, _) => self.gather_health(*scope, user, out),
            Expr::Held(inner, _) => {
                let index = self.add(inner, "", user);
                if !self.held.contains(&index) {
                    self.held.push(index);
                }
                out.reads.conditions.push(index);
                self.inherit(index, out);
            }
            other => {
                for part in parts(other) {
                    self.gather(part, user, out);
                }
            }
        }
    }

    fn gather_series(
        &mut self,
        scope: Scope,
        aggregate: &Aggregate,
        user: User<'_>,
        out: &mut Gathered,
    ) {
        let audience = audience_of(user.audience, scope);
        let spec = SeriesSpec::of(audience, aggregate);
        let horizon_ms = spec.horizon_ms;
        let index = *self.series_by_key.entry(spec.key).or_insert_with(|| {
            self.series.push(spec);
            self.series.len() as u32 - 1
        });
        let known = &mut self.series[index as usize];
        known.horizon_ms = known.horizon_ms.max(horizon_ms);
        out.needs.push((index, horizon_ms));
        if audience == user.audience {
            out.reads.series.push(index);
        } else {
            out.reads.account = true;
            out.reads.account_series.push(index);
        }
    }

    fn gather_segment(&mut self, scope: Scope, name: &str, user: User<'_>, out: &mut Gathered) {
        let Some((audience, index)) = self.segment(name, Some(user.place)) else {
            return;
        };
        if audience != audience_of(user.audience, scope) {
            let message = format!("the segment `{name}` is not about the same kind of subject");
            self.report(
                Some(user.place),
                "segment-audience",
                message,
                "use `account.in(…)` for a segment of accounts inside a person's condition",
            );
            return;
        }
        if audience == user.audience {
            out.reads.conditions.push(index);
        } else {
            out.reads.account = true;
            out.reads.account_conditions.push(index);
        }
        self.inherit(index, out);
    }

    /// What a dependency needs, its user needs too.
    pub(super) fn inherit(&self, index: ConditionIndex, out: &mut Gathered) {
        let inner = &self.conditions[index.0 as usize];
        out.needs.extend(inner.needs.iter().copied());
        out.reads.account |= inner.reads.account;
    }
}

/// Who asks for a condition.
#[derive(Clone, Copy)]
pub(super) struct User<'a> {
    pub(super) audience: Audience,
    pub(super) always: bool,
    pub(super) program: Option<usize>,
    pub(super) place: &'a Place,
}

#[derive(Default)]
pub(super) struct Gathered {
    pub(super) reads: Reads,
    pub(super) needs: Vec<(u32, i64)>,
}

impl Gathered {
    fn read_trait(&mut self, audience: Audience, scope: Scope, name: &str) {
        match (audience, scope) {
            (_, Scope::Event) => {}
            (Audience::Person, Scope::Account) => {
                self.reads.account = true;
                self.reads.account_traits.push(name.into());
            }
            _ => self.reads.traits.push(name.into()),
        }
    }
}

/// Whether the answer may depend on the zone of the subject: a date stands beside something that
/// may be an instant. Too often is harmless.
fn reads_dates(expr: &Expr) -> bool {
    fn any(expr: &Expr, test: fn(&Expr) -> bool) -> bool {
        test(expr) || parts(expr).into_iter().any(|part| any(part, test))
    }
    let local = |expr: &Expr| matches!(expr, Expr::Local(_));
    let instant = |expr: &Expr| match expr {
        Expr::Since(_) | Expr::Until(_) | Expr::Now | Expr::Instant(_) => true,
        Expr::Aggregate(_, aggregate) => is_edge(aggregate) && aggregate.property.is_none(),
        _ => false,
    };
    let text = |expr: &Expr| match expr {
        Expr::Trait(..) => true,
        Expr::Aggregate(_, aggregate) => is_edge(aggregate) && aggregate.property.is_some(),
        _ => false,
    };
    any(expr, local) || any(expr, instant) && any(expr, text)
}

fn is_edge(aggregate: &Aggregate) -> bool {
    matches!(aggregate.function, Function::First | Function::Last)
}

/// Whose value an expression of `scope` reads inside a condition about `audience`.
pub(crate) fn audience_of(audience: Audience, scope: Scope) -> Audience {
    match scope {
        Scope::Account => Audience::Account,
        Scope::Own | Scope::Event => audience,
    }
}

/// The direct parts of an expression.
pub(crate) fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Literal(_)
        | Expr::Duration(_)
        | Expr::Instant(_)
        | Expr::Local(_)
        | Expr::Trait(..)
        | Expr::Aggregate(..)
        | Expr::Now
        | Expr::InSegment(..)
        | Expr::Health(..)
        | Expr::PeopleCount(_) => Vec::new(),
        Expr::Since(inner)
        | Expr::Until(inner)
        | Expr::Not(inner)
        | Expr::In(inner, _)
        | Expr::Known(inner)
        | Expr::Held(inner, _) => vec![inner],
        Expr::And(all) | Expr::Or(all) => all.iter().collect(),
        Expr::Compare(_, left, right)
        | Expr::Arithmetic(_, left, right)
        | Expr::Contains(left, right)
        | Expr::StartsWith(left, right) => vec![left, right],
    }
}
