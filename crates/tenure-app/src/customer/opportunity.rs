//! Whether a customer is ready to grow. A rule over what is known; each part names what it is
//! read from, and is absent where that is not told.

use tenure_core::id::AccountId;
use tenure_core::subject::SubjectState;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_core::value::Value;

use super::known::Known;
use super::risk::{Recommended, monthly_revenue, renewal_at};
use crate::error::AppError;
use crate::node::Node;
use crate::query::Query;

/// Over how many days use and people are looked at.
const WINDOW_DAYS: i64 = 30;

/// The readiness of a customer, part by part.
#[derive(Debug, Clone, PartialEq)]
pub struct Opportunity {
    /// The account.
    pub account: AccountId,
    /// Milestones reached out of those planned: traits `milestones.reached`, `milestones.planned`.
    pub value_realised: Known<f64>,
    /// Use against limits, by what is limited: traits `usage.X` over `limit.X`.
    pub usage_of_limits: Known<Vec<(String, f64)>>,
    /// People active in thirty days, out of the trait `seats`.
    pub seats_in_use: Known<f64>,
    /// People active in thirty days, now and in the thirty days before.
    pub active_people: (u64, u64),
    /// Whether somebody with a title of the top was active: trait `title` of people.
    pub executive_engagement: Known<bool>,
    /// When the contract renews.
    pub renewal_at: Known<Timestamp>,
    /// Revenue of a month.
    pub monthly_revenue: Known<f64>,
    /// Programs that fit now, in order.
    pub recommended: Vec<Recommended>,
}

impl Node {
    /// The readiness of a customer to grow.
    pub fn opportunity(&self, external_id: &str) -> Result<Opportunity, AppError> {
        let (account, state) = self.customer(external_id)?;
        let now = self.now();
        let days_ago = |days: i64| now.plus_ms(-days * DAY_MS);
        let query = Query::new(self.store().as_ref(), self.salt());
        let usage = query.usage(account, days_ago(2 * WINDOW_DAYS))?;
        let active = usage.people(days_ago(WINDOW_DAYS), now.plus_ms(1));
        let before = usage.people(days_ago(2 * WINDOW_DAYS), days_ago(WINDOW_DAYS));
        let people = query.people_of(
            account,
            &tenure_store::Page {
                after: None,
                limit: tenure_store::query::MAX_PAGE_ROWS,
            },
        )?;
        Ok(Opportunity {
            account,
            value_realised: ratio(
                &state,
                "milestones.reached",
                "milestones.planned",
                "the account has no traits `milestones.reached` and `milestones.planned`",
            ),
            usage_of_limits: usage_of_limits(&state),
            seats_in_use: Known::some_or(
                number(&state, "seats")
                    .filter(|seats| *seats > 0.0)
                    .map(|seats| active as f64 / seats),
                "the account has no trait `seats`",
            ),
            active_people: (active, before),
            executive_engagement: executives(&people.rows, days_ago(WINDOW_DAYS)),
            renewal_at: renewal_at(&state),
            monthly_revenue: monthly_revenue(&state),
            recommended: self.recommended(&state)?,
        })
    }
}

fn number(state: &SubjectState, name: &str) -> Option<f64> {
    state.traits.get(name).and_then(Value::as_number)
}

fn ratio(state: &SubjectState, part: &str, whole: &str, reason: &str) -> Known<f64> {
    let whole = number(state, whole).filter(|whole| *whole > 0.0);
    let ratio = number(state, part)
        .zip(whole)
        .map(|(part, whole)| part / whole);
    Known::some_or(ratio, reason)
}

fn usage_of_limits(state: &SubjectState) -> Known<Vec<(String, f64)>> {
    let mut found = Vec::new();
    for (name, limit) in state.traits.iter() {
        let Some(what) = name.strip_prefix("limit.") else {
            continue;
        };
        let limit = limit.as_number().filter(|limit| *limit > 0.0);
        let used = number(state, &format!("usage.{what}"));
        if let (Some(used), Some(limit)) = (used, limit) {
            found.push((what.to_owned(), used / limit));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    let found = Some(found).filter(|found| !found.is_empty());
    Known::some_or(found, "the account has no traits `limit.X` with `usage.X`")
}

/// Whether somebody at the top was seen since an instant; unknown when nobody's title is told.
fn executives(people: &[SubjectState], since: Timestamp) -> Known<bool> {
    let mut titled = false;
    let mut engaged = false;
    for person in people {
        let title = person.traits.get("title").and_then(|value| value.as_text());
        let Some(title) = title else { continue };
        titled = true;
        engaged |= is_executive(title) && person.seen_at >= since;
    }
    if titled {
        Known::is(engaged)
    } else {
        Known::not("nobody at the account has a trait `title`")
    }
}

fn is_executive(title: &str) -> bool {
    let title = title.to_lowercase();
    let words: Vec<&str> = title.split(|c: char| !c.is_alphanumeric()).collect();
    let is_one = |wanted: &str| words.contains(&wanted);
    is_one("chief")
        || is_one("founder")
        || is_one("president")
        || is_one("vp")
        || is_one("owner")
        || words
            .iter()
            .any(|word| word.len() == 3 && word.starts_with('c') && word.ends_with('o'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_core::id::SubjectId;

    #[test]
    fn titles_of_the_top_are_known_and_others_are_not() {
        for title in [
            "CEO",
            "Co-Founder",
            "VP Sales",
            "Chief Data Officer",
            "CFO & partner",
        ] {
            assert!(is_executive(title), "{title}");
        }
        for title in [
            "Engineer",
            "Head of Support",
            "Account manager",
            "Chocolatier",
        ] {
            assert!(!is_executive(title), "{title}");
        }
    }

    #[test]
    fn use_against_limits_is_told_where_both_are_known() {
        let mut state = SubjectState::new(SubjectId::Account(AccountId(1)), None, Timestamp(0), 0);
        assert!(usage_of_limits(&state).value.is_none());
        for (name, value) in [
            ("limit.api_calls", 100.0),
            ("usage.api_calls", 80.0),
            ("limit.seats", 10.0),
        ] {
            state.traits.set(name, Some(Value::Number(value)));
        }
        let found = usage_of_limits(&state).value.unwrap();
        assert_eq!(found, [("api_calls".to_owned(), 0.8)]);
    }
}
