//! Everything that is kept about one person, for that person.

use axum::extract::{Path, State};
use serde::Serialize;
use tenure_app::node::Node;
use tenure_core::id::{PersonId, SubjectId};
use tenure_store::query::{
    DecisionFilter, EnrollmentFilter, MAX_PAGE_ROWS, MessageFilter, RefusalFilter, TaskFilter,
    instant_cursor,
};
use tenure_store::{Page, StoreError};

use super::params::Params;
use super::rows::{DecisionRow, EnrollmentRow, MessageRow, PersonRow, TaskRow, TimelineRow};
use super::subjects::{known, person_id};
use super::{Answer, answer, query};
use crate::ApiState;
use crate::problem::Problem;

/// A choice against a topic, or a suppressed address.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RefusalRow {
    /// Null: an address, or all marketing.
    topic: Option<String>,
    reason: String,
    at: String,
}

/// Everything that is kept about a person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PersonExport {
    /// When this was put together.
    exported_at: String,
    person: PersonRow,
    /// Everything that happened, the latest first.
    timeline: Vec<TimelineRow>,
    enrollments: Vec<EnrollmentRow>,
    decisions: Vec<DecisionRow>,
    /// Messages to the person; the text of sent ones is not kept.
    messages: Vec<MessageRow>,
    tasks: Vec<TaskRow>,
    refusals: Vec<RefusalRow>,
}

/// Everything that is kept about one person, as one JSON document: what a person who asks for
/// their data gets.
#[utoipa::path(get, path = "/people/{person}/export", params(("person" = String, Path)), responses((status = 200, body = PersonExport)))]
pub(super) async fn export(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    params: Params,
) -> Answer<PersonExport> {
    params.only(&[])?;
    let id = person_id(&id)?;
    answer(&state, move |node| gather(node, id)).await
}

fn gather(node: &Node, id: PersonId) -> Result<PersonExport, Problem> {
    let person = known(node, SubjectId::Person(id))?;
    let subject = person.id;
    let id = subject.person().unwrap_or(id);
    let store = node.store();
    let enrollments = all(
        |page| {
            let filter = EnrollmentFilter {
                subject: Some(subject),
                ..EnrollmentFilter::default()
            };
            store.enrollments(&filter, page)
        },
        |row| instant_cursor(row.entered_at, row.id),
    )?;
    let decisions = all(
        |page| {
            let filter = DecisionFilter {
                subject: Some(subject),
                ..DecisionFilter::default()
            };
            store.decisions(&filter, page)
        },
        |row| instant_cursor(row.at, row.id),
    )?;
    let messages = all(
        |page| {
            let filter = MessageFilter {
                person: Some(id),
                ..MessageFilter::default()
            };
            store.messages(&filter, page)
        },
        |row| instant_cursor(row.intent.decided_at, row.intent.id),
    )?;
    let tasks = all(
        |page| {
            let filter = TaskFilter {
                subject: Some(subject),
                ..TaskFilter::default()
            };
            store.tasks(&filter, page)
        },
        |row| instant_cursor(row.intent.created_at, row.intent.id),
    )?;
    let refusals = all(
        |page| {
            let filter = RefusalFilter {
                kind: None,
                person: Some(id),
            };
            store.refusals(&filter, page)
        },
        |(key, row)| instant_cursor(row.at, key),
    )?;
    let refusal = |row: tenure_store::row::Refusal| RefusalRow {
        topic: row.topic.map(Into::into),
        reason: row.reason.into(),
        at: row.at.to_string(),
    };
    Ok(PersonExport {
        exported_at: node.now().to_string(),
        person: person.into(),
        timeline: timeline(node, subject)?,
        enrollments: enrollments.into_iter().map(EnrollmentRow::from).collect(),
        decisions: decisions.into_iter().map(DecisionRow::from).collect(),
        messages: messages.into_iter().map(MessageRow::from).collect(),
        tasks: tasks.into_iter().map(TaskRow::from).collect(),
        refusals: refusals.into_iter().map(|(_, row)| refusal(row)).collect(),
    })
}

/// A list to its end.
fn all<R>(
    read: impl Fn(&Page) -> Result<Vec<R>, StoreError>,
    cursor: impl Fn(&R) -> String,
) -> Result<Vec<R>, StoreError> {
    let mut page = Page {
        after: None,
        limit: MAX_PAGE_ROWS,
    };
    let mut found = Vec::new();
    loop {
        let mut rows = read(&page)?;
        let more = rows.len() == MAX_PAGE_ROWS;
        page.after = rows.last().map(&cursor);
        found.append(&mut rows);
        if !more {
            return Ok(found);
        }
    }
}

fn timeline(node: &Node, subject: SubjectId) -> Result<Vec<TimelineRow>, StoreError> {
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let listed = query(node).timeline(subject, before, MAX_PAGE_ROWS)?;
        before = listed.rows.last().map(|item| item.position);
        found.extend(listed.rows.into_iter().map(TimelineRow::from));
        if listed.next.is_none() {
            return Ok(found);
        }
    }
}
