//! Programs that let their subjects in again for ever.
//!
//! An emitted event comes back through the log, so a program that emits the event it is entered
//! by, or several that emit each other's, would go round as fast as the log is read. A re-entry
//! rule other than `always` ends that; where nobody has one, the circle is refused.

use std::collections::BTreeSet;

use crate::define::{
    Audience, Definitions, Entry, ProgramDef, Reentry, StepDef, StepKind, WaitDef,
};
use crate::diagnostic::Diagnostic;

/// Reports every circle of programs that may all be entered again always, through at least one
/// emitted event. Each circle is reported at its first program.
pub(crate) fn report_circles(definitions: &Definitions, diagnostics: &mut Vec<Diagnostic>) {
    let programs = &definitions.programs;
    let leads: Vec<Vec<Lead>> = programs.iter().map(|def| leads_of(def, programs)).collect();
    for (start, def) in programs.iter().enumerate() {
        let Some(path) = circle(start, &leads) else {
            continue;
        };
        let names = path.iter().map(|at| format!("`{}`", programs[*at].name));
        let names: Vec<String> = names.collect();
        let message = format!(
            "{} goes round for ever: what it emits lets its subjects in again",
            names.join(" → ")
        );
        let error = definitions.error_at(&def.place, "endless-circle", message);
        diagnostics.push(error.help(
            "say `again: never` or `again: after 7d` in one of them, or emit an event of another name",
        ));
    }
}

/// From one program into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lead {
    to: usize,
    /// By an event that comes back through the log; else at once, which is bounded.
    emitted: bool,
}

fn leads_of(def: &ProgramDef, programs: &[ProgramDef]) -> Vec<Lead> {
    let mut out = Vec::new();
    if def.again == Reentry::Always {
        follow(def.audience, &def.steps, programs, &mut out);
    }
    out
}

fn follow(audience: Audience, steps: &[StepDef], programs: &[ProgramDef], out: &mut Vec<Lead>) {
    for step in steps {
        match &step.kind {
            StepKind::Emit(event) => {
                let entered = |def: &ProgramDef| {
                    // An event of a person also reaches the programs of its account.
                    let reached = audience == Audience::Person || def.audience == audience;
                    reached && is_entered_by(def, event)
                };
                out.extend(found(programs, entered, true));
            }
            StepKind::Enroll(name) => {
                out.extend(found(programs, |def| def.name == *name, false));
            }
            StepKind::Wait(WaitDef::Until {
                then, otherwise, ..
            }) => {
                follow(audience, then, programs, out);
                follow(audience, otherwise, programs, out);
            }
            StepKind::Branch(arms) => {
                for (_, steps) in arms {
                    follow(audience, steps, programs, out);
                }
            }
            StepKind::Split(arms) => {
                for arm in arms {
                    follow(audience, &arm.steps, programs, out);
                }
            }
            _ => {}
        }
    }
}

/// Whether every such event lets its subject in; a filter looks at what an emitted event does not
/// carry.
fn is_entered_by(def: &ProgramDef, emitted: &str) -> bool {
    matches!(&def.enter, Entry::Event { event, filter: None } if event == emitted)
}

fn found(
    programs: &[ProgramDef],
    test: impl Fn(&ProgramDef) -> bool,
    emitted: bool,
) -> impl Iterator<Item = Lead> {
    let all = programs.iter().enumerate();
    all.filter(move |(_, def)| def.again == Reentry::Always && test(def))
        .map(move |(to, _)| Lead { to, emitted })
}

/// A shortest way from a program over later ones back to itself that emits at least once.
fn circle(start: usize, leads: &[Vec<Lead>]) -> Option<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![(vec![start], false)];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for (way, emitted) in &ways {
            let last = way.last().copied().unwrap_or(start);
            for lead in leads[last].iter().filter(|lead| lead.to >= start) {
                let emitted = *emitted || lead.emitted;
                let mut way = way.clone();
                way.push(lead.to);
                if lead.to == start && emitted {
                    return Some(way);
                }
                if seen.insert((lead.to, emitted)) {
                    longer.push((way, emitted));
                }
            }
        }
        ways = longer;
    }
    None
}
