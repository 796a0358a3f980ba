//! Names that refer to other definitions, and whether those exist.

use std::collections::BTreeMap;

use crate::define::{Audience, Definitions, Place};
use crate::diagnostic::Diagnostic;
use crate::expr::{Expr, Scope};
use crate::lang::nearest::did_you_mean;

/// The most errors about names between definitions; more help nobody.
const MAX_REFERENCE_ERRORS: usize = 200;

/// What a name refers to, with the audience it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Segment(Audience),
    Signal(Audience),
    Program(Audience),
    /// The program a test is about, whatever its audience.
    Tested,
    Topic,
    /// A topic that must be transactional.
    TransactionalTopic,
    Template,
}

impl Target {
    fn word(self) -> &'static str {
        match self {
            Self::Segment(_) => "segment",
            Self::Signal(_) => "signal",
            Self::Program(_) | Self::Tested => "program",
            Self::Topic | Self::TransactionalTopic => "topic",
            Self::Template => "template",
        }
    }

    fn audience(self) -> Option<Audience> {
        match self {
            Self::Segment(audience) | Self::Signal(audience) | Self::Program(audience) => {
                Some(audience)
            }
            _ => None,
        }
    }
}

/// A name that must exist.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) target: Target,
    pub(super) name: String,
    pub(super) place: Place,
}

/// The segments an expression asks for, with their scope.
pub(super) fn segments_of(expr: &Expr, out: &mut Vec<(Scope, String)>) {
    match expr {
        Expr::InSegment(scope, name) => out.push((*scope, name.to_string())),
        Expr::Literal(_)
        | Expr::Duration(_)
        | Expr::Instant(_)
        | Expr::Local(_)
        | Expr::Trait(..)
        | Expr::Aggregate(..)
        | Expr::Now
        | Expr::Health(..)
        | Expr::PeopleCount(_) => {}
        Expr::Since(inner)
        | Expr::Until(inner)
        | Expr::Not(inner)
        | Expr::Known(inner)
        | Expr::Held(inner, _)
        | Expr::In(inner, _) => segments_of(inner, out),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| segments_of(part, out)),
        Expr::Compare(_, left, right)
        | Expr::Contains(left, right)
        | Expr::StartsWith(left, right)
        | Expr::Arithmetic(_, left, right) => {
            segments_of(left, out);
            segments_of(right, out);
        }
    }
}

/// An error at a place of the set.
pub(super) fn error_at(
    definitions: &Definitions,
    place: &Place,
    code: &'static str,
    message: impl Into<String>,
) -> Diagnostic {
    let file = &definitions.files[place.file];
    Diagnostic::error(code, &file.path, &file.text, place.span, message)
}

/// Checks every reference, that names are unique, and that segments do not go in circles.
///
/// `known` names all definitions, also those that could not be read: they are not missing.
pub(super) fn check(
    definitions: &Definitions,
    references: &[Reference],
    known: &Known,
    out: &mut Vec<Diagnostic>,
) {
    duplicates(definitions, known, out);
    let before = out.len();
    for reference in references {
        if out.len() - before > MAX_REFERENCE_ERRORS {
            break;
        }
        check_one(definitions, reference, known, out);
    }
    cycles(definitions, out);
}

/// Every name that is defined, also by definitions that have errors of their own.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Kind, name, audience and place.
    pub(super) names: Vec<(&'static str, String, Audience, Place)>,
    /// Whether there is a policy, which is what topics come from.
    pub(super) policies: Vec<Place>,
}

fn duplicates(definitions: &Definitions, known: &Known, out: &mut Vec<Diagnostic>) {
    let mut first: BTreeMap<(&str, &str), &Place> = BTreeMap::new();
    for (kind, name, _, place) in &known.names {
        let Some(earlier) = first.get(&(*kind, name.as_str())) else {
            first.insert((kind, name), place);
            continue;
        };
        let at = described(definitions, earlier);
        let message =
            format!("there are two definitions of the {kind} `{name}`; the other is {at}");
        out.push(
            error_at(definitions, place, "duplicate-name", message)
                .help("rename one of them, or remove it"),
        );
    }
    for place in known.policies.iter().skip(1) {
        let at = described(definitions, &known.policies[0]);
        let message = format!("there is one policy, and it is {at}");
        out.push(
            error_at(definitions, place, "duplicate-name", message)
                .help("put everything into one `policy` document"),
        );
    }
}

/// `at file.yaml:3`.
fn described(definitions: &Definitions, place: &Place) -> String {
    let at = error_at(definitions, place, "", "");
    format!("at {}:{}", at.file, at.line)
}

fn check_one(
    definitions: &Definitions,
    reference: &Reference,
    known: &Known,
    out: &mut Vec<Diagnostic>,
) {
    match reference.target {
        Target::Topic | Target::TransactionalTopic => {
            check_topic(definitions, reference, known, out);
        }
        Target::Template => check_template(definitions, reference, out),
        target => check_definition(definitions, reference, target, known, out),
    }
}

fn check_definition(
    definitions: &Definitions,
    reference: &Reference,
    target: Target,
    known: &Known,
    out: &mut Vec<Diagnostic>,
) {
    let word = target.word();
    let of_kind = known.names.iter().filter(|(kind, ..)| *kind == word);
    let name = &reference.name;
    let Some((_, _, audience, _)) = of_kind.clone().find(|(_, known, ..)| known == name) else {
        let names: Vec<&str> = of_kind.map(|(_, name, ..)| name.as_str()).collect();
        out.push(missing(definitions, reference, word, &names));
        return;
    };
    let Some(wanted) = target.audience().filter(|wanted| wanted != audience) else {
        return;
    };
    let words = |audience| match audience {
        Audience::Person => "people",
        Audience::Account => "accounts",
    };
    let help = match (target, wanted) {
        (Target::Segment(_), Audience::Person) => {
            format!("in a person's condition write `account.in(\"{name}\")`")
        }
        _ => format!(
            "define one with `audience: {}`",
            match wanted {
                Audience::Person => "person",
                Audience::Account => "account",
            }
        ),
    };
    let message = format!(
        "the {word} `{name}` is about {}, and {} are wanted here",
        words(*audience),
        words(wanted)
    );
    out.push(error_at(definitions, &reference.place, "wrong-audience", message).help(help));
}

fn missing(
    definitions: &Definitions,
    reference: &Reference,
    word: &'static str,
    names: &[&str],
) -> Diagnostic {
    let code = match word {
        "segment" => "unknown-segment",
        "signal" => "unknown-signal",
        "program" => "unknown-program",
        "topic" => "unknown-topic",
        _ => "unknown-template",
    };
    let message = format!("there is no {word} `{}`", reference.name);
    let help = did_you_mean(&reference.name, names.iter().copied())
        .unwrap_or_else(|| format!("define a {word} of this name"));
    error_at(definitions, &reference.place, code, message).help(help)
}

fn check_topic(
    definitions: &Definitions,
    reference: &Reference,
    known: &Known,
    out: &mut Vec<Diagnostic>,
) {
    let topics = &definitions.policy.topics;
    let Some(topic) = topics.iter().find(|topic| topic.name == reference.name) else {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        let diagnostic = missing(definitions, reference, "topic", &names);
        out.push(if known.policies.is_empty() {
            diagnostic.help("topics are listed in a `policy` document, and there is none")
        } else {
            diagnostic
        });
        return;
    };
    if reference.target == Target::TransactionalTopic && !topic.transactional {
        out.push(
            error_at(
                definitions,
                &reference.place,
                "not-transactional",
                "only transactional messages may be sent at least once",
            )
            .help("remove `delivery`, or give the program a topic with `transactional: true`"),
        );
    }
}

fn check_template(definitions: &Definitions, reference: &Reference, out: &mut Vec<Diagnostic>) {
    let templates = &definitions.templates;
    let name = &reference.name;
    let dynamic = name.contains("{{") || name.contains("{%");
    if templates.is_empty() || dynamic || templates.iter().any(|known| known == name) {
        return;
    }
    let names: Vec<&str> = templates.iter().map(String::as_str).collect();
    out.push(missing(definitions, reference, "template", &names));
}

/// Reports each circle of segments once, at its first segment.
fn cycles(definitions: &Definitions, out: &mut Vec<Diagnostic>) {
    let needs: BTreeMap<&str, Vec<String>> = definitions
        .segments
        .iter()
        .map(|segment| {
            let mut found = Vec::new();
            segments_of(&segment.when.expr, &mut found);
            let names = found.into_iter().map(|(_, name)| name).collect();
            (segment.name.as_str(), names)
        })
        .collect();
    let mut reported: Vec<Vec<&str>> = Vec::new();
    for segment in &definitions.segments {
        let Some(circle) = circle_from(&segment.name, &needs) else {
            continue;
        };
        let mut members = circle.clone();
        members.sort_unstable();
        if reported.contains(&members) {
            continue;
        }
        reported.push(members);
        let message = format!(
            "segments go in a circle: {} → {}",
            circle.join(" → "),
            circle[0]
        );
        out.push(
            error_at(definitions, &segment.when.place, "segment-cycle", message)
                .help("break the circle by writing one of the conditions out"),
        );
    }
}

/// A shortest way from a segment back to itself.
fn circle_from<'a>(start: &'a str, needs: &'a BTreeMap<&str, Vec<String>>) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(name) = queue.pop_front() {
        for next in needs.get(name).into_iter().flatten() {
            let next = next.as_str();
            if next == start {
                let mut way = vec![name];
                let mut at = name;
                while at != start {
                    at = came_from[at];
                    way.push(at);
                }
                way.reverse();
                return Some(way);
            }
            if needs.contains_key(next) && !came_from.contains_key(next) {
                came_from.insert(next, name);
                queue.push_back(next);
            }
        }
    }
    None
}
