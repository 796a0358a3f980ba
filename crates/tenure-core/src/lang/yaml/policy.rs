//! The contact policy.

use crate::define::{Audience, CapDef, PolicyDef, QuietHoursDef, TopicDef};
use crate::lang::nearest::did_you_mean;
use crate::lang::yaml::node::Node;
use crate::lang::yaml::quantity::short;
use crate::lang::yaml::reader::{Fields, Reader};
use crate::time::zone;

/// Channels messages go through.
pub(super) const CHANNELS: [&str; 3] = ["email", "sms", "slack"];
/// The most messages a cap can allow; more is no cap.
const MAX_CAP: i64 = 10_000;

impl Reader<'_> {
    pub(super) fn policy(&mut self, mut fields: Fields<'_>) -> PolicyDef {
        fields.take("policy");
        fields.take("about");
        let timezone = self.timezone(&mut fields);
        let from = self.sender(&mut fields);
        let topics = self.topics(&mut fields);
        let caps = match fields.take("caps") {
            Some(node) => self
                .items(node, "`caps`")
                .iter()
                .filter_map(|item| self.cap(item))
                .collect(),
            None => Vec::new(),
        };
        let quiet_hours = fields
            .take("quiet_hours")
            .and_then(|node| self.quiet_hours(node));
        let holdout = self.holdout(&mut fields);
        self.finish(&fields, "a policy");
        PolicyDef {
            timezone,
            from,
            topics,
            caps,
            quiet_hours,
            holdout,
            place: self.place(fields.span),
        }
    }

    fn timezone(&mut self, fields: &mut Fields<'_>) -> String {
        let Some(node) = fields.take("timezone") else {
            return PolicyDef::default().timezone;
        };
        let Some(name) = self.text(node, "`timezone`") else {
            return PolicyDef::default().timezone;
        };
        if zone(name).is_none() {
            self.error(
                "unknown-timezone",
                node.span,
                format!("there is no time zone `{}`", short(name)),
                "write an IANA name such as `Europe/Berlin`, `America/New_York` or `UTC`",
            );
        }
        name.to_owned()
    }

    fn sender(&mut self, fields: &mut Fields<'_>) -> Option<String> {
        let node = fields.take("from")?;
        let from = self.text(node, "`from`")?;
        let address = match from.split_once('<') {
            Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
            None => from,
        };
        let shaped = address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
        if !shaped || address.contains(char::is_whitespace) || from.contains(['\n', '\r']) {
            self.error(
                "bad-address",
                node.span,
                "`from` is no e-mail address",
                "write for example \"Northbeam <hello@example.com>\"",
            );
        }
        Some(from.to_owned())
    }

    fn topics(&mut self, fields: &mut Fields<'_>) -> Vec<TopicDef> {
        let Some(node) = fields.take("topics") else {
            return Vec::new();
        };
        let mut topics: Vec<TopicDef> = Vec::new();
        for item in self.items(node, "`topics`") {
            let Some(topic) = self.topic(item) else {
                continue;
            };
            if topics.iter().any(|known| known.name == topic.name) {
                self.error(
                    "duplicate-name",
                    item.span,
                    format!("the topic `{}` is listed twice", topic.name),
                    "remove one of them",
                );
            }
            topics.push(topic);
        }
        topics
    }

    fn topic(&mut self, node: &Node) -> Option<TopicDef> {
        let help = "write for example `{ name: product-tips, title: \"Product tips\" }`";
        let mut fields = self.fields(node, "a topic", help)?;
        let name = self
            .required(&mut fields, "name", help)
            .and_then(|node| self.name(node, "a topic's name"));
        let title = self.optional_text(&mut fields, "title");
        let transactional = fields
            .take("transactional")
            .and_then(|node| self.flag(node, "`transactional`"))
            .unwrap_or(false);
        let choices = [("subscribed", true), ("unsubscribed", false)];
        let subscribed_by_default = fields
            .take("default")
            .and_then(|node| self.choice(node, "`default`", &choices))
            .unwrap_or(true);
        if transactional && fields.has("default") {
            self.error(
                "transactional-default",
                fields.key_span("default"),
                "transactional messages need no consent",
                "remove `default`",
            );
        }
        self.finish(&fields, "a topic");
        let name = name?;
        Some(TopicDef {
            title: title.unwrap_or_else(|| name.clone()),
            name,
            transactional,
            subscribed_by_default,
        })
    }

    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        self.choice(node, what, &[("true", true), ("false", false)])
    }

    fn cap(&mut self, node: &Node) -> Option<CapDef> {
        let help = "write for example `{ per: person, channel: email, at_most: 3, within: 7d }`";
        let mut fields = self.fields(node, "a cap", help)?;
        let choices = [("person", Audience::Person), ("account", Audience::Account)];
        let per = self
            .required(&mut fields, "per", help)
            .and_then(|node| self.choice(node, "`per`", &choices));
        let channel = fields.take("channel").and_then(|node| self.channel(node));
        let at_most = self
            .required(&mut fields, "at_most", help)
            .and_then(|node| self.integer(node, "`at_most`", 1..=MAX_CAP));
        let within_ms = self
            .required(&mut fields, "within", help)
            .and_then(|node| self.duration(node, "`within`", 1));
        self.finish(&fields, "a cap");
        Some(CapDef {
            per: per?,
            channel,
            at_most: u32::try_from(at_most?).ok()?,
            within_ms: within_ms?,
        })
    }

    pub(super) fn channel(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node, "a channel")?;
        if !CHANNELS.contains(&name) {
            let help = did_you_mean(name, CHANNELS).unwrap_or_default();
            self.error(
                "unknown-channel",
                node.span,
                format!("there is no channel `{}`", short(name)),
                help,
            );
            return None;
        }
        Some(name.to_owned())
    }

    fn quiet_hours(&mut self, node: &Node) -> Option<QuietHoursDef> {
        let help = "write for example `{ from: \"20:00\", until: \"08:00\", days: [sat, sun] }`";
        let mut fields = self.fields(node, "`quiet_hours`", help)?;
        let from = self
            .required(&mut fields, "from", help)
            .and_then(|node| self.time_of_day(node, "`from`"));
        let until = self
            .required(&mut fields, "until", help)
            .and_then(|node| self.time_of_day(node, "`until`"));
        let days = fields
            .take("days")
            .map(|node| self.weekdays(node))
            .unwrap_or_default();
        if days.len() == 7 {
            self.error(
                "always-quiet",
                fields.key_span("days"),
                "if every day is quiet, nothing is ever sent",
                "leave at least one day out",
            );
        }
        self.finish(&fields, "`quiet_hours`");
        Some(QuietHoursDef {
            from_minutes: from?,
            until_minutes: until?,
            days,
        })
    }
}
