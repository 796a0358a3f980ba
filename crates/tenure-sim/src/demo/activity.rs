//! The dense part: sessions, and what people do in them, one account and local day at a time.

use std::borrow::Cow;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};
use tenure_core::time::SECOND_MS;

use super::call::{CallContext, CallKind, DemoCall};
use super::catalog::{API_ENDPOINTS, EXPORT_FORMATS, FEATURES, REPORT_TEMPLATES};
use super::chance::{Purpose, chance, pick, poisson, stream};
use super::company::{Account, Book, Plan};
use super::people::Person;
use super::rhythm::{busyness, midnight_ms, time_of_day_ms, to_utc_ms};
use super::story::Cause;

/// How much more newcomers use the product in their first days.
const NOVELTY: f64 = 0.6;
/// How fast the novelty wears off, in days.
const NOVELTY_DAYS: f64 = 10.0;

/// What is the same for all accounts on one local day.
pub(crate) struct Workday<'a> {
    book: &'a Book,
    day: i32,
    busyness: f64,
    /// By place: what to add to local time to get UTC.
    to_utc_ms: Vec<i64>,
}

impl<'a> Workday<'a> {
    pub(crate) fn new(book: &'a Book, day: i32) -> Self {
        Self {
            book,
            day,
            busyness: busyness(day),
            to_utc_ms: book.zones.iter().map(|zone| to_utc_ms(zone, day)).collect(),
        }
    }

    /// Adds the calls of one account, in no particular order.
    pub(crate) fn act(&self, account: &Account, calls: &mut Vec<DemoCall>) {
        let engagement = account.story.engagement(self.day);
        if engagement <= 0.0 || self.day < account.signup_day {
            return;
        }
        let mut actor = Actor {
            rng: stream(
                self.book.config.seed,
                Purpose::Activity,
                account.index,
                self.day,
            ),
            workday: self,
            account,
            person: &account.people[0],
            leaving: account.story.suffers(Cause::Competitor, self.day),
            number: 0,
            calls,
        };
        for person in &account.people {
            if person.joined_day > self.day {
                continue;
            }
            actor.person = person;
            actor.act(engagement);
        }
    }
}

/// One account's people at work.
struct Actor<'a> {
    rng: ChaCha8Rng,
    workday: &'a Workday<'a>,
    account: &'a Account,
    person: &'a Person,
    /// A competitor is tried out.
    leaving: bool,
    /// Of the next call on this day.
    number: u32,
    calls: &'a mut Vec<DemoCall>,
}

impl Actor<'_> {
    fn act(&mut self, engagement: f64) {
        let day = self.workday.day;
        if self.person.left_day.is_some_and(|left| left <= day) {
            return;
        }
        let age_days = f64::from(day - self.person.joined_day);
        let novelty = 1.0 + NOVELTY * (-age_days / NOVELTY_DAYS).exp();
        let rate = self.person.sessions_per_day * self.workday.busyness * engagement * novelty;
        for _ in 0..poisson(&mut self.rng, rate) {
            self.hold_session();
        }
        let integrated = self.account.terms_at(day).plan != Plan::Free
            && std::ptr::eq(
                self.person,
                &raw const self.account.people[self.integrator()],
            );
        if integrated {
            let rate = 2.5 * self.workday.busyness * engagement;
            for _ in 0..poisson(&mut self.rng, rate) {
                self.call_api();
            }
        }
    }

    /// Whose key the account's integration uses: the admin's, if there is one.
    fn integrator(&self) -> usize {
        usize::from(self.account.people.len() > 1)
    }

    fn hold_session(&mut self) {
        let mut at_ms = self.draw_time();
        let device = if chance(&mut self.rng, 0.18) {
            "mobile"
        } else {
            "desktop"
        };
        self.track(at_ms, "session_started", &[("device", device.into())]);
        for _ in 0..=poisson(&mut self.rng, 0.75) {
            at_ms += self.rng.random_range(15..420) * SECOND_MS;
            let feature = self.draw_feature();
            self.track(at_ms, "feature_used", &[("feature", feature.into())]);
        }
        if chance(&mut self.rng, 0.09) {
            at_ms += self.rng.random_range(60..600) * SECOND_MS;
            let template = *pick(&mut self.rng, &REPORT_TEMPLATES);
            self.track(at_ms, "report_created", &[("template", template.into())]);
        }
        if chance(&mut self.rng, if self.leaving { 0.3 } else { 0.03 }) {
            at_ms += self.rng.random_range(30..300) * SECOND_MS;
            let format = *pick(&mut self.rng, &EXPORT_FORMATS);
            self.track(at_ms, "export_downloaded", &[("format", format.into())]);
        }
    }

    fn call_api(&mut self) {
        let at_ms = self.draw_time();
        let endpoint = *pick(&mut self.rng, &API_ENDPOINTS);
        let calls = self.rng.random_range(1..400_u32);
        let properties = [("endpoint", endpoint.into()), ("calls", calls.into())];
        self.track(at_ms, "api_call", &properties);
    }

    fn draw_time(&mut self) -> i64 {
        let of_day_ms = time_of_day_ms(&mut self.rng);
        midnight_ms(self.workday.day) + of_day_ms + self.workday.to_utc_ms[self.person.location]
    }

    /// Favourites are used most; who tries out a competitor falls back to them.
    fn draw_feature(&mut self) -> &'static str {
        let features = &self.person.features;
        let breadth = if self.leaving {
            features.len().min(2)
        } else {
            features.len()
        };
        let mut rank = 0;
        while rank + 1 < breadth && chance(&mut self.rng, 0.55) {
            rank += 1;
        }
        FEATURES[usize::from(features[rank])]
    }

    fn track(&mut self, at_ms: i64, event: &'static str, properties: &[(&str, Value)]) {
        let number = self.number;
        self.number += 1;
        if at_ms <= self.person.introduced_ms {
            return;
        }
        let properties: Map<String, Value> = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        self.calls.push(DemoCall {
            kind: CallKind::Track,
            message_id: format!(
                "demo-{:x}-{}-{}-{number}",
                self.workday.book.config.seed,
                self.account.index + 1,
                self.workday.day
            ),
            timestamp_ms: at_ms,
            user_id: Some(self.person.user_id.clone()),
            group_id: None,
            event: Some(Cow::Borrowed(event)),
            traits: None,
            properties: Some(properties),
            context: Some(CallContext {
                group_id: self.account.id.clone(),
            }),
        });
    }
}
