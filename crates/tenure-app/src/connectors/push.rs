//! Bringing accounts and people to a provider when somebody asks for it.

use std::collections::BTreeMap;

use serde::Serialize;
use tenure_connectors::Outcome;
use tenure_connectors::provider::{Change, Item, Mode, Pushed, Told, Who, push};
use tenure_core::define::Audience;
use tenure_core::id::SubjectId;
use tenure_core::log::IdentifierKind;
use tenure_core::subject::SubjectState;
use tenure_store::Page;

use super::Connectors;
use crate::error::AppError;

/// Most subjects of one push.
pub const PUSH_SUBJECTS_MAX: usize = 1_000;

/// What to bring.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// Members of this segment; everybody of `audience` without one.
    pub segment: Option<String>,
    /// People or accounts, when no segment says it.
    pub audience: Audience,
    /// Whether to write.
    pub mode: Mode,
    /// Which part.
    pub page: Page,
}

/// What came of one subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PushRow {
    /// Who.
    pub subject: String,
    /// What came of it.
    pub pushed: Pushed,
}

/// What came of a push.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PushReport {
    /// Taken by the provider.
    pub accepted_count: usize,
    /// Refused for good.
    pub rejected_count: usize,
    /// To be tried again.
    pub later_count: usize,
    /// Not known.
    pub unknown_count: usize,
    /// Nothing to write.
    pub skipped_count: usize,
    /// What a dry run would write.
    pub would_write_count: usize,
    /// Subject by subject.
    pub rows: Vec<PushRow>,
    /// Where the next part begins.
    pub next_cursor: Option<String>,
}

impl Connectors {
    /// Brings a part of the accounts or people to a provider, or says what would be brought.
    pub fn push(&self, name: &str, request: &PushRequest) -> Result<PushReport, AppError> {
        let config = self.config(name)?;
        let connector = self.connector(name)?;
        let mapped = config.mapped_traits();
        let (states, next_cursor) = self.states(request)?;
        let items: Vec<Item> = states
            .iter()
            .map(|state| item(state, mapped.as_deref()))
            .collect();
        let now_ms = self.clock.now().0;
        self.enter(name)
            .map_err(|(shut, _)| AppError::Conflict(shut))?;
        let pushed = push(connector.as_ref(), &items, request.mode, now_ms);
        self.note_pushed(name, &pushed);
        let mut report = PushReport {
            next_cursor,
            ..PushReport::default()
        };
        for (state, pushed) in states.iter().zip(pushed) {
            report.count(&pushed);
            report.rows.push(PushRow {
                subject: state.id.to_string(),
                pushed,
            });
        }
        Ok(report)
    }

    fn states(
        &self,
        request: &PushRequest,
    ) -> Result<(Vec<SubjectState>, Option<String>), AppError> {
        let page = Page {
            after: request.page.after.clone(),
            limit: request.page.limit.clamp(1, PUSH_SUBJECTS_MAX),
        };
        let query = self.query();
        let Some(segment) = &request.segment else {
            let listed = query.subjects(request.audience, &page)?;
            return Ok((listed.rows, listed.next));
        };
        let is_known = self.live.plan().is_some_and(|plan| {
            let mut known = plan.segments.iter();
            known.any(|known| known.name.as_ref() == segment)
        });
        if !is_known {
            return Err(AppError::NotFound {
                what: "segment",
                name: segment.clone(),
            });
        }
        let members = self.store.members(segment, &page)?;
        let next = (members.len() == page.limit)
            .then(|| members.last().map(|member| member.subject.to_string()))
            .flatten();
        let mut states = Vec::new();
        for member in members {
            states.extend(query.subject(member.subject)?);
        }
        Ok((states, next))
    }
}

impl PushReport {
    fn count(&mut self, pushed: &Pushed) {
        let counter = match pushed {
            Pushed::WouldWrite { .. } => &mut self.would_write_count,
            Pushed::Skipped { .. } => &mut self.skipped_count,
            Pushed::Attempted { attempt } => match &attempt.outcome {
                Outcome::Accepted { .. } => &mut self.accepted_count,
                Outcome::Unknown { .. } => &mut self.unknown_count,
                outcome if outcome.may_retry() => &mut self.later_count,
                _ => &mut self.rejected_count,
            },
        };
        *counter += 1;
    }
}

/// The names by which a subject is known.
pub(super) fn who(state: &SubjectState) -> Who {
    let named = |kind| {
        let mut found = state.identifiers.iter();
        let found = found.find(|known| known.kind == kind);
        found.map(|known| known.value.to_string())
    };
    let text = |name: &str| state.traits.get(name)?.as_text().map(str::to_owned);
    Who {
        user_id: named(IdentifierKind::UserId),
        email: named(IdentifierKind::Email).or_else(|| text("email")),
        phone: text("phone"),
        account_id: named(IdentifierKind::AccountId),
    }
}

/// A subject as it is now, with the traits that are mapped (all where nothing is).
fn item(state: &SubjectState, mapped: Option<&[String]>) -> Item {
    let traits: BTreeMap<String, Told> = state
        .traits
        .iter()
        .filter(|(name, _)| mapped.is_none_or(|names| names.iter().any(|known| known == name)))
        .map(|(name, value)| {
            let at = state.trait_times.get(name).copied();
            let told = Told {
                value: value.to_json(),
                told_at_ms: at.unwrap_or(state.seen_at).0,
            };
            (name.to_owned(), told)
        })
        .collect();
    let who = who(state);
    let change = match state.id {
        SubjectId::Person(_) => Change::Person { who, traits },
        SubjectId::Account(_) => Change::Account {
            account_id: who.account_id.unwrap_or_default(),
            traits,
        },
    };
    // The same state is the same item, a later one another.
    Item {
        id: format!("{}-{}", state.id, state.seen_at.0),
        change,
    }
}
