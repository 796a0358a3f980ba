//! Composing: from a decided message to the bytes that go out.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use tenure_connectors::PreparedEmail;
use tenure_connectors::email::{EmailAddress, OutgoingEmail, Unsubscribe};
use tenure_connectors::template::{CompiledTemplate, Rendered, Strict, Template};
use tenure_connectors::tracking::{LinkSigner, Purpose, Tracking, track};
use tenure_connectors::webhook::PreparedWebhook;
use tenure_core::define::PolicyDef;
use tenure_core::effect::MessageIntent;
use tenure_core::time::Timestamp;
use tenure_store::row::Message;

use super::text::Text;
use super::{DispatchSettings, Refusal, WEBHOOK, webhook};
use crate::breakers::breaker_of;
use crate::catalog::Catalog;

/// A message ready to go out.
#[derive(Debug)]
pub enum Composed {
    /// By e-mail.
    Email(Box<PreparedEmail>),
    /// To a URL.
    Webhook(Box<PreparedWebhook>),
    /// By a connector.
    Text(Text),
}

impl Composed {
    /// The breaker that guards it, for a message of `channel`; e-mail's is asked before messages are looked up.
    pub(super) fn breaker(&self, channel: &str) -> Option<String> {
        match self {
            Self::Email(_) => None,
            Self::Webhook(webhook) => Some(breaker_of(webhook)),
            Self::Text(_) => Some(channel.to_owned()),
        }
    }
}

/// Makes e-mails and webhooks of messages, with the templates and the policy in force.
pub struct Composer {
    templates: BTreeMap<String, (CompiledTemplate, Template)>,
    policy: PolicyDef,
    settings: DispatchSettings,
    signer: LinkSigner,
}

impl Composer {
    /// Compiles the templates of a catalogue; those that do not compile are left out, which cannot
    /// happen to what was published.
    pub fn new(catalog: &Catalog, settings: DispatchSettings, link_secret: &[u8]) -> Self {
        let (templates, _) = catalog.templates();
        let templates = templates.into_iter().filter_map(|template| {
            let compiled = CompiledTemplate::compile(&template).ok()?;
            Some((template.name.clone(), (compiled, template)))
        });
        let policy = catalog
            .parse()
            .map(|(definitions, _)| definitions.policy)
            .unwrap_or_default();
        Self {
            templates: templates.collect(),
            policy,
            settings,
            signer: LinkSigner::new(link_secret),
        }
    }

    /// What checks the tokens of links.
    pub fn signer(&self) -> &LinkSigner {
        &self.signer
    }

    /// The policy in force.
    pub fn policy(&self) -> &PolicyDef {
        &self.policy
    }

    /// Renders a template for data; the error is for people.
    pub fn render(&self, template: &str, data: &Json, strict: Strict) -> Result<Rendered, String> {
        let (compiled, _) = self
            .templates
            .get(template)
            .ok_or_else(|| format!("there is no template `{template}`"))?;
        let language = data.pointer("/person/locale").and_then(Json::as_str);
        let rendered = compiled.render(data, language, strict);
        rendered.map_err(|error| format!("template `{template}`: {error}"))
    }

    /// What a recipient would see of a message, without tracking.
    pub fn preview(&self, intent: &MessageIntent) -> Result<Rendered, String> {
        if intent.channel.as_ref() == WEBHOOK {
            return Ok(Rendered {
                subject: format!("POST {}", intent.to),
                html: String::new(),
                text: webhook::body(intent)?,
            });
        }
        self.rendered(intent, Strict::No)
    }

    /// A message's template with what the engine knew when it decided.
    pub(super) fn rendered(
        &self,
        intent: &MessageIntent,
        strict: Strict,
    ) -> Result<Rendered, String> {
        self.render(&intent.template, &self.data(intent), strict)
    }

    /// Renders, tracks, and builds one message.
    pub(crate) fn compose(&self, message: &Message, now: Timestamp) -> Result<Composed, Refusal> {
        let intent = &message.intent;
        if intent.channel.as_ref() == WEBHOOK {
            let webhook = webhook::compose(intent, self.settings.webhooks.reach)
                .map_err(Refusal::Unrenderable)?;
            return Ok(Composed::Webhook(Box::new(webhook)));
        }
        let mut rendered = self
            .rendered(intent, Strict::Yes)
            .map_err(Refusal::Unrenderable)?;
        if let Some(subject) = &intent.subject_line {
            rendered.subject.clone_from(&subject.to_string());
        }
        let unsubscribe_url = self.unsubscribe_url(intent);
        if let Some(url) = &unsubscribe_url {
            add_footer(&mut rendered, url);
        }
        if self.settings.tracking {
            let preferences = self.link("p", "");
            let tracking = Tracking {
                base_url: &self.settings.public_url,
                clicks: true,
                opens: true,
                untracked_prefixes: &[&preferences],
            };
            rendered.html = track(
                &rendered.html,
                &intent.id.to_string(),
                &self.signer,
                &tracking,
            )
            .html;
        }
        let email = self
            .email(intent, rendered, unsubscribe_url)
            .map_err(Refusal::Unrenderable)?;
        let prepared = email
            .prepare(now.0.max(0) as u64, self.settings.dkim.as_deref())
            .map_err(|error| Refusal::Unrenderable(error.to_string()))?;
        Ok(Composed::Email(Box::new(prepared)))
    }

    /// A message to somebody of the team, to look at.
    pub fn test_message(
        &self,
        id: &str,
        template: &str,
        to: &str,
        data: &Json,
        now: Timestamp,
    ) -> Result<PreparedEmail, String> {
        let rendered = self.render(template, data, Strict::Yes)?;
        let email = OutgoingEmail {
            message_id: id.to_owned(),
            from: self.author(template)?,
            to: EmailAddress::parse("to", to).map_err(|error| error.to_string())?,
            reply_to: None,
            bounces_to: None,
            subject: format!("[Test] {}", rendered.subject),
            html: rendered.html,
            text: rendered.text,
            unsubscribe: None,
            list_id: None,
            feedback_id: None,
            headers: Vec::new(),
        };
        email
            .prepare(now.0.max(0) as u64, self.settings.dkim.as_deref())
            .map_err(|error| error.to_string())
    }

    /// A plain message to the operators.
    pub(crate) fn notice(
        &self,
        id: &str,
        to: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<PreparedEmail, String> {
        let from = self.policy.from.as_deref();
        let from = from.or(self.settings.from.as_deref());
        let from = from.ok_or("no sender: set `from:` in the policy, or TENURE_FROM")?;
        let address =
            |field, text| EmailAddress::parse(field, text).map_err(|error| error.to_string());
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        let email = OutgoingEmail {
            message_id: id.to_owned(),
            from: address("from", from)?,
            to: address("to", to)?,
            reply_to: None,
            bounces_to: None,
            subject: text.to_owned(),
            html: format!("<p>{escaped}</p>"),
            text: text.to_owned(),
            unsubscribe: None,
            list_id: None,
            feedback_id: None,
            headers: Vec::new(),
        };
        email
            .prepare(now.0.max(0) as u64, self.settings.dkim.as_deref())
            .map_err(|error| error.to_string())
    }

    fn email(
        &self,
        intent: &MessageIntent,
        rendered: Rendered,
        unsubscribe_url: Option<String>,
    ) -> Result<OutgoingEmail, String> {
        let from = self.author(&intent.template)?;
        let reply_to = self
            .templates
            .get(intent.template.as_ref())
            .and_then(|(_, template)| template.reply_to.as_deref());
        let reply_to = reply_to
            .map(|text| EmailAddress::parse("reply_to", text))
            .transpose()
            .map_err(|error| error.to_string())?;
        let list_id = intent
            .topic
            .as_deref()
            .map(|topic| format!("{topic}.{}", from.domain()));
        let feedback = format!(
            "{}:{}:tenure",
            intent.program,
            intent.topic.as_deref().unwrap_or("none")
        );
        Ok(OutgoingEmail {
            message_id: intent.id.to_string(),
            to: EmailAddress::parse("to", &intent.to).map_err(|error| error.to_string())?,
            from,
            reply_to,
            bounces_to: None,
            subject: rendered.subject,
            html: rendered.html,
            text: rendered.text,
            unsubscribe: unsubscribe_url.map(|one_click_url| Unsubscribe {
                one_click_url,
                mailto: None,
            }),
            list_id: list_id.filter(|_| !intent.transactional),
            feedback_id: Some(feedback),
            headers: vec![("X-Tenure-Message".into(), intent.id.to_string())],
        })
    }

    fn author(&self, template: &str) -> Result<EmailAddress, String> {
        let own = self
            .templates
            .get(template)
            .and_then(|(_, template)| template.from.as_deref());
        let from = own
            .or(self.policy.from.as_deref())
            .or(self.settings.from.as_deref());
        let from = from.ok_or("no sender: set `from:` in the policy, or TENURE_FROM")?;
        EmailAddress::parse("from", from).map_err(|error| error.to_string())
    }

    /// What the engine knew when it decided, with the links every template may use.
    fn data(&self, intent: &MessageIntent) -> Json {
        let mut data: Map<String, Json> = serde_json::from_str(&intent.data).unwrap_or_default();
        if let Some(token) = self.person_token(Purpose::Preferences, intent) {
            data.insert("preferences_url".into(), self.link("p", &token).into());
            data.insert("unsubscribe_url".into(), self.link("p", &token).into());
        }
        Json::Object(data)
    }

    fn unsubscribe_url(&self, intent: &MessageIntent) -> Option<String> {
        if intent.transactional {
            return None;
        }
        let token = self.person_token(Purpose::Unsubscribe, intent)?;
        Some(self.link("u", &token))
    }

    fn person_token(&self, purpose: Purpose, intent: &MessageIntent) -> Option<String> {
        let person = intent.person?.to_string();
        let topic = intent.topic.as_deref().unwrap_or_default();
        Some(
            self.signer
                .seal(purpose, &[&intent.id.to_string(), &person, topic]),
        )
    }

    fn link(&self, path: &str, token: &str) -> String {
        format!(
            "{}/{path}/{token}",
            self.settings.public_url.trim_end_matches('/')
        )
    }
}

/// Marketing mail always shows a way out: a template that has none gets a line at its end.
fn add_footer(rendered: &mut Rendered, url: &str) {
    let base = url.split("/u/").next().unwrap_or_default();
    if rendered.html.contains(&format!("{base}/p/"))
        || rendered.html.contains(&format!("{base}/u/"))
    {
        return;
    }
    let line = format!(
        "<p style=\"font:12px sans-serif;color:#666;text-align:center\" data-tenure-track=\"off\">\
         <a href=\"{url}\" data-tenure-track=\"off\" style=\"color:#666\">Unsubscribe</a></p>"
    );
    let at = rendered
        .html
        .rfind("</body>")
        .unwrap_or(rendered.html.len());
    rendered.html.insert_str(at, &line);
    rendered.text.extend(["\n\nUnsubscribe: ", url, "\n"]);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenure_connectors::email::DkimSigner;
    use tenure_core::define::SourceFile;
    use tenure_core::id::{EnrollmentId, MessageId, PersonId, SubjectId};

    use super::*;

    const SEED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn composer(dkim: Option<DkimSigner>) -> Composer {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.into(),
        };
        let files = [
            file(
                "policy.yaml",
                "policy: default\nfrom: Ada <ada@example.com>\n",
            ),
            file("welcome.html", "---\nsubject: Hello\n---\n<p>Hello</p>\n"),
        ];
        let (catalog, _) = Catalog::default().with_files(&files, false, 1);
        let settings = DispatchSettings {
            dkim: dkim.map(Arc::new),
            ..DispatchSettings::default()
        };
        Composer::new(&catalog, settings, &[7; 32])
    }

    fn message() -> Message {
        let person = PersonId(1);
        let intent = MessageIntent {
            id: MessageId(1),
            decided_at: Timestamp(0),
            channel: "email".into(),
            person: Some(person),
            account: None,
            subject: SubjectId::Person(person),
            program: "onboarding".into(),
            version: 1,
            enrollment: EnrollmentId(1),
            step: "send-1".into(),
            topic: Some("tips".into()),
            transactional: false,
            delivery: tenure_core::define::Delivery::AtMostOnce,
            to: "ann@example.com".into(),
            template: "welcome".into(),
            subject_line: None,
            data: "{}".into(),
        };
        Message::new(intent)
    }

    /// What goes out of a decided message, and of a test to the team.
    fn both(composer: &Composer) -> [String; 2] {
        let Ok(Composed::Email(sent)) = composer.compose(&message(), Timestamp(0)) else {
            panic!("no e-mail");
        };
        let data = Json::Object(Map::new());
        let test = composer.test_message("test", "welcome", "ben@example.com", &data, Timestamp(0));
        let text = |email: &PreparedEmail| String::from_utf8(email.bytes().to_vec()).unwrap();
        [text(&sent), text(&test.unwrap())]
    }

    #[test]
    fn messages_and_tests_are_signed_where_a_key_is_set() {
        let signer = DkimSigner::ed25519("example.com", "s1", SEED).unwrap();
        for text in both(&composer(Some(signer))) {
            let signature = text.split("DKIM-Signature:").nth(1).expect("a signature");
            assert!(signature.contains("d=example.com"), "{text}");
            assert!(signature.contains("s=s1"), "{text}");
        }
        for text in both(&composer(None)) {
            assert!(!text.contains("DKIM-Signature"), "{text}");
        }
    }
}
