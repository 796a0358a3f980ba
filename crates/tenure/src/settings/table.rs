//! The one table of settings. The command line, the environment, the file, `tenure settings` and the reference all
//! follow from it.

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A folder or a file.
    Path,
    /// A whole number in a range (both ends included).
    Number {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// `on` or `off`.
    Switch,
    /// One of some words.
    Choice(&'static [&'static str]),
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Name in the file; the variable is `TENURE_` and this in capitals, the flag this with dashes.
    pub(crate) name: &'static str,
    /// What a value must look like.
    pub(crate) kind: Kind,
    /// Used when nobody says otherwise; `None` is "not set".
    pub(crate) default: Option<&'static str>,
    /// Never shown; may be given as a file (`TENURE_<NAME>_FILE`, `<name>_file`).
    pub(crate) is_secret: bool,
    /// One sentence for the reference.
    pub(crate) about: &'static str,
}

const fn setting(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        kind,
        default,
        is_secret: false,
        about,
    }
}

const fn secret(name: &'static str, about: &'static str) -> Setting {
    Setting {
        name,
        kind: Kind::Text,
        default: None,
        is_secret: true,
        about,
    }
}

/// A day in milliseconds, the most any delay may be.
const DAY_MS: u64 = 86_400_000;

const fn milliseconds(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    setting(
        name,
        Kind::Number {
            min: 1,
            max: DAY_MS,
        },
        Some(default),
        about,
    )
}

const fn count(
    name: &'static str,
    max: u64,
    default: &'static str,
    about: &'static str,
) -> Setting {
    setting(name, Kind::Number { min: 1, max }, Some(default), about)
}

/// Every setting, in the order of the reference.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        Kind::Text,
        Some("127.0.0.1:8080"),
        "Address and port to listen on. Port 0 takes a free one.",
    ),
    setting(
        "public_url",
        Kind::Text,
        None,
        "Address under which customers reach this server; links in e-mails begin with it. Without it, the listen address.",
    ),
    setting(
        "from",
        Kind::Text,
        None,
        "Sender of e-mails when neither template nor policy names one, for example `Northbeam <hello@example.com>`.",
    ),
    secret(
        "smtp_url",
        "Mail server: `smtp://host:port`, `smtp+starttls://user:password@host`, `smtps://…`. Without it, e-mails are written to the outbox folder.",
    ),
    setting(
        "smtp_tls",
        Kind::Choice(&["required", "opportunistic", "none"]),
        None,
        "Protection of the connection, instead of what the address implies.",
    ),
    setting(
        "smtp_hello_name",
        Kind::Text,
        None,
        "Name given to the mail server in EHLO. Without it, the host of `public_url`.",
    ),
    setting(
        "smtp_ca_file",
        Kind::Path,
        None,
        "PEM certificates to trust besides the public ones.",
    ),
    count(
        "smtp_connections_max",
        256,
        "8",
        "Most connections to the mail server, and so messages in flight, at once.",
    ),
    milliseconds(
        "smtp_command_timeout_ms",
        "60000",
        "Most time for the reply to one SMTP command.",
    ),
    milliseconds(
        "smtp_final_dot_timeout_ms",
        "600000",
        "Most time for the reply to a whole message. Giving up early turns a slow acceptance into an unknown outcome.",
    ),
    milliseconds(
        "send_retry_delay_ms",
        "30000",
        "Delay before the second attempt at a message; it doubles with every further one, up to twelve attempts.",
    ),
    setting(
        "outbox_dir",
        Kind::Path,
        None,
        "Folder for e-mails when there is no mail server. Without it, `outbox` in the data folder.",
    ),
    setting(
        "tracking",
        Kind::Switch,
        Some("on"),
        "Whether opens and clicks are recorded.",
    ),
    setting(
        "bounces_dir",
        Kind::Path,
        None,
        "Folder from which delivery reports are read (`new` of a maildir, or plain files).",
    ),
    setting(
        "dkim_domain",
        Kind::Text,
        None,
        "Domain for which e-mails are signed (DKIM). Goes with `dkim_selector` and `dkim_key`; without them, the mail server has to sign.",
    ),
    setting(
        "dkim_selector",
        Kind::Text,
        None,
        "Name of the DKIM key in the DNS: its public half stands at `<selector>._domainkey.<domain>`.",
    ),
    secret(
        "dkim_key",
        "Private DKIM key: RSA as PKCS#1 PEM, or the Ed25519 seed in base64.",
    ),
    secret(
        "webhook_secret",
        "Signs webhooks (Standard Webhooks): `whsec_` and 24 to 64 random bytes in base64. Without it, they are not signed.",
    ),
    setting(
        "webhook_private",
        Kind::Switch,
        Some("off"),
        "Whether webhooks may reach this machine and private networks. Link-local and metadata addresses stay refused.",
    ),
    milliseconds(
        "webhook_timeout_ms",
        "10000",
        "Most time for one attempt at a webhook.",
    ),
    secret(
        "secret_key",
        "Seals the secrets of connectors at rest: at least 32 random characters. Without it, a key is made in `secret-key` of the data folder. `tenure secrets reseal` changes it.",
    ),
    count(
        "event_bytes_max",
        1_048_576,
        "32768",
        "Largest event accepted, in bytes.",
    ),
    count(
        "batch_bytes_max",
        67_108_864,
        "512000",
        "Largest request accepted, in bytes after decompression.",
    ),
    count(
        "batch_events_max",
        100_000,
        "2500",
        "Most events accepted in one request.",
    ),
    count(
        "api_client_rate_max",
        100_000,
        "500",
        "Requests a second that one client (one token) may make to the JSON API, on average.",
    ),
    count(
        "api_client_burst_max",
        1_000_000,
        "2000",
        "Requests that one client may make to the JSON API at a stroke.",
    ),
    count(
        "api_customer_requests_max",
        1_000,
        "10",
        "Requests to the JSON API about one customer that may be under way at once.",
    ),
    count(
        "cached_subjects_max",
        10_000_000,
        "1000000",
        "Most subjects whose state is kept in memory; of large states fewer are.",
    ),
    setting(
        "alert_email",
        Kind::Text,
        None,
        "Address that alerts are sent to: dead letters grow, a breaker is open, the engine lags.",
    ),
    secret(
        "alert_slack_url",
        "Incoming webhook of Slack that alerts are posted to.",
    ),
    secret(
        "alert_webhook_url",
        "URL that alerts are posted to as JSON.",
    ),
    count(
        "alert_dead_letters",
        1_000_000,
        "10",
        "So many new dead letters are worth an alert.",
    ),
    count(
        "alert_lag_entries",
        1_000_000_000,
        "100000",
        "An engine that is so many log entries behind for a minute is worth an alert.",
    ),
    setting(
        "log_format",
        Kind::Choice(&["text", "json"]),
        Some("text"),
        "Form of the log on standard error.",
    ),
    setting(
        "log_level",
        Kind::Text,
        Some("info"),
        "What is logged: a level, or directives such as `info,tenure_app=debug`.",
    ),
];

/// Names of the environment that belong to commands and not to this table.
pub(crate) const OTHER_VARIABLES: &[&str] = &[
    "TENURE_DATA",
    "TENURE_URL",
    "TENURE_TOKEN",
    "TENURE_TOKEN_FILE",
    "TENURE_BIN",
];

impl Setting {
    /// Name of the environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("TENURE_{}", self.name.to_uppercase())
    }

    /// Name of the flag, without dashes before it.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// What a value must be, for the reference and error messages.
    pub(crate) fn form(&self) -> String {
        match self.kind {
            Kind::Text => "text".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::Number { min, max } => format!("number, {min} to {max}"),
            Kind::Switch => "`on` or `off`".to_owned(),
            Kind::Choice(words) => words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// Whether a value has the right form; the error says what would be.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        let is_right = match self.kind {
            Kind::Text | Kind::Path => !value.is_empty(),
            Kind::Number { min, max } => value
                .parse::<u64>()
                .is_ok_and(|number| (min..=max).contains(&number)),
            Kind::Switch => ["on", "off"].contains(&value),
            Kind::Choice(words) => words.contains(&value),
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("must be {}", self.form()))
        }
    }
}

/// The setting of this name.
#[cfg(test)]
fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_has_the_form_it_asks_for() {
        for setting in SETTINGS {
            if let Some(default) = setting.default {
                assert_eq!(setting.check(default), Ok(()), "{}", setting.name);
            }
        }
    }

    #[test]
    fn a_value_out_of_range_is_told_the_range() {
        let setting = find("smtp_connections_max").unwrap();
        assert_eq!(setting.check("0").unwrap_err(), "must be number, 1 to 256");
        assert!(setting.check("many").is_err());
        assert!(find("tracking").unwrap().check("true").is_err());
    }
}
