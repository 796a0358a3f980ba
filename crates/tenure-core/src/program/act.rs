//! Steps other than sends and waits.

use super::compile::{Action, Arm, BranchArm};
use super::data;
use super::enter::{Entrance, enter};
use super::render::{Missing, Style};
use super::run::{Flow, Place};
use super::send::{account_of, message_id};
use super::{hooks, record::record};
use crate::decision::Outcome;
use crate::define::TaskDef;
use crate::effect::{EmittedEvent, MessageIntent, TaskIntent};
use crate::engine::Cx;
use crate::value::Value;

/// Whether a step of this kind acts, and so may act only once per enrollment.
pub(super) fn is_act(action: &Action) -> bool {
    !matches!(
        action,
        Action::Wait(_) | Action::Branch(_) | Action::Split(_) | Action::Exit(_)
    )
}

/// Does what a step says, at once.
pub(super) fn act(cx: &mut Cx<'_>, place: &Place<'_>) {
    match &place.step.action {
        Action::Task(def) => task(cx, place, def),
        Action::Webhook { url, body } => webhook(cx, place, url, body.as_deref()),
        Action::Set(changes) => set(cx, place, changes),
        Action::Emit(event) => emit(cx, place, event),
        Action::Enroll(program) => enroll(cx, place, program),
        Action::Send(_)
        | Action::Wait(_)
        | Action::Branch(_)
        | Action::Split(_)
        | Action::Exit(_) => {}
    }
}

/// Takes the first arm whose condition holds.
pub(super) fn branch(cx: &mut Cx<'_>, place: &Place<'_>, arms: &[BranchArm]) -> Flow {
    let taken = arms.iter().enumerate().find(|(_, arm)| {
        let when = arm.when.as_ref();
        when.is_none_or(|when| cx.holds(place.subject, &when.expr, None) == Some(true))
    });
    let (reason, next) = match taken {
        Some((
            at,
            BranchArm {
                when: Some(when),
                first,
            },
        )) => (format!("arm {}: `{}` holds", at + 1, when.text), *first),
        Some((at, BranchArm { when: None, first })) => {
            (format!("arm {}: nothing before it held", at + 1), *first)
        }
        None => ("no arm: no condition held".into(), place.step.next),
    };
    place.decide(cx, Outcome::Took, reason);
    Flow::Next(next)
}

/// Takes an arm by a stable hash of program, step and subject: the same one on every passage.
pub(super) fn split(cx: &mut Cx<'_>, place: &Place<'_>, arms: &[Arm]) -> Flow {
    let subject = place.subject.bits().to_be_bytes();
    let parts: [&[u8]; 3] = [
        place.program.name.as_bytes(),
        place.step.name.as_bytes(),
        &subject,
    ];
    let fraction = cx.plan.salt.fraction("split", &parts);
    let taken = arms.iter().find(|arm| fraction < arm.below).or(arms.last());
    let Some(arm) = taken else {
        place.decide(cx, Outcome::Took, "no arm");
        return Flow::Next(place.step.next);
    };
    place.decide(
        cx,
        Outcome::Took,
        format!("arm `{}` by its share", arm.name),
    );
    Flow::Next(arm.first)
}

fn task(cx: &mut Cx<'_>, place: &Place<'_>, def: &TaskDef) {
    let data = data::of_message(cx, place, place.subject.person(), None);
    let title = data::render(&data, place.subject, &def.title, Style::Title);
    let owner = owner(cx, place, &def.to);
    let reason = match &owner {
        Some(_) => format!("task `{}` for the account's `{}`", def.name, def.to),
        None => format!(
            "task `{}` for nobody: the account has no `{}`",
            def.name, def.to
        ),
    };
    let id = cx
        .plan
        .salt
        .derive(&[&place.id.0.to_be_bytes(), place.step.name.as_bytes()]);
    cx.out.tasks.push(TaskIntent {
        id,
        created_at: cx.now,
        name: def.name.as_str().into(),
        owner,
        title: title.unwrap_or_else(|Missing(_)| def.title.clone()).into(),
        due_at: def.due_ms.map(|ms| cx.now.plus_ms(ms)),
        subject: place.subject,
        account: account_of(cx.root, place.subject),
        program: place.program.name.clone(),
        enrollment: place.id,
        step: place.step.name.clone(),
    });
    place.decide(cx, Outcome::TaskCreated, reason);
}

/// The owner a task names: the value of that trait of the account (or else of the person). A
/// name that cannot be a trait (`Dana`, `dana@example.com`) stands for itself.
fn owner(cx: &Cx<'_>, place: &Place<'_>, to: &str) -> Option<Box<str>> {
    let account = cx.root.account();
    let person = cx.root.subject(place.subject);
    let told = account
        .into_iter()
        .chain(person)
        .find_map(|state| state.traits.get(to));
    if let Some(value) = told {
        return Some(value.to_string().into());
    }
    let is_trait_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
    (!to.chars().all(is_trait_name)).then(|| to.into())
}

fn webhook(cx: &mut Cx<'_>, place: &Place<'_>, url: &str, body: Option<&str>) {
    let data = data::of_message(cx, place, place.subject.person(), None);
    let to = match data::render(&data, place.subject, url, Style::Url) {
        Ok(to) => to,
        Err(Missing(path)) => {
            let reason = format!("the URL needs `{path}`, which is not known");
            return place.decide(cx, Outcome::RenderFailed, reason);
        }
    };
    let id = message_id(cx, place, None);
    cx.out.messages.push(MessageIntent {
        id,
        decided_at: cx.now,
        channel: "webhook".into(),
        person: place.subject.person(),
        account: account_of(cx.root, place.subject),
        subject: place.subject,
        program: place.program.name.clone(),
        version: place.program.version,
        enrollment: place.id,
        step: place.step.name.clone(),
        topic: None,
        transactional: true,
        delivery: place.program.delivery,
        to: to.into(),
        template: body.unwrap_or_default().into(),
        subject_line: None,
        data: data.to_string().into(),
    });
    let note = place
        .note(Outcome::Done, "webhook handed over")
        .leading_to(id);
    record(cx, place.subject, note);
}

fn set(cx: &mut Cx<'_>, place: &Place<'_>, changes: &[(Box<str>, Option<Value>)]) {
    let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_ref()).collect();
    place.decide(cx, Outcome::Done, format!("set {}", names.join(", ")));
    for (name, value) in changes {
        cx.set_trait(place.subject, name, value.clone());
    }
    hooks::on_traits(cx, place.subject, &names);
}

fn emit(cx: &mut Cx<'_>, place: &Place<'_>, event: &str) {
    let properties = serde_json::json!({"program": place.program.name.as_ref()});
    let id = cx
        .plan
        .salt
        .derive(&[&place.id.0.to_be_bytes(), place.step.name.as_bytes()]);
    cx.out.events.push(EmittedEvent {
        id,
        subject: place.subject,
        account: account_of(cx.root, place.subject),
        name: event.into(),
        occurred_at: cx.now,
        properties: properties.to_string().into(),
    });
    place.decide(cx, Outcome::Done, format!("emitted the event `{event}`"));
}

fn enroll(cx: &mut Cx<'_>, place: &Place<'_>, name: &str) {
    let plan = cx.plan;
    let Some(at) = plan.program_index.current(name) else {
        return place.decide(
            cx,
            Outcome::Skipped,
            format!("there is no program `{name}` any more"),
        );
    };
    place.decide(cx, Outcome::Done, format!("asked to enter `{name}`"));
    let why = format!("enrolled by `{}`", place.program.name);
    enter(
        cx,
        place.subject,
        &plan.programs[at],
        &Entrance::because(why),
    );
}
