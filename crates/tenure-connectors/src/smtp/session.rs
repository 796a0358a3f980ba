//! One SMTP session: greeting to final dot, each stage with its own outcome.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter, ServerInfo};
use lettre::transport::smtp::response::Response;
use rustls::ClientConfig;

use super::link::{Link, LinkError};
use super::settings::{SmtpSettings, SmtpTls};
use crate::email::PreparedEmail;
use crate::outcome::{Outcome, Stage};
use crate::redact::redact_addresses;

/// Most challenges answered in one AUTH exchange; LOGIN needs two.
const AUTH_CHALLENGES_MAX: usize = 4;

/// How a session stands after one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Ready for the next message.
    Ready,
    /// To be dropped.
    Broken,
}

/// The outcome of one message, and what may be done with the session.
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    pub(super) after: After,
    /// The session was lost before the server took up the message; a fresh one may try at once.
    pub(super) is_stale: bool,
}

/// An open, greeted and authenticated connection.
pub(super) struct Session {
    link: Link,
    server: ServerInfo,
    can_pipeline: bool,
    command_timeout: Duration,
    pub(super) messages_count: usize,
    pub(super) idle_since: Instant,
}

impl Session {
    /// Connects, greets, encrypts and authenticates as the settings say.
    pub(super) fn open(settings: &SmtpSettings, tls: &Arc<ClientConfig>) -> Result<Self, Outcome> {
        let deadline = Instant::now() + settings.connect_timeout;
        let mut link = Link::connect(&settings.host, settings.port, deadline)
            .map_err(|error| not_sent("connecting", &error))?;
        if settings.tls == SmtpTls::Implicit {
            link.upgrade(tls, &settings.host, deadline)
                .map_err(|error| not_sent("TLS", &error))?;
        }
        let greeting = link
            .read_reply(deadline)
            .map_err(|error| not_sent("the greeting", &error))?;
        positive(&greeting, Stage::Greeting)?;
        let mut session = Self {
            link,
            server: ServerInfo::default(),
            can_pipeline: false,
            command_timeout: settings.command_timeout,
            messages_count: 0,
            idle_since: Instant::now(),
        };
        session.ehlo(settings)?;
        session.starttls(settings, tls)?;
        session.authenticate(settings)?;
        Ok(session)
    }

    /// Whether nothing happened to the connection while it lay idle.
    pub(super) fn is_fresh(&self, settings: &SmtpSettings) -> bool {
        self.idle_since.elapsed() < settings.idle_max
            && self.messages_count < settings.messages_per_connection_max
            && self.link.is_quiet()
    }

    /// Takes one message through MAIL, RCPT, DATA, its body and the final dot.
    pub(super) fn send(&mut self, mail: &PreparedEmail, final_dot_timeout: Duration) -> Attempt {
        self.messages_count += 1;
        match self.envelope(mail) {
            Ok(()) => self.body(mail.bytes(), final_dot_timeout),
            Err(attempt) => attempt,
        }
    }

    fn envelope(&mut self, mail: &PreparedEmail) -> Result<(), Attempt> {
        let mut parameters = Vec::new();
        if mail.needs_smtputf8() {
            if !self.server.supports_feature(Extension::SmtpUtfEight) {
                return Err(Attempt::ready(smtputf8_missing()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let Some(recipient) = mail.recipient() else {
            return Err(Attempt::ready(Outcome::NotSent {
                reason: "the message has no recipient".to_owned(),
            }));
        };
        let commands = [
            (
                Stage::MailFrom,
                Mail::new(mail.sender().cloned(), parameters).to_string(),
            ),
            (
                Stage::RcptTo,
                Rcpt::new(recipient.clone(), Vec::new()).to_string(),
            ),
            (Stage::Data, Data.to_string()),
        ];
        if self.can_pipeline {
            self.pipelined(&commands)
        } else {
            self.one_by_one(&commands)
        }
    }

    fn one_by_one(&mut self, commands: &[(Stage, String)]) -> Result<(), Attempt> {
        for (stage, command) in commands {
            let reply = self
                .exchange(command)
                .map_err(|error| Attempt::lost(*stage, &error))?;
            if let Err(outcome) = accepted_at(&reply, *stage) {
                return Err(self.after_rejection(outcome, *stage));
            }
        }
        Ok(())
    }

    /// Sends the three commands in one go (RFC 2920), which saves two round trips a message.
    fn pipelined(&mut self, commands: &[(Stage, String)]) -> Result<(), Attempt> {
        let deadline = Instant::now() + self.command_timeout;
        let batch: String = commands
            .iter()
            .map(|(_, command)| command.as_str())
            .collect();
        self.link
            .write(batch.as_bytes(), deadline)
            .map_err(|error| Attempt::lost(Stage::MailFrom, &error))?;
        let mut refusal = None;
        for (stage, _) in commands {
            let read = self.link.read_reply(deadline);
            match (read, refusal.take()) {
                (Err(error), None) => return Err(Attempt::lost(*stage, &error)),
                (Ok(reply), None) => {
                    refusal = accepted_at(&reply, *stage).err().map(|no| (no, *stage));
                }
                // Later replies of a refused batch only matter for the state of the session.
                (Err(_), Some((outcome, first))) => return Err(Attempt::refused(outcome, first)),
                (Ok(reply), Some((outcome, first))) if reply.has_code(354) => {
                    // The server waits for a message without a recipient. Hanging up sends none.
                    return Err(Attempt::refused(outcome, first));
                }
                (Ok(_), Some(first)) => refusal = Some(first),
            }
        }
        match refusal {
            Some((outcome, stage)) => Err(self.after_rejection(outcome, stage)),
            None => Ok(()),
        }
    }

    fn body(&mut self, message: &[u8], final_dot_timeout: Duration) -> Attempt {
        let wire = dot_stuffed(message);
        let deadline = Instant::now() + self.command_timeout;
        if let Err(error) = self.link.write(&wire, deadline) {
            // The last byte was not handed to the system, so the server cannot have seen the end.
            return Attempt::broken(not_sent("transmitting the message", &error));
        }
        match self.link.read_reply(Instant::now() + final_dot_timeout) {
            Ok(reply) => self.final_reply(&reply),
            Err(error) => Attempt::broken(Outcome::Unknown {
                reason: format!("no reply to the final dot: {error}"),
            }),
        }
    }

    fn final_reply(&mut self, reply: &Response) -> Attempt {
        let text = reply_text(reply);
        match u16::from(reply.code()) {
            200..300 => Attempt::ready(Outcome::Accepted {
                queue_id: queue_id(&text),
                response: text,
            }),
            400..600 => match positive(reply, Stage::FinalDot) {
                Err(outcome) => self.after_rejection(outcome, Stage::FinalDot),
                Ok(()) => Attempt::broken(odd_final_reply(&text)),
            },
            _ => Attempt::broken(odd_final_reply(&text)),
        }
    }

    /// After a "no" the session is clean: by itself after the final dot, by RSET elsewhere. Not so when the server
    /// leaves (421) or answered against the protocol.
    fn after_rejection(&mut self, outcome: Outcome, stage: Stage) -> Attempt {
        let is_usable = matches!(&outcome, Outcome::Rejected { code, .. } if *code != 421);
        let mut attempt = Attempt::refused(outcome, stage);
        if is_usable
            && (stage == Stage::FinalDot
                || self.exchange(&Rset).is_ok_and(|reply| reply.is_positive()))
        {
            attempt.after = After::Ready;
        }
        attempt
    }

    fn ehlo(&mut self, settings: &SmtpSettings) -> Result<(), Outcome> {
        let hello = Ehlo::new(ClientId::Domain(settings.hello_name.clone()));
        let reply = self
            .exchange(&hello)
            .map_err(|error| not_sent("EHLO", &error))?;
        positive(&reply, Stage::Ehlo)?;
        self.can_pipeline = reply
            .message()
            .any(|line| line.trim().eq_ignore_ascii_case("PIPELINING"));
        self.server = ServerInfo::from_response(&reply).map_err(|_| Outcome::NotSent {
            reason: "the server's reply to EHLO has no name".to_owned(),
        })?;
        Ok(())
    }

    fn starttls(
        &mut self,
        settings: &SmtpSettings,
        tls: &Arc<ClientConfig>,
    ) -> Result<(), Outcome> {
        let is_wanted = matches!(settings.tls, SmtpTls::Required | SmtpTls::Opportunistic);
        let is_offered = self.server.supports_feature(Extension::StartTls);
        if !is_wanted || (!is_offered && settings.tls == SmtpTls::Opportunistic) {
            return Ok(());
        }
        if !is_offered {
            return Err(Outcome::NotSent {
                reason: "TLS is required but the server does not offer STARTTLS; use `tls=opportunistic` or \
                         `tls=none` if plain text is meant"
                    .to_owned(),
            });
        }
        let reply = self
            .exchange(&Starttls)
            .map_err(|error| not_sent("STARTTLS", &error))?;
        positive(&reply, Stage::StartTls)?;
        self.link
            .upgrade(
                tls,
                &settings.host,
                Instant::now() + settings.connect_timeout,
            )
            .map_err(|error| not_sent("STARTTLS", &error))?;
        self.ehlo(settings)
    }

    fn authenticate(&mut self, settings: &SmtpSettings) -> Result<(), Outcome> {
        let Some(credentials) = &settings.credentials else {
            return Ok(());
        };
        let is_exposed =
            !self.link.is_encrypted() && settings.tls != SmtpTls::None && !settings.is_local();
        if is_exposed {
            return Err(Outcome::NotSent {
                reason: "the password is not sent in plain text; use TLS, or `tls=none` if that is meant".to_owned(),
            });
        }
        let mechanism = self
            .server
            .get_auth_mechanism(&[Mechanism::Plain, Mechanism::Login])
            .ok_or_else(|| Outcome::NotSent {
                reason: "the server offers neither AUTH PLAIN nor AUTH LOGIN".to_owned(),
            })?;
        let pair = Credentials::new(credentials.user.clone(), credentials.password.clone());
        let malformed = |_| Outcome::NotSent {
            reason: "the server's AUTH challenge is malformed".to_owned(),
        };
        let mut command = Auth::new(mechanism, pair.clone(), None).map_err(malformed)?;
        for _ in 0..=AUTH_CHALLENGES_MAX {
            let reply = self
                .exchange(&command)
                .map_err(|error| not_sent("AUTH", &error))?;
            if !reply.has_code(334) {
                return positive(&reply, Stage::Auth);
            }
            command =
                Auth::new_from_response(mechanism, pair.clone(), &reply).map_err(malformed)?;
        }
        Err(Outcome::NotSent {
            reason: "the server keeps asking for more in AUTH".to_owned(),
        })
    }

    fn exchange(&mut self, command: &impl Display) -> Result<Response, LinkError> {
        let deadline = Instant::now() + self.command_timeout;
        self.link.write(command.to_string().as_bytes(), deadline)?;
        self.link.read_reply(deadline)
    }

    /// Says goodbye without waiting for an answer.
    pub(super) fn quit(mut self) {
        let soon = Instant::now() + Duration::from_millis(100);
        // A server that does not take the farewell is as gone as one that does.
        let _ = self.link.write(b"QUIT\r\n", soon);
    }
}

impl Attempt {
    fn ready(outcome: Outcome) -> Self {
        Self {
            outcome,
            after: After::Ready,
            is_stale: false,
        }
    }

    fn broken(outcome: Outcome) -> Self {
        Self {
            outcome,
            after: After::Broken,
            is_stale: false,
        }
    }

    /// A "no" after which the session is not used again, unless the caller cleans it.
    fn refused(outcome: Outcome, stage: Stage) -> Self {
        let is_leaving = matches!(&outcome, Outcome::Rejected { code: 421, .. });
        Self {
            is_stale: is_leaving && stage == Stage::MailFrom,
            ..Self::broken(outcome)
        }
    }

    fn lost(stage: Stage, error: &LinkError) -> Self {
        Self {
            is_stale: stage == Stage::MailFrom,
            ..Self::broken(not_sent(&stage.to_string(), error))
        }
    }
}

fn accepted_at(reply: &Response, stage: Stage) -> Result<(), Outcome> {
    positive(reply, stage)?;
    if stage == Stage::Data && !reply.has_code(354) {
        return Err(Outcome::NotSent {
            reason: format!(
                "the server answered DATA with {} instead of 354",
                u16::from(reply.code())
            ),
        });
    }
    Ok(())
}

fn positive(reply: &Response, stage: Stage) -> Result<(), Outcome> {
    if reply.is_positive() {
        return Ok(());
    }
    let text = reply_text(reply);
    let code = u16::from(reply.code());
    Err(Outcome::Rejected {
        permanent: code >= 500,
        code,
        enhanced: enhanced_code(&text),
        stage,
        reason: text,
    })
}

fn not_sent(what: &str, error: &LinkError) -> Outcome {
    Outcome::NotSent {
        reason: format!("{what}: {error}"),
    }
}

fn odd_final_reply(text: &str) -> Outcome {
    Outcome::Unknown {
        reason: format!("the reply to the final dot is neither yes nor no: {text}"),
    }
}

/// The verdict that a server without SMTPUTF8 would give (RFC 6531, section 3.5), given without asking it.
fn smtputf8_missing() -> Outcome {
    Outcome::Rejected {
        permanent: true,
        code: 553,
        enhanced: Some("5.6.7".to_owned()),
        stage: Stage::MailFrom,
        reason: "the server does not take addresses with non-ASCII characters (SMTPUTF8)"
            .to_owned(),
    }
}

fn reply_text(reply: &Response) -> String {
    redact_addresses(&reply.message().collect::<Vec<_>>().join(" "))
}

/// The enhanced status code at the start of a reply (RFC 3463), such as `5.1.1`.
pub(crate) fn enhanced_code(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let mut parts = word.split('.');
    let class = parts.next()?;
    let numbers: Vec<&str> = parts.collect();
    let is_number =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let fits =
        matches!(class, "2" | "4" | "5") && numbers.len() == 2 && numbers.iter().all(is_number);
    fits.then(|| word.to_owned())
}

/// The queue id in an acceptance, in the ways of Postfix (`queued as X`), Exim (`OK id=X`), Sendmail (`X Message
/// accepted`) and most others.
fn queue_id(text: &str) -> Option<String> {
    let after = |marker: &str| text.split_once(marker).map(|(_, rest)| rest);
    let word = after("queued as ")
        .or_else(|| after("id="))
        .and_then(|rest| rest.split_whitespace().next())
        .or_else(|| {
            let (before, _) = text.split_once(" Message accepted")?;
            before.split_whitespace().last()
        })?;
    let id: String = word
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .take(100)
        .collect();
    (!id.is_empty()).then_some(id)
}

/// The body as it travels: dots at line starts doubled, final dot at the end (RFC 5321, section 4.5.2).
fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut at_line_start = true;
    for byte in message {
        if at_line_start && *byte == b'.' {
            wire.push(b'.');
        }
        wire.push(*byte);
        at_line_start = *byte == b'\n';
    }
    if !at_line_start {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_ids_of_common_servers_are_found() {
        for (reply, id) in [
            ("2.0.0 Ok: queued as 4XYZabc1", Some("4XYZabc1")),
            ("OK id=1rAbCd-0001-aB", Some("1rAbCd-0001-aB")),
            ("2.0.0 30QB1 Message accepted for delivery", Some("30QB1")),
            ("OK", None),
        ] {
            assert_eq!(queue_id(reply).as_deref(), id, "{reply}");
        }
    }

    #[test]
    fn a_lone_dot_in_the_body_cannot_end_the_message() {
        assert_eq!(dot_stuffed(b".\r\n.a\r\nb"), b"..\r\n..a\r\nb\r\n.\r\n");
        assert_eq!(dot_stuffed(b"a\r\n"), b"a\r\n.\r\n");
    }

    #[test]
    fn only_a_well_formed_status_counts_as_enhanced_code() {
        assert_eq!(enhanced_code("5.1.1 unknown").as_deref(), Some("5.1.1"));
        assert_eq!(enhanced_code("5.1 unknown"), None);
        assert_eq!(enhanced_code("1.2.3.4 refused"), None);
    }
}
