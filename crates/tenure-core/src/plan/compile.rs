//! From sources to a plan, with every problem at once.

use std::collections::BTreeSet;

use crate::define::{Audience, Definitions, Entry, ProgramDef, SignalDef};
use crate::diagnostic::{Diagnostic, Severity};
use crate::program::{Program, ProgramIndex};
use crate::{policy, program};

use super::conditions::ConditionSet;
use super::index::Index;
use super::{Plan, PlanSources, Segment, Signal};

pub(super) fn compile(sources: PlanSources) -> Result<Plan, Vec<Diagnostic>> {
    let definitions = &sources.current;
    let mut conditions = ConditionSet::new(definitions);
    let mut diagnostics = Vec::new();
    report_repeated_names(definitions, &mut diagnostics);
    program::report_circles(definitions, &mut diagnostics);
    for audience in [Audience::Account, Audience::Person] {
        conditions.health(audience);
    }
    let segments = segments(definitions, &mut conditions);
    let signals = signals(definitions, &mut conditions);
    let programs = programs(&sources, &mut conditions, &mut diagnostics);
    let policy = policy::compile(definitions, &mut diagnostics);
    diagnostics.append(&mut conditions.diagnostics);
    if diagnostics
        .iter()
        .any(|found| found.severity == Severity::Error)
    {
        diagnostics.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
        return Err(diagnostics);
    }
    let mut index = Index::build(
        &conditions.series,
        &conditions.conditions,
        &segments,
        &signals,
    );
    for (def, program) in definitions.programs.iter().zip(&programs) {
        if program.version == sources.version {
            index_existing(def, &conditions, &mut index);
        }
    }
    let retired = sources.retired.iter().map(|(_, def)| def);
    for def in definitions.programs.iter().chain(retired) {
        index.add_program(def);
    }
    let program_index = ProgramIndex::build(&programs);
    index.add_entries(&program_index);
    let named = programs.iter().map(|one| (one.name.clone(), one.version));
    Ok(Plan {
        version: sources.version,
        salt: sources.salt,
        held: conditions.held,
        series: conditions.series,
        conditions: conditions.conditions,
        segments,
        signals,
        healths: conditions.healths,
        program_index,
        program_names: named.collect(),
        programs,
        policy,
        paused: sources.paused,
        index,
        definitions: sources.current,
    })
}

/// The current programs in the order of their definition, then older versions.
fn programs(
    sources: &PlanSources,
    conditions: &mut ConditionSet,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Program> {
    let definitions = &sources.current;
    let mut out = Vec::new();
    for def in &definitions.programs {
        let version = sources.program_versions.get(&def.name).copied();
        let version = version.unwrap_or(sources.version);
        conditions.program = out.len();
        out.push(program::compile(
            def,
            version,
            true,
            definitions,
            conditions,
            diagnostics,
        ));
    }
    conditions.quiet = true;
    for (version, def) in &sources.retired {
        // Problems of an older version were reported when it was published.
        let mut known = Vec::new();
        conditions.program = out.len();
        out.push(program::compile(
            def,
            *version,
            false,
            definitions,
            conditions,
            &mut known,
        ));
    }
    out
}

/// Notes the entry of a new program that takes in those for whom it already holds.
fn index_existing(def: &ProgramDef, conditions: &ConditionSet, index: &mut Index) {
    match &def.enter {
        Entry::When {
            condition,
            existing: true,
        } => {
            let known = conditions.find(def.audience, &condition.expr);
            index.existing_entries.extend(known);
        }
        Entry::Segment {
            segment,
            existing: true,
        } => {
            let known = index.segments.get(segment.as_str()).copied();
            index.existing_segments.extend(known);
        }
        _ => {}
    }
}

fn segments(definitions: &Definitions, conditions: &mut ConditionSet) -> Vec<Segment> {
    let mut out = Vec::new();
    for def in &definitions.segments {
        if let Some((audience, condition)) = conditions.segment(&def.name, None) {
            out.push(Segment {
                name: def.name.as_str().into(),
                audience,
                condition,
            });
        }
    }
    out
}

fn signals(definitions: &Definitions, conditions: &mut ConditionSet) -> Vec<Signal> {
    let signal = |def: &SignalDef| Signal {
        name: def.name.as_str().into(),
        audience: def.audience,
        condition: conditions.track(def.audience, &def.when, true, None),
        cooldown_ms: def.cooldown_ms,
        evidence: evidence(def),
    };
    definitions.signals.iter().map(signal).collect()
}

fn evidence(def: &SignalDef) -> Box<str> {
    let severity = serde_json::to_value(def.severity).unwrap_or_default();
    let mut told =
        serde_json::json!({"about": def.about, "severity": severity, "condition": def.when.text});
    if let Some(kind) = def.kind {
        told["kind"] = serde_json::to_value(kind).unwrap_or_default();
    }
    told.to_string().into()
}

fn report_repeated_names(definitions: &Definitions, diagnostics: &mut Vec<Diagnostic>) {
    let segments = definitions.segments.iter();
    let signals = definitions.signals.iter();
    let health = definitions.health.iter();
    let programs = definitions.programs.iter();
    let named = segments
        .map(|def| ("segment", &def.name, &def.place))
        .chain(signals.map(|def| ("signal", &def.name, &def.place)))
        .chain(health.map(|def| ("health", &def.name, &def.place)))
        .chain(programs.map(|def| ("program", &def.name, &def.place)));
    let mut known = BTreeSet::new();
    for (kind, name, place) in named {
        if known.insert((kind, name)) {
            continue;
        }
        let file = definitions.files.get(place.file);
        let (path, text) = file.map_or(("", ""), |file| (file.path.as_str(), file.text.as_str()));
        let message = format!("the {kind} `{name}` is defined twice");
        let found = Diagnostic::error("repeated-name", path, text, place.span, message);
        diagnostics.push(found.help("give each its own name"));
    }
}
