//! What templates may use: a snapshot of person, account, event and program as they were when
//! the step decided.

use serde_json::{Map, Value as Json};

use super::record::find;
use super::render::{self, Missing, Style};
use super::run::Place;
use crate::engine::Cx;
use crate::id::{PersonId, SubjectId};
use crate::subject::SubjectState;

/// The data of a message to a person (or, without one, about the subject alone).
pub(super) fn of_message(
    cx: &Cx<'_>,
    place: &Place<'_>,
    person: Option<PersonId>,
    topic: Option<&str>,
) -> Json {
    let mut data = Map::new();
    if let Some(state) = person.and_then(|person| cx.root.people().get(&person)) {
        let mut person = of_subject(state);
        add_first_name(&mut person);
        data.insert("person".into(), Json::Object(person));
    }
    if let Some(state) = cx.root.account() {
        data.insert("account".into(), Json::Object(of_subject(state)));
    }
    let told = find(cx, place.subject, place.id).map(|enrollment| enrollment.data.as_ref());
    let event: Json = told
        .and_then(|told| serde_json::from_str(told).ok())
        .unwrap_or_default();
    data.insert(
        "event".into(),
        if event.is_object() {
            event
        } else {
            Json::Object(Map::new())
        },
    );
    data.insert(
        "program".into(),
        serde_json::json!({"name": place.program.name.as_ref()}),
    );
    if let Some(topic) = topic {
        data.insert("message".into(), serde_json::json!({"topic": topic}));
    }
    Json::Object(data)
}

/// Renders a small template: full paths first, then a bare name in the event, then among the
/// subject's own traits.
pub(super) fn render(
    data: &Json,
    subject: SubjectId,
    template: &str,
    style: Style,
) -> Result<String, Missing> {
    let own = match subject {
        SubjectId::Person(_) => "person",
        SubjectId::Account(_) => "account",
    };
    render::render(template, style, |path| {
        let inside = |part: &str| data.get(part).and_then(|part| render::walk(part, path));
        render::walk(data, path)
            .or_else(|| inside("event"))
            .or_else(|| inside(own))
            .filter(|found| !found.is_object())
    })
}

fn of_subject(state: &SubjectState) -> Map<String, Json> {
    let mut out = Map::new();
    for (name, value) in state.traits.iter() {
        insert_nested(&mut out, name, value.to_json());
    }
    out.insert("id".into(), Json::from(state.id.to_string()));
    out
}

/// Puts `address.city` where templates look for it. A name that is a value and a group at once
/// keeps what was there first.
fn insert_nested(out: &mut Map<String, Json>, name: &str, value: Json) {
    match name.split_once('.') {
        None => {
            out.entry(name).or_insert(value);
        }
        Some((head, rest)) => {
            let inner = out.entry(head).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                insert_nested(inner, rest, value);
            }
        }
    }
}

/// A greeting needs a first name: from `firstName`, else the first word of `name`.
fn add_first_name(person: &mut Map<String, Json>) {
    if person.contains_key("first_name") {
        return;
    }
    let text = |name: &str| person.get(name).and_then(Json::as_str);
    let first = text("firstName").or_else(|| text("name")?.split_whitespace().next());
    if let Some(first) = first.map(Json::from) {
        person.insert("first_name".into(), first);
    }
}
