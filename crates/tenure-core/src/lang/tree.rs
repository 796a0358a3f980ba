//! The tree the parser builds: what was written, with places, before names and types are checked.

use jiff::civil::DateTime;

use crate::diagnostic::Span;
use crate::expr::{Comparison, Operator};
use crate::time::Timestamp;

/// A dotted name; parts in backticks are taken literally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Its parts.
    pub(super) parts: Vec<String>,
    /// Whether the first part was in backticks: then it is neither a keyword nor a scope.
    pub(super) quoted: bool,
    /// Whether the second part was.
    pub(super) second_quoted: bool,
}

impl Name {
    /// The whole name with dots.
    pub(super) fn dotted(&self) -> String {
        self.parts.join(".")
    }

    /// The name without its first part, when that part is `scope` and something follows it.
    pub(super) fn without(&self, scope: &str) -> Option<Self> {
        (!self.quoted && self.parts.len() > 1 && self.parts[0] == scope).then(|| Self {
            parts: self.parts[1..].to_vec(),
            quoted: self.second_quoted,
            second_quoted: false,
        })
    }
}

/// A part of a condition with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Span,
    /// How deep the tree below it is; 1 for a leaf.
    pub(super) depth: usize,
}

/// The arguments of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments {
    /// By position.
    pub(super) plain: Vec<Node>,
    /// `where …`
    pub(super) filter: Option<Box<Node>>,
    /// `ago 7d`
    pub(super) ago: Option<Box<Node>>,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    /// Something already reported.
    Bad,
    Number(f64),
    Text(String),
    Flag(bool),
    Duration(i64),
    Instant(Timestamp),
    Local(DateTime),
    List(Vec<Node>),
    Name(Name),
    Call(Name, Arguments),
    Negative(Box<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Arithmetic(Operator, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    Between(Box<Node>, Box<Node>, Box<Node>),
    Contains(Box<Node>, Box<Node>),
    StartsWith(Box<Node>, Box<Node>),
    Known(Box<Node>),
    Held(Box<Node>, Box<Node>),
}
