//! What a test expects, and what to say when it did not happen.

use std::collections::BTreeMap;

use super::elapsed;
use super::world::World;
use crate::decision::{Decision, Outcome};
use crate::define::MomentKind;
use crate::program::Program;
use crate::time::Timestamp;

pub(super) struct Expectations<'a> {
    program: &'a Program,
    start: Timestamp,
    /// Tasks of each kind that were expected so far: place after the last one matched.
    tasks_seen: BTreeMap<String, usize>,
}

impl<'a> Expectations<'a> {
    pub(super) fn new(program: &'a Program, start: Timestamp) -> Self {
        Self {
            program,
            start,
            tasks_seen: BTreeMap::new(),
        }
    }

    /// Compares an expectation with what happened up to now.
    pub(super) fn check(&mut self, world: &World<'_>, what: &MomentKind) -> Result<(), String> {
        match what {
            MomentKind::ExpectEntered => self.entered(world),
            MomentKind::ExpectNotEntered => match self.with(world, &[Outcome::Entered]).first() {
                None => Ok(()),
                Some(entry) => {
                    let at = elapsed(entry.at.since_ms(self.start));
                    Err(format!(
                        "expected not to have entered, but it did at {at}: {}",
                        entry.reason
                    ))
                }
            },
            MomentKind::ExpectExited(reason) => self.exited(world, reason),
            MomentKind::ExpectTask { task, to } => self.task(world, task, to.as_deref()),
            MomentKind::ExpectMessage { template } => self.message(world, template),
            MomentKind::ExpectDecision { outcome } => self.decision(world, outcome),
            MomentKind::ExpectNothingSent => match world.out.messages.first() {
                None => Ok(()),
                Some(message) => Err(format!(
                    "expected nothing to be sent, but `{}` was, by step `{}` of `{}` at {}",
                    message.template,
                    message.step,
                    message.program,
                    elapsed(message.decided_at.since_ms(self.start)),
                )),
            },
            MomentKind::Event { .. } | MomentKind::Set { .. } => Ok(()),
        }
    }

    fn of_program<'b>(&self, world: &'b World<'_>) -> impl Iterator<Item = &'b Decision> {
        let name = self.program.name.clone();
        let decisions = world.out.decisions.iter();
        decisions.filter(move |decision| decision.program == name)
    }

    fn with<'b>(&self, world: &'b World<'_>, outcomes: &[Outcome]) -> Vec<&'b Decision> {
        let fits = |decision: &&Decision| outcomes.contains(&decision.outcome);
        self.of_program(world).filter(fits).collect()
    }

    /// The latest decisions, to say what happened instead.
    fn instead(&self, world: &World<'_>) -> String {
        const SHOWN: usize = 3;
        let all: Vec<&Decision> = self.of_program(world).collect();
        if all.is_empty() {
            return "nothing happened: nothing has started the program so far".into();
        }
        let shown = all[all.len().saturating_sub(SHOWN)..]
            .iter()
            .map(|decision| {
                let at = elapsed(decision.at.since_ms(self.start));
                let step = decision.step.as_deref().unwrap_or("-");
                let outcome = decision.outcome.as_str();
                format!("{at} {step} {outcome}: {}", decision.reason)
            });
        format!(
            "what happened last: {}",
            shown.collect::<Vec<_>>().join("; ")
        )
    }

    fn entered(&self, world: &World<'_>) -> Result<(), String> {
        if !self.with(world, &[Outcome::Entered]).is_empty() {
            return Ok(());
        }
        Err(format!("expected to have entered; {}", self.instead(world)))
    }

    fn exited(&self, world: &World<'_>, reason: &str) -> Result<(), String> {
        let ends = [
            Outcome::GoalReached,
            Outcome::Exited,
            Outcome::Removed,
            Outcome::Completed,
        ];
        let found = self.with(world, &ends);
        let fits = |decision: &&Decision| match reason {
            "goal" => decision.outcome == Outcome::GoalReached,
            "completed" => decision.outcome == Outcome::Completed,
            "removed" => decision.outcome == Outcome::Removed,
            "exit" => decision.outcome == Outcome::Exited,
            other => decision.outcome == Outcome::Exited && decision.reason.as_ref() == other,
        };
        if found.iter().copied().any(|decision| fits(&decision)) {
            return Ok(());
        }
        Err(format!(
            "expected to have left by `{reason}`; {}",
            self.instead(world)
        ))
    }

    fn task(&mut self, world: &World<'_>, name: &str, to: Option<&str>) -> Result<(), String> {
        let seen = self.tasks_seen.entry(name.into()).or_default();
        let tasks = world.out.tasks.iter().enumerate();
        let ours = |program: &str| program == self.program.name.as_ref();
        let mut found = tasks.filter(|(_, task)| ours(&task.program) && task.name.as_ref() == name);
        let Some((at, task)) = found.find(|(at, _)| at >= seen) else {
            let instead = self.instead(world);
            return Err(format!("expected a task `{name}`; {instead}"));
        };
        *seen = at + 1;
        match (to, task.owner.as_deref()) {
            (Some(to), owner) if owner != Some(to) => {
                let owner = owner.unwrap_or("nobody");
                Err(format!(
                    "expected the task `{name}` for `{to}`, but it is for `{owner}`"
                ))
            }
            _ => Ok(()),
        }
    }

    fn message(&self, world: &World<'_>, template: &str) -> Result<(), String> {
        let ours = |program: &str| program == self.program.name.as_ref();
        let mut sent = world
            .out
            .messages
            .iter()
            .filter(|message| ours(&message.program));
        if sent
            .clone()
            .any(|message| message.template.as_ref() == template)
        {
            return Ok(());
        }
        match sent.next_back() {
            Some(other) => Err(format!(
                "expected the message `{template}`, but the last one was `{}`",
                other.template
            )),
            None => Err(format!(
                "expected the message `{template}`; {}",
                self.instead(world)
            )),
        }
    }

    fn decision(&self, world: &World<'_>, outcome: &str) -> Result<(), String> {
        if self
            .of_program(world)
            .any(|decision| decision.outcome.as_str() == outcome)
        {
            return Ok(());
        }
        Err(format!(
            "expected a step to be `{outcome}`; {}",
            self.instead(world)
        ))
    }
}
