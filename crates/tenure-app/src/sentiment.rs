//! The rating of a customer by the one who looks after it, kept apart from the computed health.

use serde_json::json;
use tenure_core::effect::EmittedEvent;
use tenure_core::id::{EventId, SubjectId};
use tenure_store::Batch;

use crate::error::AppError;
use crate::node::Node;

/// The event of a rating: `rating` from 1 (lost) to 5 (delighted), `note` and `by` if told.
pub const SENTIMENT_RATED: &str = "sentiment_rated";
/// The best rating; the worst is 1.
pub const MAX_RATING: u8 = 5;
/// The longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 2_000;

impl Node {
    /// Notes a rating of an account or person. It is an event like any other, so conditions read
    /// it (`last("sentiment_rated", rating)`) and the timeline shows it.
    pub fn rate(
        &self,
        subject: SubjectId,
        rating: u8,
        note: Option<&str>,
        by: Option<&str>,
    ) -> Result<(), AppError> {
        if !(1..=MAX_RATING).contains(&rating) {
            return Err(AppError::Invalid {
                field: "rating".into(),
                message: format!(
                    "{rating} is no rating; it goes from 1 (lost) to {MAX_RATING} (delighted)"
                ),
            });
        }
        if note.is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS) {
            return Err(AppError::Invalid {
                field: "note".into(),
                message: format!("it has more than {MAX_NOTE_CHARS} characters; shorten it"),
            });
        }
        let at = self.now();
        let id = self.salt().hash(
            "sentiment",
            &[
                &subject.bits().to_be_bytes(),
                &at.0.to_be_bytes(),
                &[rating],
            ],
        );
        let account = self.account_of(subject)?;
        let event = EmittedEvent {
            id: EventId(id),
            subject,
            account: account.or(subject.account()),
            name: SENTIMENT_RATED.into(),
            occurred_at: at,
            properties: json!({"rating": rating, "note": note, "by": by})
                .to_string()
                .into(),
        };
        self.writer().commit(Batch::default(), vec![event])
    }
}
