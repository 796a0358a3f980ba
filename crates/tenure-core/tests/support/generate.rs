//! Generated definitions and histories.

use std::fmt;

use proptest::prelude::*;
use tenure_core::define::Audience;
use tenure_core::expr::{Aggregate, Comparison, Expr, Function, Operator, Scope, Window};
use tenure_core::id::{AccountId, EventId, PersonId, SubjectId};
use tenure_core::lang::canonical;
use tenure_core::log::{Body, Entry, Event, Merge, Move, Profile};
use tenure_core::time::{DAY_MS, HOUR_MS, Timestamp};
use tenure_core::value::Value;

/// Instant at which every history starts.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000);

/// Segments and a history.
#[derive(Clone)]
pub(crate) struct Case {
    pub segments: Vec<(Audience, Expr)>,
    pub history: Vec<Happening>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for (at, (audience, expr)) in self.segments.iter().enumerate() {
            writeln!(f, "  s{at} ({audience:?}): {}", canonical(expr))?;
        }
        for happening in &self.history {
            writeln!(f, "  {happening:?}")?;
        }
        Ok(())
    }
}

/// One thing that happens, so many hours after the one before.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub after_h: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Event {
        who: Who,
        name: &'static str,
        properties: &'static str,
        late_h: i64,
        historical: bool,
    },
    Told {
        who: Who,
        name: &'static str,
        value: Option<Value>,
        late_h: i64,
    },
    Merge(u8, u8),
    Move(u8, Option<u8>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Person(u8),
    Account(u8),
}

fn hours() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(0), 3 => 1..24_i64, 3 => 24..96_i64, 1 => 96..400_i64]
}

fn late() -> impl Strategy<Value = i64> {
    prop_oneof![5 => Just(0), 2 => 1..30_i64, 1 => 30..200_i64]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![4 => (0..4_u8).prop_map(Who::Person), 1 => (0..2_u8).prop_map(Who::Account)]
}

fn properties() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{}",
        r#"{"n":1,"k":"x"}"#,
        r#"{"n":2,"k":"y"}"#,
        r#"{"n":3,"k":"x"}"#,
        r#"{"n":-1}"#,
        r#"{"k":"xy","n":"2"}"#,
    ])
}

fn told() -> impl Strategy<Value = (&'static str, Option<Value>)> {
    let zones = ["Asia/Tokyo", "America/New_York", "nowhere"];
    let dates = ["2026-01-03", "2026-01-08T06:00:00Z", "2026-01-20", "soon"];
    prop_oneof![
        (0..4_i32).prop_map(|n| ("seats", Some(Value::Number(f64::from(n))))),
        prop::sample::select(vec!["pro", "free"]).prop_map(|t| ("plan", Some(Value::text(t)))),
        prop::sample::select(dates.to_vec()).prop_map(|t| ("renewal", Some(Value::text(t)))),
        prop::sample::select(zones.to_vec()).prop_map(|t| ("timezone", Some(Value::text(t)))),
        any::<bool>().prop_map(|flag| ("vip", Some(Value::Bool(flag)))),
        prop::sample::select(vec!["seats", "plan", "renewal", "timezone"])
            .prop_map(|name| (name, None)),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let name = prop::sample::select(vec!["a", "b"]);
    let event = (who(), name, properties(), late(), prop::bool::weighted(0.1)).prop_map(
        |(who, name, properties, late_h, historical)| What::Event {
            who,
            name,
            properties,
            late_h,
            historical,
        },
    );
    let told = (who(), told(), late()).prop_map(|(who, (name, value), late_h)| What::Told {
        who,
        name,
        value,
        late_h,
    });
    prop_oneof![
        8 => event,
        4 => told,
        1 => (0..4_u8, 0..4_u8).prop_map(|(from, into)| What::Merge(from, into)),
        1 => (0..4_u8, prop::option::of(0..2_u8)).prop_map(|(who, to)| What::Move(who, to)),
    ]
}

pub(crate) fn history(len: usize) -> impl Strategy<Value = Vec<Happening>> {
    let happening = (hours(), what()).prop_map(|(after_h, what)| Happening { after_h, what });
    prop::collection::vec(happening, 1..len)
}

/// Turns a history into log entries: identity is resolved, and what makes no sense (a merge of
/// somebody unknown) is left out.
pub(crate) fn entries(history: &[Happening]) -> Vec<Entry<'static>> {
    let mut people: Vec<Known> = (0..4_u8).map(Known::new).collect();
    let mut out: Vec<Entry<'static>> = Vec::new();
    let mut now = START;
    for (at, happening) in history.iter().enumerate() {
        now = now.plus_ms(happening.after_h * HOUR_MS);
        if let Some(body) = body(&happening.what, at as i64, now, &mut people) {
            out.push(Entry {
                position: out.len() as u64 + 1,
                received_at: now,
                body,
            });
        }
    }
    out
}

struct Known {
    id: u8,
    account: Option<AccountId>,
    seen: bool,
}

impl Known {
    fn new(place: u8) -> Self {
        let account = [Some(0), Some(0), Some(1), None][usize::from(place)];
        Self {
            id: place,
            account: account.map(account_id),
            seen: false,
        }
    }
}

fn account_id(place: u8) -> AccountId {
    AccountId(0xa0 + u128::from(place))
}

fn person_id(place: u8) -> PersonId {
    PersonId(0x10 + u128::from(place))
}

fn body(what: &What, at: i64, now: Timestamp, people: &mut [Known]) -> Option<Body<'static>> {
    Some(match what {
        What::Event {
            who,
            name,
            properties,
            late_h,
            historical,
        } => {
            let (person, account) = resolve(*who, people);
            Body::Event(Event {
                id: EventId(at as u128),
                person,
                account,
                occurred_at: now.plus_ms(-late_h * HOUR_MS),
                historical: *historical,
                name: (*name).into(),
                properties: (*properties).into(),
            })
        }
        What::Told {
            who,
            name,
            value,
            late_h,
        } => {
            let (person, account) = resolve(*who, people);
            Body::Profile(Profile {
                subject: person.map_or_else(
                    || SubjectId::Account(account.unwrap_or(AccountId(0xa0))),
                    SubjectId::Person,
                ),
                account,
                // No two statements have the same time, so none is ambiguous.
                occurred_at: now.plus_ms(-late_h * HOUR_MS - 1_000 + at),
                historical: false,
                traits: vec![((*name).into(), value.clone())],
                identifiers: Vec::new(),
            })
        }
        What::Merge(from, into) => {
            Body::Merge(merge(alias(*from, people), alias(*into, people), people)?)
        }
        What::Move(who, to) => {
            Body::Move(relocate(alias(*who, people), to.map(account_id), people)?)
        }
    })
}

fn merge(from: usize, into: usize, people: &mut [Known]) -> Option<Merge> {
    if from == into || !people[from].seen || !people[into].seen {
        return None;
    }
    let merge = Merge {
        from: person_id(people[from].id),
        from_account: people[from].account,
        into: person_id(people[into].id),
        into_account: people[into].account,
    };
    let gone = people[from].id;
    let stays = people[into].id;
    for one in people.iter_mut().filter(|one| one.id == gone) {
        one.id = stays;
    }
    Some(merge)
}

fn relocate(who: usize, to: Option<AccountId>, people: &mut [Known]) -> Option<Move> {
    if !people[who].seen || people[who].account == to {
        return None;
    }
    let moved = Move {
        person: person_id(people[who].id),
        from: people[who].account,
        to,
    };
    people[who].account = to;
    Some(moved)
}

/// Place of the person somebody turned out to be.
fn alias(who: u8, people: &[Known]) -> usize {
    usize::from(people[usize::from(who)].id)
}

fn resolve(who: Who, people: &mut [Known]) -> (Option<PersonId>, Option<AccountId>) {
    match who {
        Who::Account(place) => (None, Some(account_id(place))),
        Who::Person(place) => {
            let known = alias(place, people);
            people[known].seen = true;
            (Some(person_id(people[known].id)), people[known].account)
        }
    }
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

fn duration() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![6 * HOUR_MS, DAY_MS, 2 * DAY_MS, 5 * DAY_MS])
}

fn window() -> impl Strategy<Value = Option<Window>> {
    let offset = prop_oneof![3 => Just(0), 2 => prop::sample::select(vec![DAY_MS, 5 * DAY_MS])];
    prop_oneof![
        1 => Just(None),
        4 => (duration(), offset).prop_map(|(length_ms, offset_ms)| Some(Window { length_ms, offset_ms })),
    ]
}

fn filter() -> impl Strategy<Value = Option<Box<Expr>>> {
    let of = |name: &str| Box::new(Expr::Trait(Scope::Event, name.into()));
    let filters = vec![
        Expr::Compare(
            Comparison::GreaterOrEqual,
            of("n"),
            Box::new(Expr::Literal(Value::Number(2.0))),
        ),
        Expr::Compare(
            Comparison::Equal,
            of("k"),
            Box::new(Expr::Literal(Value::text("x"))),
        ),
        Expr::Not(Box::new(Expr::Known(of("n")))),
    ];
    let filters = prop::sample::select(filters).prop_map(|filter| Some(Box::new(filter)));
    prop_oneof![3 => Just(None), 1 => filters]
}

fn scope(audience: Audience) -> BoxedStrategy<Scope> {
    match audience {
        Audience::Account => Just(Scope::Own).boxed(),
        Audience::Person => prop_oneof![3 => Just(Scope::Own), 1 => Just(Scope::Account)].boxed(),
    }
}

fn aggregate(
    audience: Audience,
    functions: Vec<(Function, Option<&'static str>)>,
) -> BoxedStrategy<Expr> {
    let function = prop::sample::select(functions);
    let event = prop::sample::select(vec!["a", "b", "*"]);
    (scope(audience), function, event, window(), filter())
        .prop_map(|(scope, (function, property), event, window, filter)| {
            let aggregate = Aggregate {
                function,
                event: event.into(),
                property: property.map(Into::into),
                window,
                filter,
            };
            Expr::Aggregate(scope, Box::new(aggregate))
        })
        .boxed()
}

fn number(audience: Audience) -> BoxedStrategy<Expr> {
    let mut functions = vec![
        (Function::Count, None),
        (Function::Count, None),
        (Function::Sum, Some("n")),
        (Function::Min, Some("n")),
        (Function::Max, Some("n")),
        (Function::Average, Some("n")),
        (Function::Distinct, Some("k")),
    ];
    if audience == Audience::Account {
        functions.push((Function::ActivePeople, None));
    }
    let simple = aggregate(audience, functions);
    let pair = (
        prop::sample::select(vec![
            Operator::Divide,
            Operator::Subtract,
            Operator::Multiply,
        ]),
        simple.clone(),
        simple.clone(),
    );
    prop_oneof![
        5 => simple,
        2 => pair.prop_map(|(op, left, right)| Expr::Arithmetic(op, Box::new(left), Box::new(right))),
        1 => scope(audience).prop_map(|scope| Expr::Trait(scope, "seats".into())),
        1 => Just(Expr::PeopleCount(match audience {
            Audience::Person => Scope::Account,
            Audience::Account => Scope::Own,
        })),
    ]
    .boxed()
}

fn instant(audience: Audience) -> BoxedStrategy<Expr> {
    let edges = vec![
        (Function::First, None),
        (Function::Last, None),
        (Function::Last, None),
    ];
    prop_oneof![
        3 => aggregate(audience, edges),
        1 => scope(audience).prop_map(|scope| Expr::Trait(scope, "renewal".into())),
        1 => (0..12_i64).prop_map(|days| Expr::Instant(START.plus_ms(days * DAY_MS))),
        1 => (1..12_i8).prop_map(|day| Expr::Local(jiff::civil::date(2026, 1, day).to_datetime(jiff::civil::Time::midnight()))),
    ]
    .boxed()
}

fn leaf(audience: Audience, segments: Vec<(Scope, String)>) -> BoxedStrategy<Expr> {
    let constant = prop::sample::select(vec![0.0, 0.5, 1.0, 2.0, 3.0]);
    let constant = constant.prop_map(|n| Expr::Literal(Value::Number(n)));
    let compare = |(op, left, right)| Expr::Compare(op, Box::new(left), Box::new(right));
    let numbers = (comparison(), number(audience), constant).prop_map(compare);
    let length = duration().prop_map(Expr::Duration).boxed();
    let distance = prop_oneof![
        instant(audience).prop_map(|at| Expr::Since(Box::new(at))),
        instant(audience).prop_map(|at| Expr::Until(Box::new(at))),
        (instant(audience), instant(audience)).prop_map(|(left, right)| {
            Expr::Arithmetic(
                Operator::Subtract,
                Box::new(Expr::Since(Box::new(left))),
                Box::new(Expr::Since(Box::new(right))),
            )
        }),
    ];
    let distances = (comparison(), distance, length.clone()).prop_map(compare);
    let shifted = (instant(audience), length)
        .prop_map(|(at, length)| Expr::Arithmetic(Operator::Add, Box::new(at), Box::new(length)));
    let dates = (
        comparison(),
        Just(Expr::Now),
        prop_oneof![instant(audience), shifted],
    );
    let dates = dates.prop_map(compare);
    let values = vec![(Function::Last, Some("k")), (Function::First, Some("k"))];
    let text = prop_oneof![
        scope(audience).prop_map(|scope| Expr::Trait(scope, "plan".into())),
        aggregate(audience, values),
    ];
    let texts = (text, 0..4).prop_map(|(text, form)| {
        let text = Box::new(text);
        let x = || Box::new(Expr::Literal(Value::text("x")));
        match form {
            0 => Expr::In(text, vec![Value::text("pro"), Value::text("x")]),
            1 => Expr::Contains(text, x()),
            2 => Expr::StartsWith(text, x()),
            _ => Expr::Compare(Comparison::NotEqual, text, x()),
        }
    });
    let flags = scope(audience).prop_map(|scope| Expr::Trait(scope, "vip".into()));
    let knowns = prop_oneof![number(audience), instant(audience)];
    let knowns = knowns.prop_map(|inner| Expr::Known(Box::new(inner)));
    let plain =
        prop_oneof![6 => numbers, 4 => distances, 2 => dates, 2 => texts, 1 => flags, 1 => knowns];
    if segments.is_empty() {
        return plain.boxed();
    }
    let member = prop::sample::select(segments);
    let member = member.prop_map(|(scope, name)| Expr::InSegment(scope, name.into()));
    prop_oneof![5 => plain, 2 => member].boxed()
}

/// A condition; `dwell` allows `for`.
fn condition(
    audience: Audience,
    segments: Vec<(Scope, String)>,
    dwell: bool,
) -> BoxedStrategy<Expr> {
    leaf(audience, segments)
        .prop_recursive(2, 6, 3, move |inner| {
            let many = prop::collection::vec(inner.clone(), 2..4);
            let held = (inner.clone(), duration()).prop_map(move |(inner, ms)| {
                if dwell {
                    Expr::Held(Box::new(inner), ms)
                } else {
                    inner
                }
            });
            prop_oneof![
                2 => many.clone().prop_map(Expr::And),
                2 => many.prop_map(Expr::Or),
                1 => inner.prop_map(|inner| Expr::Not(Box::new(inner))),
                2 => held,
            ]
        })
        .boxed()
}

/// Two segments of accounts and two of people, the later ones over the earlier ones.
pub(crate) fn segments(dwell: bool) -> impl Strategy<Value = Vec<(Audience, Expr)>> {
    use Audience::{Account, Person};
    let own = |names: &[&str]| {
        names
            .iter()
            .map(|name| (Scope::Own, (*name).into()))
            .collect::<Vec<_>>()
    };
    let mut over_all = own(&["s2"]);
    over_all.extend([(Scope::Account, "s0".into()), (Scope::Account, "s1".into())]);
    let of_account = vec![(Scope::Account, "s0".to_owned())];
    (
        condition(Account, Vec::new(), dwell),
        condition(Account, own(&["s0"]), dwell),
        condition(Person, of_account, dwell),
        condition(Person, over_all, dwell),
    )
        .prop_map(|(s0, s1, s2, s3)| vec![(Account, s0), (Account, s1), (Person, s2), (Person, s3)])
}

pub(crate) fn case(len: usize, dwell: bool) -> impl Strategy<Value = Case> {
    (segments(dwell), history(len)).prop_map(|(segments, history)| Case { segments, history })
}
