//! Planned facts as calls.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use tenure_core::time::Timestamp;

use super::call::{CallContext, CallKind, DemoCall};
use super::catalog::{LOCATIONS, MANAGERS, MILESTONES};
use super::company::{Account, Book};
use super::facts::{Fact, What};
use super::people::{Person, Role};
use super::rhythm::{day_of, midnight_ms};
use super::story::Cause;

/// Writes the calls of one account's facts.
pub(crate) struct Renderer<'a> {
    account: &'a Account,
    fact: &'a Fact,
    /// Start of the message ids.
    prefix: String,
    calls: &'a mut Vec<DemoCall>,
    call_count: usize,
}

/// Adds the calls of an account's fact with this index.
pub(crate) fn render(book: &Book, account: &Account, index: usize, calls: &mut Vec<DemoCall>) {
    let mut renderer = Renderer {
        account,
        fact: &account.facts[index],
        prefix: format!("demo-{:x}-{}-f{index}", book.config.seed, account.index + 1),
        calls,
        call_count: 0,
    };
    renderer.render();
}

impl<'a> Renderer<'a> {
    fn render(&mut self) {
        match &self.fact.what {
            What::AccountIntroduced | What::PersonIntroduced | What::PersonLeft
            | What::ChampionNamed | What::Invited { .. } => self.render_people(),
            What::Started | What::Upgraded { .. } | What::Renewed | What::Cancelled
            | What::InvoicePaid { .. } | What::PaymentFailed { .. } => self.render_billing(),
            What::TicketOpened { number, priority, category } => self.track(
                "ticket_opened",
                json!({ "ticket_id": self.ticket_id(*number), "priority": priority, "category": category }),
            ),
            What::TicketClosed { number, hours } => self.track(
                "ticket_closed",
                json!({ "ticket_id": self.ticket_id(*number), "resolution_hours": hours }),
            ),
            What::Surveyed { kind, score } => {
                self.track("survey_answered", json!({ "kind": kind, "score": score }));
            }
            What::MilestoneReached { index } => {
                let properties = json!({ "milestone": MILESTONES[*index], "number": index + 1 });
                self.track("milestone_reached", properties);
                self.tell_account(json!({ "milestones.reached": index + 1 }));
            }
            What::LimitReached { limit, used_percent } => self.render_limit(limit, *used_percent),
        }
    }

    fn render_people(&mut self) {
        let account = self.account;
        let Some(person) = self.person() else {
            return;
        };
        match &self.fact.what {
            What::AccountIntroduced => {
                self.identify(person_traits(person));
                self.group(Some(person.user_id.clone()), account_traits(account));
                if !account.is_inherited() {
                    self.track("signed_up", json!({ "invited": false }));
                }
            }
            What::PersonIntroduced => {
                self.identify(person_traits(person));
                self.group(Some(person.user_id.clone()), json!({}));
                let inherited = person.introduced_ms < account.introduced_ms + 1_000;
                if !(account.is_inherited() && inherited) {
                    self.track("signed_up", json!({ "invited": true }));
                }
            }
            What::PersonLeft => {
                let left_at = Timestamp(self.fact.at_ms).to_string();
                self.identify(json!({ "role": "former", "left_at": left_at }));
                match person.role {
                    Role::Champion => self.tell_account(json!({ "champion": null })),
                    Role::ExecutiveSponsor => {
                        self.tell_account(json!({ "executive_sponsor": null }));
                    }
                    Role::Admin | Role::Member => {}
                }
            }
            What::ChampionNamed => {
                self.identify(json!({ "role": Role::Champion.name() }));
                self.tell_account(json!({ "champion": person.user_id }));
            }
            What::Invited { invitee } => {
                let role = account.people[*invitee].role.name();
                self.track("invited_teammate", json!({ "role": role }));
            }
            _ => {}
        }
    }

    fn render_billing(&mut self) {
        let account = self.account;
        let day = day_of(self.fact.at_ms);
        let terms = account.terms_at(day);
        let terms_told = json!({
            "plan": terms.plan.name(), "seats": terms.seats, "mrr": terms.mrr(),
        });
        match &self.fact.what {
            What::Started => self.track("subscription_started", terms_told),
            What::Upgraded { before, after } => {
                let properties = json!({
                    "from_plan": before.plan.name(), "plan": after.plan.name(),
                    "from_seats": before.seats, "seats": after.seats,
                    "mrr": after.mrr(), "mrr_change": after.mrr() - before.mrr().min(after.mrr()),
                });
                self.track("subscription_upgraded", properties);
                let traits = json!({
                    "plan": after.plan.name(), "seats": after.seats, "mrr": after.mrr(),
                    "limit.api_calls": after.plan.api_call_limit(),
                });
                self.tell_account(traits);
            }
            What::Renewed => {
                self.track("subscription_renewed", terms_told);
                self.tell_account(json!({ "renewal_date": renewal_date(account, day) }));
            }
            What::Cancelled => {
                let properties = json!({
                    "plan": terms.plan.name(), "mrr": terms.mrr(), "reason": told_reason(account),
                });
                self.track("subscription_cancelled", properties);
                self.tell_account(json!({ "status": "churned", "mrr": 0, "seats": 0 }));
            }
            What::InvoicePaid { number, recovered } => {
                self.track(
                    "invoice_paid",
                    self.invoice(*number, json!({ "late": recovered })),
                );
                if *recovered {
                    self.tell_account(json!({ "status": "active" }));
                }
            }
            What::PaymentFailed { number, attempt } => {
                let reason = ["card_expired", "insufficient_funds", "card_declined"]
                    [(account.index + *number) as usize % 3];
                let properties =
                    self.invoice(*number, json!({ "attempt": attempt, "reason": reason }));
                self.track("payment_failed", properties);
                if *attempt == 1 {
                    self.tell_account(json!({ "status": "past_due" }));
                }
            }
            _ => {}
        }
    }

    fn render_limit(&mut self, limit: &str, used_percent: u32) {
        let properties = json!({ "limit": limit, "used_percent": used_percent });
        self.track("limit_reached", properties);
        if limit == "api_calls" {
            let terms = self.account.terms_at(day_of(self.fact.at_ms));
            let used = terms.plan.api_call_limit() / 100 * used_percent;
            self.tell_account(json!({ "usage.api_calls": used }));
        }
    }

    fn person(&self) -> Option<&'a Person> {
        let account = self.account;
        self.fact.person.map(|index| &account.people[index])
    }

    fn ticket_id(&self, number: u32) -> String {
        format!("t_{:04}_{number}", self.account.index + 1)
    }

    fn invoice(&self, number: u32, mut more: Value) -> Value {
        let amount = self.account.terms_at(day_of(self.fact.at_ms)).mrr();
        more["invoice_id"] = format!("inv_{:04}_{number}", self.account.index + 1).into();
        more["amount"] = amount.into();
        more["currency"] = "USD".into();
        more
    }

    /// About the fact's person, or about the account as a whole.
    fn track(&mut self, event: &'static str, properties: Value) {
        let mut call = self.call(CallKind::Track);
        call.user_id = self.person().map(|person| person.user_id.clone());
        call.event = Some(Cow::Borrowed(event));
        call.properties = object(properties);
        call.context = Some(CallContext {
            group_id: self.account.id.clone(),
        });
        self.calls.push(call);
    }

    fn identify(&mut self, traits: Value) {
        let mut call = self.call(CallKind::Identify);
        call.user_id = self.person().map(|person| person.user_id.clone());
        call.traits = object(traits);
        self.calls.push(call);
    }

    fn tell_account(&mut self, traits: Value) {
        self.group(None, traits);
    }

    fn group(&mut self, user_id: Option<String>, traits: Value) {
        let mut call = self.call(CallKind::Group);
        call.user_id = user_id;
        call.group_id = Some(self.account.id.clone());
        call.traits = object(traits);
        self.calls.push(call);
    }

    fn call(&mut self, kind: CallKind) -> DemoCall {
        let message_id = format!("{}-{}", self.prefix, self.call_count);
        self.call_count += 1;
        DemoCall {
            kind,
            message_id,
            timestamp_ms: self.fact.at_ms,
            user_id: None,
            group_id: None,
            event: None,
            traits: None,
            properties: None,
            context: None,
        }
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

fn renewal_date(account: &Account, day: i32) -> String {
    date(account.renewal_after(day))
}

/// Such as `2026-03-01`.
fn date(day: i32) -> String {
    let mut text = Timestamp(midnight_ms(day)).to_string();
    text.truncate("2026-03-01".len());
    text
}

fn person_traits(person: &Person) -> Value {
    let location = &LOCATIONS[person.location];
    json!({
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "name": format!("{} {}", person.first_name, person.last_name),
        "role": person.role.name(),
        "timezone": location.timezone,
        "locale": location.locale,
        "joined_at": date(person.joined_day),
    })
}

fn account_traits(account: &Account) -> Value {
    let day = day_of(account.introduced_ms);
    let terms = account.terms_at(day);
    let location = &LOCATIONS[account.location];
    let manager = &MANAGERS[account.manager];
    json!({
        "name": account.name,
        "domain": account.domain,
        "industry": account.industry,
        "country": location.country,
        "timezone": location.timezone,
        "plan": terms.plan.name(),
        "seats": terms.seats,
        "mrr": terms.mrr(),
        "limit.api_calls": terms.plan.api_call_limit(),
        "owner": manager.handle,
        "owner_name": manager.name,
        "owner_email": manager.email,
        "signup_date": date(account.signup_day),
        "renewal_date": renewal_date(account, day),
        "milestones.planned": MILESTONES.len(),
        "milestones.reached": account.milestones_before(account.introduced_ms),
        "champion": account.first_with(Role::Champion),
        "executive_sponsor": account.first_with(Role::ExecutiveSponsor),
        "status": "active",
    })
}

/// The reason given in the cancellation form: what people say, not what was behind it.
fn told_reason(account: &Account) -> &'static str {
    let polite = account.index.is_multiple_of(4);
    match account.story.decline.map(|decline| decline.cause) {
        Some(Cause::PaymentFailures) => "payment_failed",
        _ if polite => "too_expensive",
        Some(Cause::TicketStorm) => "support",
        Some(Cause::Competitor) => "switched",
        Some(Cause::NeverOnboarded) => "too_hard_to_set_up",
        _ => "no_longer_needed",
    }
}
