//! What happens to a simulated workspace: people act, senders repeat themselves and come late,
//! operators operate, clocks are corrected.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tenure_app::call::{Call, CallKind, Name, event_id};
use tenure_core::id::{PersonId, Salt};
use tenure_core::log::{IdentifierKind, OnPublish};
use tenure_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Timestamp};
use tenure_core::value::Value;

use super::definitions::{PROGRAMS, TOPICS, VERSION_COUNT};

/// How many users there are.
const USERS: u32 = 8;
/// How many browsers.
const BROWSERS: u32 = 5;
/// How many accounts.
const ACCOUNTS: u32 = 4;
/// How late a call may be repeated, in milliseconds; repeats are recognised for seven days.
const REPEAT_WITHIN_MS: i64 = 5 * DAY_MS;
/// How many calls are remembered, to be repeated.
const REMEMBERED: usize = 60;

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Senders tell something.
    Calls(Vec<Call>),
    /// A version of the definitions is published.
    Publish(usize, BTreeMap<String, OnPublish>),
    /// A program is paused, or goes on.
    Pause(&'static str, bool),
    /// A person is entered by hand.
    Enroll(PersonId),
    /// A person is taken out.
    Remove(&'static str, PersonId),
    /// The broadcast goes out.
    Broadcast,
    /// A choice about a topic, or all.
    Consent(PersonId, Option<&'static str>, bool),
    /// Suppression, or lifting it.
    Suppress(PersonId, bool),
    /// All messages in doubt are sent again.
    Resend,
    /// The node is stopped in order and started.
    Restart,
    /// The power goes, at no commit in particular.
    PowerCut,
    /// All states are stored.
    Flush,
    /// Housekeeping.
    Maintain,
}

/// Makes up what happens, from a seed.
pub struct Work {
    rng: ChaCha8Rng,
    salt: Salt,
    told: Vec<(Timestamp, Call)>,
    call_count: u64,
}

impl Work {
    /// Work that derives from `seed`.
    pub fn new(seed: u64, salt: Salt) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            salt,
            told: Vec::new(),
            call_count: 0,
        }
    }

    /// What the simulated workspace's ids derive from.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// Random numbers for whoever drives the world.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// How far the clock goes at a tick, in milliseconds: mostly on, at times far, at times back.
    pub fn pass_ms(&mut self) -> i64 {
        match self.rng.random_range(0..20) {
            0..=6 => self.rng.random_range(1..30 * MINUTE_MS),
            7..=13 => self.rng.random_range(HOUR_MS..8 * HOUR_MS),
            14..=16 => self.rng.random_range(10 * HOUR_MS..30 * HOUR_MS),
            17 => self.rng.random_range(2 * DAY_MS..5 * DAY_MS),
            18 => -self.rng.random_range(1..10 * MINUTE_MS),
            _ => self.rng.random_range(1..5 * SECOND_MS),
        }
    }

    /// The next deed.
    pub fn deed(&mut self, now: Timestamp) -> Deed {
        match self.rng.random_range(0..100) {
            0..=64 => Deed::Calls(self.calls(now)),
            65..=69 => Deed::Publish(
                self.rng.random_range(0..VERSION_COUNT),
                self.publish_choices(),
            ),
            70..=73 => Deed::Pause(self.program(), self.rng.random_bool(0.4)),
            74..=77 => Deed::Enroll(self.person()),
            78..=79 => Deed::Remove(self.program(), self.person()),
            80..=82 => Deed::Broadcast,
            83..=87 => {
                let topic = *[None, Some(TOPICS[0]), Some(TOPICS[1])]
                    .choose(&mut self.rng)
                    .unwrap_or(&None);
                let subscribed = self.rng.random_bool(0.7);
                Deed::Consent(self.person(), topic, subscribed)
            }
            88..=90 => Deed::Suppress(self.person(), self.rng.random_bool(0.4)),
            91..=93 => Deed::Resend,
            94..=95 => Deed::Restart,
            96 => Deed::PowerCut,
            97..=98 => Deed::Flush,
            _ => Deed::Maintain,
        }
    }

    /// The calls with which everybody becomes known.
    pub fn introductions(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        for number in 0..USERS / 2 {
            let user = self.user(number);
            calls.push(self.identify(user.clone()));
            let mut group = self.group(user.clone());
            group.account = Some(self.account(number % ACCOUNTS));
            calls.push(group);
            let track = self.track(user, "signed_up", "{}".into());
            calls.push(track);
        }
        calls
    }

    fn program(&mut self) -> &'static str {
        PROGRAMS.choose(&mut self.rng).copied().unwrap_or("welcome")
    }

    fn publish_choices(&mut self) -> BTreeMap<String, OnPublish> {
        let choices = [OnPublish::Keep, OnPublish::Migrate, OnPublish::Exit];
        let programs = ["welcome", "win-back", "cart", "digest"];
        programs
            .iter()
            .map(|name| {
                let choice = choices.choose(&mut self.rng).copied();
                ((*name).to_owned(), choice.unwrap_or_default())
            })
            .collect()
    }

    fn user(&self, number: u32) -> Name {
        Name::new(&self.salt, IdentifierKind::UserId, &format!("u{number}"))
    }

    fn some_user(&mut self) -> Name {
        let number = self.rng.random_range(0..USERS);
        self.user(number)
    }

    fn person(&mut self) -> PersonId {
        self.some_user().own_person()
    }

    fn account(&self, number: u32) -> Name {
        Name::new(&self.salt, IdentifierKind::AccountId, &format!("c{number}"))
    }

    fn some_account(&mut self) -> Name {
        let number = self.rng.random_range(0..ACCOUNTS);
        self.account(number)
    }

    fn browser(&mut self) -> Name {
        let number = self.rng.random_range(0..BROWSERS);
        Name::new(
            &self.salt,
            IdentifierKind::AnonymousId,
            &format!("b{number}"),
        )
    }

    /// A few calls, some of them repeats of earlier ones, in any order.
    fn calls(&mut self, now: Timestamp) -> Vec<Call> {
        let count = self.rng.random_range(1..6);
        let mut calls = Vec::with_capacity(count);
        for _ in 0..count {
            if self.rng.random_bool(0.1) {
                let again = self.told.choose(&mut self.rng);
                if let Some((_, again)) =
                    again.filter(|(at, _)| now.since_ms(*at) < REPEAT_WITHIN_MS)
                {
                    calls.push(again.clone());
                    continue;
                }
            }
            let call = self.call(now);
            self.remember(now, &call);
            let at = self.rng.random_range(0..=calls.len());
            calls.insert(at, call);
        }
        calls
    }

    fn remember(&mut self, now: Timestamp, call: &Call) {
        if self.told.len() < REMEMBERED {
            self.told.push((now, call.clone()));
        } else {
            let at = self.rng.random_range(0..REMEMBERED);
            self.told[at] = (now, call.clone());
        }
    }

    fn call(&mut self, now: Timestamp) -> Call {
        let user = self.some_user();
        let mut call = match self.rng.random_range(0..100) {
            0..=9 => self.identify(user),
            10..=17 => self.group(user),
            18..=20 => {
                let name = format!("u{}", self.rng.random_range(0..USERS));
                let previous = |kind| Name::new(&self.salt, kind, &name);
                let kind = CallKind::Alias {
                    previous_user: previous(IdentifierKind::UserId),
                    previous_anonymous: previous(IdentifierKind::AnonymousId),
                };
                self.plain(Some(user), kind)
            }
            21..=23 => self.lead(),
            _ => self.something(user),
        };
        if matches!(
            call.kind,
            CallKind::Track { .. } | CallKind::Identify { .. }
        ) {
            self.date(&mut call, now);
        }
        call
    }

    /// Most is told at once; some late, some by clocks that go wrong, some from the past.
    fn date(&mut self, call: &mut Call, now: Timestamp) {
        let ago_ms = match self.rng.random_range(0..20) {
            0..=11 => return,
            12..=15 => self.rng.random_range(0..2 * HOUR_MS),
            16..=17 => self.rng.random_range(0..3 * DAY_MS),
            18 => -self.rng.random_range(0..2 * HOUR_MS),
            _ => {
                call.historical = true;
                self.rng.random_range(0..30 * DAY_MS)
            }
        };
        call.occurred_at = Some(now.plus_ms(-ago_ms));
    }

    fn something(&mut self, user: Name) -> Call {
        let (name, properties) = match self.rng.random_range(0..20) {
            0..=9 => ("report_created", "{}".to_owned()),
            10..=12 => ("feature_used", r#"{"feature":"board"}"#.to_owned()),
            13 => ("feature_used", r#"{"feature":"timeline"}"#.to_owned()),
            14..=15 => ("signed_up", "{}".to_owned()),
            16..=17 => {
                let (cart, total) = (self.rng.random_range(0..3), self.rng.random_range(0..40));
                (
                    "cart_left",
                    format!(r#"{{"cart":"k{cart}","total":{total}}}"#),
                )
            }
            _ => {
                let cart = self.rng.random_range(0..3);
                ("paid", format!(r#"{{"cart":"k{cart}"}}"#))
            }
        };
        self.track(user, name, properties)
    }

    fn track(&mut self, user: Name, name: &str, properties: String) -> Call {
        let kind = CallKind::Track {
            name: name.into(),
            properties: properties.into(),
        };
        match self.rng.random_range(0..20) {
            // Nobody is signed in yet.
            0..=2 => {
                let mut call = self.plain(None, kind);
                call.anonymous = Some(self.browser());
                call
            }
            3..=4 => {
                let mut call = self.plain(Some(user), kind);
                call.anonymous = Some(self.browser());
                call
            }
            5 => {
                let mut call = self.plain(None, kind);
                call.account = Some(self.some_account());
                call
            }
            6 => {
                let mut call = self.plain(Some(user), kind);
                call.account = Some(self.some_account());
                call
            }
            _ => self.plain(Some(user), kind),
        }
    }

    fn identify(&mut self, user: Name) -> Call {
        let email = format!("{}@example.com", user.value);
        let role = ["champion", "member", "member", "former"].choose(&mut self.rng);
        let mut traits: Vec<(Box<str>, Option<Value>)> = vec![
            ("email".into(), Some(email.as_str().into())),
            ("role".into(), role.map(|role| (*role).into())),
        ];
        if self.rng.random_bool(0.5) {
            traits.push(("first_name".into(), Some("Ada".into())));
        }
        if self.rng.random_bool(0.5) {
            let zone = ["Europe/Berlin", "America/New_York", "Asia/Kolkata"].choose(&mut self.rng);
            traits.push(("timezone".into(), zone.map(|zone| (*zone).into())));
        }
        let mut call = self.plain(Some(user), CallKind::Identify { traits });
        if self.rng.random_bool(0.7) {
            call.email = Some(Name::new(&self.salt, IdentifierKind::Email, &email));
        }
        if self.rng.random_bool(0.2) {
            call.anonymous = Some(self.browser());
        }
        call
    }

    /// Somebody known by an address alone.
    fn lead(&mut self) -> Call {
        let email = format!("u{}@example.com", self.rng.random_range(0..USERS));
        let traits = vec![("email".into(), Some(email.as_str().into()))];
        let mut call = self.plain(None, CallKind::Identify { traits });
        call.email = Some(Name::new(&self.salt, IdentifierKind::Email, &email));
        call
    }

    fn group(&mut self, user: Name) -> Call {
        let month = self.rng.random_range(3..5);
        let date = format!("2026-{month:02}-{:02}", self.rng.random_range(1..29));
        let plan = ["pro", "free", "churned"].choose(&mut self.rng);
        let traits: Vec<(Box<str>, Option<Value>)> = vec![
            ("plan".into(), plan.map(|plan| (*plan).into())),
            ("renewal_date".into(), Some(date.as_str().into())),
            ("owner".into(), Some("dana".into())),
            ("timezone".into(), Some("America/New_York".into())),
        ];
        let mut call = self.plain(Some(user), CallKind::Group { traits });
        call.account = Some(self.some_account());
        call
    }

    fn plain(&mut self, user: Option<Name>, kind: CallKind) -> Call {
        self.call_count += 1;
        Call {
            event_id: event_id(&self.salt, &format!("call-{}", self.call_count)),
            kind,
            user,
            anonymous: None,
            email: None,
            account: None,
            occurred_at: None,
            historical: false,
        }
    }
}
