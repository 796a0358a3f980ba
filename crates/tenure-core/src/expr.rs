//! Expressions: what conditions and numbers are made of after parsing and checking.
//!
//! The parser (`lang`) produces these, the evaluator (`plan`) runs them. They are already free
//! of sugar: `drop(count("x"), 7d)` is arithmetic over two windows, `never("x")` is a count that
//! equals zero, a percentage is a number.
//!
//! Logic is three-valued, as in SQL: a missing value is unknown, a comparison with unknown is
//! unknown, `false and unknown` is false, `true or unknown` is true. A condition *holds* only
//! when it is true.

use crate::health::HealthField;
use crate::time::Timestamp;
use crate::value::Value;

/// Whose value an expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The subject the condition is about.
    Own,
    /// The account of the person the condition is about (`account.plan`).
    Account,
    /// The triggering event's properties (`event.total`, and bare names inside `where`).
    Event,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal: number, percentage (as a fraction), text, flag, list.
    Literal(Value),
    /// A literal duration in milliseconds.
    Duration(i64),
    /// A literal instant.
    Instant(Timestamp),
    /// A literal date, or date and time, by the clock of the subject's zone.
    Local(jiff::civil::DateTime),
    /// A trait or property by its dotted name.
    Trait(Scope, Box<str>),
    /// A value kept up to date from events.
    Aggregate(Scope, Box<Aggregate>),
    /// Now.
    Now,
    /// Milliseconds from an instant to now; negative before it. Unknown without the instant.
    Since(Box<Expr>),
    /// Milliseconds from now to an instant; negative after it.
    Until(Box<Expr>),
    /// Not.
    Not(Box<Expr>),
    /// All hold.
    And(Vec<Expr>),
    /// One holds.
    Or(Vec<Expr>),
    /// A comparison. Numbers, durations, instants and texts compare with their kind; a text
    /// trait in a date form compares with an instant; anything else is unknown.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// Equal to one of the values.
    In(Box<Expr>, Vec<Value>),
    /// Whether a text contains a text, or a list a value.
    Contains(Box<Expr>, Box<Expr>),
    /// Whether a text starts with a text.
    StartsWith(Box<Expr>, Box<Expr>),
    /// Whether a value is known; never unknown itself.
    Known(Box<Expr>),
    /// Arithmetic; division by zero is unknown.
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    /// Whether the subject is in a segment (of its own audience, or the account's).
    InSegment(Scope, Box<str>),
    /// The inner condition has held without a break for so many milliseconds.
    Held(Box<Expr>, i64),
    /// How many people the account has.
    PeopleCount(Scope),
    /// Something of the health of the subject or of its account.
    Health(Scope, HealthField),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// A value kept up to date from events of one name.
///
/// On a person it reads the person's events; on an account the events of the account itself and
/// of all its people (those received while they belonged to it).
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What is computed.
    pub function: Function,
    /// Event name.
    pub event: Box<str>,
    /// Property the function reads (`sum`, `min`, `max`, `average`, `distinct`, and `first` and
    /// `last` when they return a value rather than a time).
    pub property: Option<Box<str>>,
    /// Over which time; `None` is all time.
    pub window: Option<Window>,
    /// Only events whose properties satisfy this (scope [`Scope::Event`], no aggregates).
    pub filter: Option<Box<Expr>>,
}

/// What an aggregate computes, and what it gives without any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Number of events; 0 without.
    Count,
    /// Sum of a numeric property; 0 without.
    Sum,
    /// Smallest; unknown without.
    Min,
    /// Largest; unknown without.
    Max,
    /// Mean; unknown without.
    Average,
    /// Number of distinct values; 0 without.
    Distinct,
    /// Number of distinct people with the event (account level); 0 without. With the event name
    /// `*` any event counts.
    ActivePeople,
    /// Instant of the first event, or its property's value; unknown without.
    First,
    /// Instant of the last event, or its property's value; unknown without.
    Last,
}

/// A sliding window: events with `now - offset - length < occurred_at <= now - offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Length in milliseconds.
    pub length_ms: i64,
    /// How far back the window ends, in milliseconds; 0 ends it now.
    pub offset_ms: i64,
}
