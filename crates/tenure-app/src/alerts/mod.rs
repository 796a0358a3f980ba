//! Alerts for operators: dead letters grow, a breaker is open, the engine lags. Told once when it
//! begins and once when it is over, by e-mail, by webhook or to Slack.

mod watch;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenure_connectors::webhook::{PreparedWebhook, Reach, WebhookSender, WebhookSettings};
use tenure_connectors::{Outcome, PreparedEmail};
use tenure_core::time::{MINUTE_MS, Timestamp};
use tenure_store::row::MessageState;
use tenure_store::{Page, StoreError};

use crate::breakers::BreakerState;
use crate::error::AppError;
use crate::node::Node;
use crate::telemetry;
use watch::{Level, Turn, Watch};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How long something must hold before it is told, in milliseconds.
const RAISED_AFTER_MS: i64 = MINUTE_MS;
/// How long it must be over before that is told, in milliseconds.
const CLEARED_AFTER_MS: i64 = 5 * MINUTE_MS;
/// How many alerts wait for a receiver that is away; older ones are dropped.
const MAX_WAITING: usize = 50;
/// The most dead letters of the log that are counted.
const COUNTED_LETTERS: usize = 1_000;

/// Whom to tell, and from when on.
#[derive(Debug, Clone, Default)]
pub struct AlertSettings {
    /// Address of the operators.
    pub email: Option<String>,
    /// Incoming webhook of Slack.
    pub slack_url: Option<String>,
    /// Receives `{"alert": …, "state": …, "text": …, "at": …}`.
    pub webhook_url: Option<String>,
    /// So many new dead letters are worth an alert.
    pub dead_letters: u64,
    /// So many log entries behind is too far.
    pub lag_entries: u64,
    /// How alerts by webhook are sent.
    pub webhooks: WebhookSettings,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What it is about: `dead_letters`, `breaker`, `lag`.
    pub name: &'static str,
    /// Whether it begins or is over.
    pub is_raised: bool,
    /// For people.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Looks for what operators should know, and tells them.
pub struct Alerts {
    settings: AlertSettings,
    sender: WebhookSender,
    dead_letters: Watch,
    breakers: Watch,
    lag: Watch,
    /// Dead letters that were told of (or were there at the start).
    known_letters: Option<u64>,
    /// What is still to be told, and by which way.
    waiting: Vec<(Way, Alert)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Email,
    Slack,
    Webhook,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    letter_count: u64,
    open: Vec<String>,
    lag: u64,
}

impl Alerts {
    /// Alerts that nobody was told of yet.
    pub fn new(settings: AlertSettings) -> Self {
        let watch = || Watch::new(RAISED_AFTER_MS, CLEARED_AFTER_MS);
        Self {
            sender: WebhookSender::new(&settings.webhooks),
            settings,
            // New dead letters are a fact at once, and over when nothing came for a while.
            dead_letters: Watch::new(0, CLEARED_AFTER_MS),
            breakers: watch(),
            lag: watch(),
            known_letters: None,
            waiting: Vec::new(),
        }
    }

    /// Looks once, and tells what is new.
    pub fn step(&mut self, node: &Node) -> Result<Vec<Alert>, AppError> {
        let sight = sight(node)?;
        let alerts = self.judge(&sight, node.now());
        for alert in &alerts {
            telemetry::alerted(alert.name, alert.is_raised, &alert.text);
            for way in [Way::Email, Way::Slack, Way::Webhook] {
                if self.target(way).is_some() {
                    self.waiting.push((way, alert.clone()));
                }
            }
        }
        let dropped_count = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..dropped_count);
        self.tell(node);
        Ok(alerts)
    }

    fn target(&self, way: Way) -> Option<&str> {
        match way {
            Way::Email => self.settings.email.as_deref(),
            Way::Slack => self.settings.slack_url.as_deref(),
            Way::Webhook => self.settings.webhook_url.as_deref(),
        }
    }

    /// What begins or is over.
    fn judge(&mut self, sight: &Sight, at: Timestamp) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let mut note = |name, turn: Option<Turn>, raised: String, cleared: &str| {
            alerts.extend(turn.map(|turn| Alert {
                name,
                is_raised: turn == Turn::Raised,
                text: match turn {
                    Turn::Raised => raised,
                    Turn::Cleared => cleared.to_owned(),
                },
                at,
            }));
        };
        let known = *self.known_letters.get_or_insert(sight.letter_count);
        let new_count = sight.letter_count.saturating_sub(known);
        let grew = new_count >= self.settings.dead_letters.max(1);
        let turn = self.dead_letters.step(Level::of(grew), at);
        if grew || sight.letter_count < known {
            self.known_letters = Some(sight.letter_count);
        }
        let raised = format!(
            "{new_count} new dead letters, {} in all: look at `tenure dead-letters list`",
            sight.letter_count
        );
        note("dead_letters", turn, raised, "no new dead letters");
        let turn = self.breakers.step(Level::of(!sight.open.is_empty()), at);
        let raised = format!(
            "open circuit breakers: {}; nothing is sent there",
            sight.open.join(", ")
        );
        note("breaker", turn, raised, "all circuit breakers are closed");
        let most = self.settings.lag_entries.max(1);
        let level = match sight.lag {
            lag if lag >= most => Level::High,
            lag if lag <= most / 2 => Level::Low,
            _ => Level::Between,
        };
        let turn = self.lag.step(level, at);
        let raised = format!("the engine is {} log entries behind", sight.lag);
        note("lag", turn, raised, "the engine has caught up");
        alerts
    }

    /// Tells what waits; what cannot be told now waits on.
    fn tell(&mut self, node: &Node) {
        let waiting = std::mem::take(&mut self.waiting);
        for (way, alert) in waiting {
            if let Err(reason) = self.tell_one(node, way, &alert) {
                telemetry::alert_failed(alert.name, &reason);
                self.waiting.push((way, alert));
            }
        }
    }

    fn tell_one(&self, node: &Node, way: Way, alert: &Alert) -> Result<(), String> {
        let Some(target) = self.target(way) else {
            return Ok(());
        };
        let workspace = node.workspace_name();
        let text = format!("[Tenure, {workspace}] {}", alert.text);
        let body = match way {
            Way::Email => return mail(node, target, &text, alert),
            Way::Slack => json!({ "text": text }),
            Way::Webhook => json!({
                "alert": alert.name,
                "state": if alert.is_raised { "raised" } else { "cleared" },
                "workspace": workspace,
                "text": alert.text,
                "at": alert.at.to_string(),
            }),
        };
        let id = format!("alert-{}-{}", alert.name, alert.at.0);
        let reach = self.reach();
        let webhook = PreparedWebhook::new(id, target.to_owned(), body.to_string(), reach)?;
        match self.sender.send(&webhook, alert.at.0.max(0) as u64).outcome {
            Outcome::Accepted { .. } => Ok(()),
            Outcome::Rejected { code, reason, .. } => Err(format!("{code} {reason}")),
            Outcome::NotSent { reason } | Outcome::Unknown { reason } => Err(reason),
        }
    }

    fn reach(&self) -> Reach {
        self.settings.webhooks.reach
    }
}

fn mail(node: &Node, to: &str, text: &str, alert: &Alert) -> Result<(), String> {
    let id = format!("alert-{}-{}", alert.name, alert.at.0);
    let composer = node.dispatcher().composer();
    let mail: PreparedEmail = composer.notice(&id, to, text, alert.at)?;
    let sent = node.dispatcher().send_now(&mail);
    sent.map(drop).map_err(|error| error.to_string())
}

fn sight(node: &Node) -> Result<Sight, StoreError> {
    let store = node.store();
    let counts = store.message_counts()?;
    let dead = counts
        .iter()
        .find(|(state, _)| *state == MessageState::Dead);
    let page = Page {
        after: None,
        limit: COUNTED_LETTERS,
    };
    let letter_count = dead.map_or(0, |(_, count)| *count)
        + store.dead_letters(&page)?.len() as u64
        + node.webhooks().letter_count()?;
    let breakers = node.breakers().into_iter();
    let open = breakers.filter(|view| view.state != BreakerState::Closed);
    Ok(Sight {
        letter_count,
        open: open.map(|view| view.name).collect(),
        lag: node.lag(),
    })
}

impl Node {
    /// Starts looking, on a thread that ends when the node stops.
    pub fn watch_for_alerts(
        &self,
        settings: AlertSettings,
    ) -> Result<std::thread::JoinHandle<()>, AppError> {
        let node: Arc<Self> = self.handle()?;
        let mut alerts = Alerts::new(settings);
        std::thread::Builder::new()
            .name("alerts".into())
            .spawn(move || {
                while !node.stopping() {
                    if let Err(error) = alerts.step(&node) {
                        telemetry::alert_failed("store", &error.to_string());
                    }
                    node.dispatcher().rest(LOOK_EVERY);
                }
            })
            .map_err(|error| AppError::Conflict(format!("no thread for alerts: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm() -> Sight {
        Sight {
            letter_count: 3,
            open: Vec::new(),
            lag: 0,
        }
    }

    fn names(alerts: &[Alert]) -> Vec<(&str, bool)> {
        alerts
            .iter()
            .map(|alert| (alert.name, alert.is_raised))
            .collect()
    }

    fn alerts() -> Alerts {
        Alerts::new(AlertSettings {
            dead_letters: 5,
            lag_entries: 100,
            ..AlertSettings::default()
        })
    }

    #[test]
    fn dead_letters_that_were_there_at_the_start_are_no_news_and_growth_is() {
        let mut alerts = alerts();
        assert_eq!(alerts.judge(&calm(), Timestamp(0)), []);
        let grown = |letter_count| Sight {
            letter_count,
            ..calm()
        };
        assert_eq!(alerts.judge(&grown(7), Timestamp(1)), []);
        let told = alerts.judge(&grown(8), Timestamp(2));
        assert_eq!(names(&told), [("dead_letters", true)]);
        assert!(told[0].text.contains("5 new dead letters, 8 in all"));
        assert_eq!(alerts.judge(&grown(8), Timestamp(3)), [], "told once");
        let later = Timestamp(3 + CLEARED_AFTER_MS);
        assert_eq!(
            names(&alerts.judge(&grown(8), later)),
            [("dead_letters", false)]
        );
    }

    #[test]
    fn a_lag_is_told_when_it_lasts_and_is_over_only_well_below() {
        let mut alerts = alerts();
        let behind = |lag| Sight { lag, ..calm() };
        assert_eq!(alerts.judge(&behind(100), Timestamp(0)), []);
        let lasting = Timestamp(RAISED_AFTER_MS);
        assert_eq!(names(&alerts.judge(&behind(150), lasting)), [("lag", true)]);
        for minute in 2..10 {
            let at = Timestamp(minute * MINUTE_MS);
            assert_eq!(alerts.judge(&behind(60), at), [], "between is neither");
        }
        assert_eq!(alerts.judge(&behind(50), Timestamp(10 * MINUTE_MS)), []);
        let over = Timestamp(10 * MINUTE_MS + CLEARED_AFTER_MS);
        assert_eq!(names(&alerts.judge(&behind(0), over)), [("lag", false)]);
    }

    #[test]
    fn a_breaker_that_opens_for_a_moment_is_not_told() {
        let mut alerts = alerts();
        let open = Sight {
            open: vec!["email".into()],
            ..calm()
        };
        assert_eq!(alerts.judge(&open, Timestamp(0)), []);
        assert_eq!(alerts.judge(&calm(), Timestamp(MINUTE_MS / 2)), []);
        assert_eq!(alerts.judge(&open, Timestamp(MINUTE_MS)), []);
        let told = alerts.judge(&open, Timestamp(2 * MINUTE_MS));
        assert_eq!(names(&told), [("breaker", true)]);
        assert!(told[0].text.contains("email"));
    }
}
