//! What people and programs ask of the engine: each becomes an entry of the log.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
pub use tenure_connectors::template::Rendered;
use tenure_connectors::template::Strict;
use tenure_core::define::{Audience, Entry, ProgramDef};
use tenure_core::id::{AccountId, MessageId, PersonId, SubjectId};
use tenure_core::log::{Body, Command, IdentifierKind, SweepPurpose};
use tenure_core::subject::SubjectState;
use tenure_store::batch::MessageUpdate;
use tenure_store::query::{MAX_PAGE_ROWS, RefusalFilter};
use tenure_store::row::{Message, MessageState, RefusalKind};
use tenure_store::{Batch, Page};

use crate::error::AppError;
use crate::identity::present_person;
use crate::node::Node;
use crate::query::Query;
use crate::refusals::{address_key, refused_address};

impl Node {
    /// Pauses a program, or lets it go on. While paused it neither enters nor acts; what came due
    /// acts when it goes on.
    pub fn pause(&self, program: &str, paused: bool) -> Result<(), AppError> {
        let program = self.program(program)?.name;
        let mut entries = vec![Body::Command(Command::Pause {
            program: program.as_str().into(),
            paused,
        })];
        if !paused {
            entries.extend(self.sweep_entries(&SweepPurpose::Resume(program.as_str().into()))?);
        }
        self.writer().append(entries, Batch::default()).map(drop)
    }

    /// Enters a subject into a program.
    pub fn enroll(
        &self,
        program: &str,
        subject: SubjectId,
        key: Option<String>,
        data: &Map<String, Json>,
    ) -> Result<(), AppError> {
        let program = self.program(program)?;
        let fits = match program.audience {
            Audience::Person => subject.person().is_some(),
            Audience::Account => subject.account().is_some(),
        };
        if !fits {
            let message = format!(
                "`{}` is a program for {:?}s",
                program.name, program.audience
            )
            .to_lowercase();
            return Err(AppError::Invalid {
                field: "subject".into(),
                message,
            });
        }
        self.known(subject)?;
        let account = self.account_of(subject)?;
        let entry = Command::Enroll {
            program: program.name.as_str().into(),
            subject,
            account,
            key: key.map(Into::into),
            data: Json::Object(data.clone()).to_string().into(),
        };
        self.writer()
            .append(vec![Body::Command(entry)], Batch::default())
            .map(drop)
    }

    /// Takes a subject out of a program: no later step acts.
    pub fn remove(&self, program: &str, subject: SubjectId) -> Result<(), AppError> {
        self.known(subject)?;
        let account = self.account_of(subject)?;
        let entry = Command::Remove {
            program: program.into(),
            subject,
            account,
        };
        self.writer()
            .append(vec![Body::Command(entry)], Batch::default())
            .map(drop)
    }

    /// Sends a broadcast to the members its segment has now, or to those of another segment of
    /// the same audience; answers how many there are.
    pub fn broadcast(&self, program: &str, other: Option<&str>) -> Result<u64, AppError> {
        let program = self.program(program)?;
        let Entry::Broadcast(own) = &program.enter else {
            return Err(AppError::Conflict(format!(
                "`{}` is not a broadcast; give it `enter: {{ broadcast: SEGMENT }}`",
                program.name
            )));
        };
        if let Some(other) = other {
            self.check_segment(other, program.audience)?;
        }
        let segment = other.unwrap_or(own);
        let counts = self.store().member_counts()?;
        let count = counts
            .iter()
            .find(|(name, _)| name.as_ref() == segment)
            .map_or(0, |(_, count)| *count);
        let name: Box<str> = program.name.as_str().into();
        self.append_sweep(&match other {
            None => SweepPurpose::Broadcast(name),
            Some(segment) => SweepPurpose::BroadcastTo {
                program: name,
                segment: segment.into(),
            },
        })?;
        Ok(count)
    }

    pub(crate) fn check_segment(&self, name: &str, audience: Audience) -> Result<(), AppError> {
        let plan = self.live().plan();
        let found = plan.as_ref().and_then(|plan| plan.segment(name));
        let segment = found.ok_or_else(|| AppError::NotFound {
            what: "segment",
            name: name.to_owned(),
        })?;
        if segment.audience != audience {
            let message = format!(
                "`{name}` holds {:?}s, the program is for {audience:?}s",
                segment.audience
            );
            return Err(AppError::Invalid {
                field: "segment".into(),
                message: message.to_lowercase(),
            });
        }
        Ok(())
    }

    /// Notes a person's choice about a topic, or about all marketing. A refusal also counts for
    /// messages that are decided already.
    pub fn consent(
        &self,
        person: PersonId,
        topic: Option<&str>,
        subscribed: bool,
    ) -> Result<(), AppError> {
        if let Some(topic) = topic {
            let known = self.dispatcher().composer();
            if !known
                .policy()
                .topics
                .iter()
                .any(|known| known.name == topic)
            {
                return Err(AppError::NotFound {
                    what: "topic",
                    name: topic.into(),
                });
            }
        }
        let subject = SubjectId::Person(person);
        let account = self.account_of(subject)?;
        let entry = Command::Consent {
            person,
            account,
            topic: topic.map(Into::into),
            subscribed,
        };
        self.writer()
            .append(vec![Body::Command(entry)], Batch::default())
            .map(drop)
    }

    /// Suppresses a person and every address that is known of it, or lifts that.
    pub fn suppress(&self, person: PersonId, on: bool, reason: &str) -> Result<(), AppError> {
        let person = present_person(self.store().as_ref(), person)?;
        let subject = SubjectId::Person(person);
        self.known(subject)?;
        let account = self.account_of(subject)?;
        let entry = Command::Suppress {
            person,
            account,
            suppressed: on,
        };
        let refusal = on.then(|| refused_address(Some(person), self.now(), reason));
        let mut keys = self.address_keys_of(person)?;
        if !on {
            keys.extend(self.suppressed_keys_of(person)?);
        }
        let batch = Batch {
            suppressions: keys.into_iter().map(|key| (key, refusal.clone())).collect(),
            ..Batch::default()
        };
        self.writer()
            .append(vec![Body::Command(entry)], batch)
            .map(drop)
    }

    /// Sends a message again whose outcome is unknown, or that was given up. The operator decides:
    /// an unknown one may arrive twice.
    pub fn resend(&self, id: MessageId) -> Result<(), AppError> {
        let message = self.message(id)?;
        if !matches!(message.state, MessageState::Unknown | MessageState::Dead) {
            return Err(AppError::Conflict(format!(
                "the message is {}; only unknown and dead ones can be sent again",
                word(message.state)
            )));
        }
        self.update_message(&message, MessageState::Pending, "sent again by hand")
    }

    /// Gives a dead message up for good.
    pub(crate) fn discard_message(&self, message: &Message) -> Result<(), AppError> {
        self.update_message(message, MessageState::Cancelled, "discarded by hand")
    }

    /// Cancels a message that has not gone out.
    pub fn cancel(&self, id: MessageId) -> Result<(), AppError> {
        let message = self.message(id)?;
        if message.state != MessageState::Pending {
            return Err(AppError::Conflict(format!(
                "the message is {}; only pending ones can be cancelled",
                word(message.state)
            )));
        }
        self.update_message(&message, MessageState::Cancelled, "cancelled by hand")
    }

    /// What the recipient of a message sees (until it is sent; then its data is forgotten).
    pub fn preview_message(&self, id: MessageId) -> Result<Rendered, AppError> {
        let message = self.message(id)?;
        let rendered = self.dispatcher().composer().preview(&message.intent);
        rendered.map_err(|message| AppError::Invalid {
            field: "template".into(),
            message,
        })
    }

    /// Renders a template with given data.
    pub fn render_template(&self, template: &str, data: &Json) -> Result<Rendered, AppError> {
        let rendered = self
            .dispatcher()
            .composer()
            .render(template, data, Strict::No);
        rendered.map_err(|message| AppError::Invalid {
            field: "template".into(),
            message,
        })
    }

    /// Sends a template with given data to somebody of the team, now.
    pub fn test_send(&self, template: &str, to: &str, data: &Json) -> Result<String, AppError> {
        let now = self.now();
        let id: MessageId =
            self.salt()
                .derive(&[b"test", template.as_bytes(), &now.0.to_be_bytes()]);
        let composed =
            self.dispatcher()
                .composer()
                .test_message(&id.to_string(), template, to, data, now);
        let email = composed.map_err(|message| AppError::Invalid {
            field: "template".into(),
            message,
        })?;
        self.dispatcher().send_now(&email)
    }

    /// A current program by name.
    pub fn program(&self, name: &str) -> Result<ProgramDef, AppError> {
        let plan = self.live().plan();
        let found = plan.and_then(|plan| {
            plan.definitions
                .programs
                .iter()
                .find(|known| known.name == name)
                .cloned()
        });
        found.ok_or_else(|| AppError::NotFound {
            what: "program",
            name: name.to_owned(),
        })
    }

    pub(crate) fn message(&self, id: MessageId) -> Result<Message, AppError> {
        let found = self.store().message(id)?;
        found.ok_or_else(|| AppError::NotFound {
            what: "message",
            name: id.to_string(),
        })
    }

    pub(crate) fn account_of(&self, subject: SubjectId) -> Result<Option<AccountId>, AppError> {
        match subject {
            SubjectId::Account(account) => Ok(Some(account)),
            SubjectId::Person(person) => {
                let row = self.store().persons(&[person])?.pop().flatten();
                Ok(row.and_then(|row| row.account))
            }
        }
    }

    /// The keys of every address that is known of a person.
    fn address_keys_of(&self, person: PersonId) -> Result<BTreeSet<u128>, AppError> {
        let state = self.present(SubjectId::Person(person))?;
        let told = self.address_of(person)?;
        let names = state.iter().flat_map(|state| &state.identifiers);
        let names = names
            .filter(|name| name.kind == IdentifierKind::Email)
            .map(|name| &*name.value);
        let all = names.chain(told.as_deref());
        Ok(all
            .map(|address| address_key(self.salt(), address))
            .collect())
    }

    /// The keys of a person's suppressed addresses, also of those that are known no more.
    fn suppressed_keys_of(&self, person: PersonId) -> Result<Vec<u128>, AppError> {
        let filter = RefusalFilter {
            kind: Some(RefusalKind::Address),
            person: Some(person),
        };
        let page = Page {
            after: None,
            limit: MAX_PAGE_ROWS,
        };
        let found = self.store().refusals(&filter, &page)?;
        Ok(found.into_iter().map(|(id, _)| id.0).collect())
    }

    pub(crate) fn address_of(&self, person: PersonId) -> Result<Option<String>, AppError> {
        let state = self.present(SubjectId::Person(person))?;
        let told = state.as_ref().and_then(|state| state.traits.get("email"));
        Ok(told.and_then(|value| value.as_text()).map(str::to_owned))
    }

    /// A subject by its stored state and what was told since.
    fn present(&self, subject: SubjectId) -> Result<Option<SubjectState>, AppError> {
        Ok(Query::new(self.store().as_ref(), self.salt()).subject(subject)?)
    }

    fn known(&self, subject: SubjectId) -> Result<(), AppError> {
        let known = match subject {
            SubjectId::Person(person) => self.store().persons(&[person])?.pop().flatten().is_some(),
            SubjectId::Account(_) => false,
        };
        if known || self.present(subject)?.is_some() {
            return Ok(());
        }
        let what = if subject.person().is_some() {
            "person"
        } else {
            "account"
        };
        Err(AppError::NotFound {
            what,
            name: subject.to_string(),
        })
    }

    fn update_message(
        &self,
        message: &Message,
        state: MessageState,
        reason: &str,
    ) -> Result<(), AppError> {
        let now = self.now();
        let update = MessageUpdate {
            id: message.intent.id,
            state,
            at: now,
            reason: Some(reason.into()),
            due_at: (state == MessageState::Pending).then_some(now),
            attempt_count: 0,
            forget: state == MessageState::Cancelled,
            sent_to: None,
        };
        self.writer().commit(
            Batch {
                dispatched: vec![update],
                ..Batch::default()
            },
            Vec::new(),
        )?;
        self.live().outbox_grew();
        Ok(())
    }
}

fn word(state: MessageState) -> String {
    format!("{state:?}").to_lowercase()
}
