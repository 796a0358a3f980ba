//! Starting a program for chosen customers.

use serde_json::{Map, Value as Json};
use tenure_core::define::{Audience, Entry};
use tenure_core::id::SubjectId;
use tenure_store::Page;
use tenure_store::query::MAX_PAGE_ROWS;

use crate::error::AppError;
use crate::node::Node;

/// The most customers that are named at once.
const MAX_CUSTOMERS: usize = 1_000;
/// The most members of a segment that are entered one by one.
const MAX_MEMBERS: usize = 10_000;

/// For whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// Customers by the ids their sender uses.
    Customers(Vec<String>),
    /// Present members of a segment.
    Segment(String),
}

/// What was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// The program.
    pub program: String,
    /// How many were asked to enter; each entry is a decision of its own.
    pub asked_count: u64,
    /// Customers nobody knows.
    pub unknown: Vec<String>,
}

impl Node {
    /// Starts a program for customers or a segment. A broadcast goes to the segment at once;
    /// other programs are asked to take each subject.
    pub fn start_campaign(
        &self,
        program: &str,
        targets: &Targets,
        data: &Map<String, Json>,
    ) -> Result<Campaign, AppError> {
        let definition = self.program(program)?;
        match targets {
            Targets::Segment(segment) if matches!(definition.enter, Entry::Broadcast(_)) => {
                Ok(Campaign {
                    program: program.to_owned(),
                    asked_count: self.broadcast(program, Some(segment))?,
                    unknown: Vec::new(),
                })
            }
            Targets::Segment(segment) => {
                self.check_segment(segment, definition.audience)?;
                let members = self.members_of(segment)?;
                self.enter_all(program, &members, data)
            }
            Targets::Customers(customers) => {
                self.enter_customers(program, definition.audience, customers, data)
            }
        }
    }

    fn members_of(&self, segment: &str) -> Result<Vec<SubjectId>, AppError> {
        let mut members = Vec::new();
        let mut page = Page {
            after: None,
            limit: MAX_PAGE_ROWS,
        };
        loop {
            let rows = self.store().members(segment, &page)?;
            members.extend(rows.iter().map(|row| row.subject));
            if members.len() > MAX_MEMBERS {
                return Err(AppError::Invalid {
                    field: "segment".into(),
                    message: format!(
                        "has more than {MAX_MEMBERS} members; make the program a broadcast"
                    ),
                });
            }
            match rows.last() {
                Some(last) if rows.len() == MAX_PAGE_ROWS => {
                    page.after = Some(last.subject.to_string());
                }
                _ => return Ok(members),
            }
        }
    }

    fn enter_customers(
        &self,
        program: &str,
        audience: Audience,
        customers: &[String],
        data: &Map<String, Json>,
    ) -> Result<Campaign, AppError> {
        if audience != Audience::Account {
            return Err(AppError::Invalid {
                field: "program".into(),
                message: format!("`{program}` is for people; name a segment of people instead"),
            });
        }
        if customers.len() > MAX_CUSTOMERS {
            return Err(AppError::Invalid {
                field: "customers".into(),
                message: format!("are more than {MAX_CUSTOMERS}; send them in parts"),
            });
        }
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for customer in customers {
            match self.customer(customer) {
                Ok((account, _)) => known.push(SubjectId::Account(account)),
                Err(AppError::NotFound { .. }) => unknown.push(customer.clone()),
                Err(error) => return Err(error),
            }
        }
        let started = self.enter_all(program, &known, data)?;
        Ok(Campaign { unknown, ..started })
    }

    fn enter_all(
        &self,
        program: &str,
        subjects: &[SubjectId],
        data: &Map<String, Json>,
    ) -> Result<Campaign, AppError> {
        for subject in subjects {
            self.enroll(program, *subject, None, data)?;
        }
        Ok(Campaign {
            program: program.to_owned(),
            asked_count: subjects.len() as u64,
            unknown: Vec::new(),
        })
    }
}
