//! Hard or soft: from status codes where there are any, from the words of servers where not.

use mail_parser::{HeaderValue, Message};
use serde::{Deserialize, Serialize};

/// Whether an address is to be written off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bounce {
    /// The address does not exist or takes no mail: never write to it again.
    Hard,
    /// A full mailbox, a policy, a passing failure: may work another time.
    Soft,
}

/// Permanent codes that speak about the message or the moment, not about the address (RFC 3463, RFC 7505).
const SOFT_STATUSES: [&str; 9] = [
    "5.2.2", "5.2.3", "5.3.1", "5.3.4", "5.4.5", "5.4.6", "5.4.7", "5.5.3", "5.6.0",
];
/// Permanent codes of security and policy; only these two of them are about the address.
const HARD_POLICY_STATUSES: [&str; 2] = ["5.7.13", "5.7.17"];

const HARD_WORDS: [&str; 24] = [
    "user unknown",
    "unknown user",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "recipient unknown",
    "unknown recipient",
    "does not exist",
    "doesn't exist",
    "mailbox not found",
    "user not found",
    "not found in",
    "invalid recipient",
    "recipient rejected",
    "recipient address rejected",
    "mailbox unavailable",
    "account is disabled",
    "account has been disabled",
    "account disabled",
    "no mailbox here",
    "address unknown",
    "unrouteable address",
    "host or domain name not found",
    "no longer",
];
const SOFT_WORDS: [&str; 22] = [
    "mailbox full",
    "mailbox is full",
    "over quota",
    "quota exceeded",
    "exceeded storage",
    "insufficient storage",
    "try again",
    "temporar",
    "greylist",
    "graylist",
    "timed out",
    "timeout",
    "too large",
    "too big",
    "spam",
    "blocked",
    "blacklist",
    "blocklist",
    "policy",
    "reputation",
    "rate limit",
    "deferred",
];

/// Judges by the status code first, then by an SMTP code in `words`, then by the words.
///
/// What nobody understands is soft: five in a row still end it, and one unclear report does not lose a customer.
pub(super) fn judge(status: Option<&str>, words: &str) -> Bounce {
    let words = words.to_ascii_lowercase();
    let says_hard = HARD_WORDS.iter().any(|word| words.contains(word));
    let says_soft = SOFT_WORDS.iter().any(|word| words.contains(word));
    match status {
        Some(status) if status.starts_with('4') || SOFT_STATUSES.contains(&status) => Bounce::Soft,
        Some(status) if status.starts_with("5.7.") => {
            let is_about_address = HARD_POLICY_STATUSES.contains(&status) || says_hard;
            if is_about_address && !says_soft {
                Bounce::Hard
            } else {
                Bounce::Soft
            }
        }
        Some(status) if is_vague(status) && says_soft && !says_hard => Bounce::Soft,
        Some(_) => Bounce::Hard,
        None if says_soft => Bounce::Soft,
        None if says_hard || smtp_code(&words).is_some_and(|code| (550..=554).contains(&code)) => {
            Bounce::Hard
        }
        None => Bounce::Soft,
    }
}

fn is_vague(status: &str) -> bool {
    status.ends_with(".0.0")
}

/// Of the stated status and the one in the diagnostic, the one that says more.
pub(super) fn most_telling(stated: Option<String>, diagnostic: Option<&str>) -> Option<String> {
    let is_clear = stated.as_deref().is_some_and(|status| !is_vague(status));
    if is_clear {
        return stated;
    }
    diagnostic.and_then(find_status).or(stated)
}

/// The first enhanced status code in a text. Parts of version numbers and addresses do not count.
pub(super) fn find_status(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || "()[],;:#<>\"-".contains(c))
        .find_map(|word| {
            let word = word.trim_end_matches('.');
            let mut parts = word.split('.');
            let class = parts.next()?;
            let rest: Vec<&str> = parts.collect();
            let is_number = |part: &&str| {
                (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            };
            let fits =
                matches!(class, "2" | "4" | "5") && rest.len() == 2 && rest.iter().all(is_number);
            fits.then(|| word.to_owned())
        })
}

fn smtp_code(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|word| word.len() == 3)
        .filter_map(|word| word.parse().ok())
        .find(|code| (400..560).contains(code))
}

/// Whether the headers are those of a bounce: an empty return path or a mailer daemon, and a subject to match, or the
/// header that Exim writes.
pub(super) fn presents_as_bounce(message: &Message<'_>) -> bool {
    if message.header("X-Failed-Recipients").is_some() {
        return true;
    }
    let is_reply = matches!(message.header("Auto-Submitted"), Some(HeaderValue::Text(text)) if text.contains("replied"));
    let sender = message
        .from()
        .and_then(|from| from.first())
        .and_then(|from| from.address());
    let sender = sender.unwrap_or_default().to_ascii_lowercase();
    let is_daemon = ["mailer-daemon", "postmaster", "mail-daemon"]
        .iter()
        .any(|name| sender.starts_with(name));
    let is_from_nobody = message.return_path().as_text().is_some_and(str::is_empty);
    let subject = message.subject().unwrap_or_default().to_ascii_lowercase();
    let is_titled = [
        "undeliver",
        "delivery status",
        "delivery fail",
        "failure notice",
        "returned mail",
        "mail delivery",
        "delivery notification",
        "could not be delivered",
        "non-delivery",
        "returned to sender",
    ]
    .iter()
    .any(|words| subject.contains(words));
    !is_reply && is_titled && (is_daemon || is_from_nobody)
}

pub(super) fn is_delay_notice(subject: &str) -> bool {
    let subject = subject.to_ascii_lowercase();
    subject.contains("delay") || subject.contains("warning")
}

/// The text before the quoted message.
pub(super) fn before_quote(text: &str) -> &str {
    let lower = text.to_ascii_lowercase();
    let marks = [
        "--- below this line is a copy",
        "------ this is a copy",
        "----- original message",
        "------ original message",
        "message headers follow",
        "\nreceived:",
        "\nmessage-id:",
    ];
    // Lower-casing ASCII keeps offsets.
    let end = marks.iter().filter_map(|mark| lower.find(mark)).min();
    &text[..end.unwrap_or(text.len())]
}

/// The line that says why: the first with a status code, else with a reply code, else with telling words.
pub(super) fn telling_line(text: &str) -> Option<&str> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let has_words = |line: &&str| {
        let line = line.to_ascii_lowercase();
        HARD_WORDS
            .iter()
            .chain(&SOFT_WORDS)
            .any(|word| line.contains(word))
    };
    lines()
        .find(|line| find_status(line).is_some())
        .or_else(|| lines().find(|line| smtp_code(line).is_some()))
        .or_else(|| lines().find(has_words))
}
