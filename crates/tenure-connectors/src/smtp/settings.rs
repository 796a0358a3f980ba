//! Where the mail server is, and how to talk to it.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Port of plain and STARTTLS submission (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// Port of TLS from the first byte (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;
/// Port of plain relay.
const RELAY_PORT: u16 = 25;

/// An SMTP address that cannot be used. Never repeats the address, since it may hold a password.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SmtpSettingsError {
    /// Not one of the three schemes.
    #[error("the SMTP address must start with `smtp://`, `smtps://` or `smtp+starttls://`")]
    Scheme,
    /// No host, or characters that no host name has.
    #[error("the SMTP address has no valid host; write for example `smtp://mail.example.com:587`")]
    Host,
    /// Not a port number.
    #[error("the SMTP port is not a number from 1 to 65535")]
    Port,
    /// Only one of user and password, or a broken `%` escape in them.
    #[error(
        "the SMTP address needs both user and password, as `user:password@`; write special characters as `%40` and so on"
    )]
    Credentials,
    /// Not one of the three words.
    #[error("`tls` must be `required`, `opportunistic` or `none`")]
    Tls,
    /// Neither `tls` nor `hello`.
    #[error("unknown option `{0}` in the SMTP address; known are `tls` and `hello`")]
    Option(String),
    /// The scheme already says otherwise.
    #[error("`smtps://` and `smtp+starttls://` always use TLS; drop `tls=` or use `smtp://`")]
    Conflict,
    /// The CA file is not PEM or holds no certificate.
    #[error("the file of trusted certificates cannot be read as PEM")]
    Certificates,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS or no mail.
    Required,
    /// STARTTLS where offered, plain text otherwise. A man in the middle can remove the offer.
    Opportunistic,
    /// Plain text always; for servers on the same machine.
    None,
}

/// A user and a password. Does not print either.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpCredentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for SmtpCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpCredentials(..)")
    }
}

/// All that an [`SmtpTransport`](super::SmtpTransport) needs to know. Set fields directly after parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Protection of the connection.
    pub tls: SmtpTls,
    /// User and password, if the server asks for them.
    pub credentials: Option<SmtpCredentials>,
    /// Name given in EHLO.
    pub hello_name: String,
    /// PEM certificates trusted besides the public ones, for servers with a private authority.
    pub extra_certificates_pem: Option<Vec<u8>>,
    /// Most time for opening the connection, TLS handshake included.
    pub connect_timeout: Duration,
    /// Most time for the reply to one command, and for transmitting the message.
    pub command_timeout: Duration,
    /// Most time for the reply to the final dot. RFC 5321 (4.5.3.2.6) asks for ten minutes, because giving up early
    /// turns a slow acceptance into an unknown outcome.
    pub final_dot_timeout: Duration,
    /// Most connections open at once.
    pub connections_max: usize,
    /// Most time that a send waits for one of them to become free.
    pub connection_wait_timeout: Duration,
    /// Messages after which a connection is closed and opened anew.
    pub messages_per_connection_max: usize,
    /// Idle time after which a connection is not used again.
    pub idle_max: Duration,
}

impl SmtpSettings {
    /// Settings for a host and port with everything else at its default.
    pub fn new(host: &str, port: u16, tls: SmtpTls) -> Self {
        Self {
            host: host.to_owned(),
            port,
            tls,
            credentials: None,
            hello_name: "localhost".to_owned(),
            extra_certificates_pem: None,
            connect_timeout: Duration::from_secs(15),
            command_timeout: Duration::from_mins(1),
            final_dot_timeout: Duration::from_mins(10),
            connections_max: 16,
            connection_wait_timeout: Duration::from_secs(30),
            messages_per_connection_max: 1_000,
            idle_max: Duration::from_secs(30),
        }
    }

    /// Reads `smtp://user:password@host:port?tls=required`.
    ///
    /// | scheme | TLS | default port |
    /// |---|---|---|
    /// | `smtps://` | from the first byte | 465 |
    /// | `smtp+starttls://` | STARTTLS, required | 587 |
    /// | `smtp://` | `tls=required`, `opportunistic` or `none` | 587 with a user, else 25 |
    ///
    /// Without `tls=`, `smtp://` requires TLS when it has a password and the host is not this machine, and is
    /// opportunistic otherwise, so that a password never crosses a network in plain text by omission.
    pub fn parse(address: &str) -> Result<Self, SmtpSettingsError> {
        let (scheme, rest) = address
            .trim()
            .split_once("://")
            .ok_or(SmtpSettingsError::Scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, host_port) = match rest.rsplit_once('@') {
            Some((pair, host_port)) => (Some(parse_credentials(pair)?), host_port),
            None => (None, rest),
        };
        let (host, port) = parse_host_port(host_port)?;
        let options = Options::parse(query)?;
        let implied = match scheme {
            "smtps" => Some((SmtpTls::Implicit, SUBMISSIONS_PORT)),
            "smtp+starttls" => Some((SmtpTls::Required, SUBMISSION_PORT)),
            "smtp" => None,
            _ => return Err(SmtpSettingsError::Scheme),
        };
        let (tls, default_port) = match (implied, options.tls) {
            (Some(_), Some(_)) => return Err(SmtpSettingsError::Conflict),
            (Some(implied), None) => implied,
            (None, tls) => plain_scheme(tls, credentials.is_some(), &host),
        };
        let mut settings = Self::new(&host, port.unwrap_or(default_port), tls);
        settings.credentials = credentials;
        if let Some(hello_name) = options.hello_name {
            settings.hello_name = hello_name;
        }
        Ok(settings)
    }

    /// Whether the host is this machine, so that no network is crossed.
    pub(super) fn is_local(&self) -> bool {
        is_local_host(&self.host)
    }
}

fn plain_scheme(tls: Option<SmtpTls>, has_password: bool, host: &str) -> (SmtpTls, u16) {
    let default = if has_password && !is_local_host(host) {
        SmtpTls::Required
    } else {
        SmtpTls::Opportunistic
    };
    let port = if has_password {
        SUBMISSION_PORT
    } else {
        RELAY_PORT
    };
    (tls.unwrap_or(default), port)
}

fn is_local_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn parse_credentials(pair: &str) -> Result<SmtpCredentials, SmtpSettingsError> {
    let (user, password) = pair.split_once(':').ok_or(SmtpSettingsError::Credentials)?;
    let user = percent_decode(user).ok_or(SmtpSettingsError::Credentials)?;
    let password = percent_decode(password).ok_or(SmtpSettingsError::Credentials)?;
    if user.is_empty() || password.is_empty() {
        return Err(SmtpSettingsError::Credentials);
    }
    Ok(SmtpCredentials { user, password })
}

fn parse_host_port(text: &str) -> Result<(String, Option<u16>), SmtpSettingsError> {
    let (host, port) = if let Some(v6) = text.strip_prefix('[') {
        let (host, after) = v6.split_once(']').ok_or(SmtpSettingsError::Host)?;
        (host, after.strip_prefix(':'))
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(allowed) {
        return Err(SmtpSettingsError::Host);
    }
    let port = port
        .map(|port| port.parse::<u16>().ok().filter(|port| *port > 0))
        .map(|port| port.ok_or(SmtpSettingsError::Port))
        .transpose()?;
    Ok((host.to_owned(), port))
}

#[derive(Default)]
struct Options {
    tls: Option<SmtpTls>,
    hello_name: Option<String>,
}

impl Options {
    fn parse(query: &str) -> Result<Self, SmtpSettingsError> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("tls", "required") => options.tls = Some(SmtpTls::Required),
                ("tls", "opportunistic") => options.tls = Some(SmtpTls::Opportunistic),
                ("tls", "none") => options.tls = Some(SmtpTls::None),
                ("tls", _) => return Err(SmtpSettingsError::Tls),
                ("hello", name) if is_hello_name(name) => {
                    options.hello_name = Some(name.to_owned());
                }
                (name, _) => {
                    let name = name.chars().filter(char::is_ascii_alphanumeric).take(30);
                    return Err(SmtpSettingsError::Option(name.collect()));
                }
            }
        }
        Ok(options)
    }
}

fn is_hello_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.[]:".contains(&b))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_sets_its_protection_and_port() {
        for (address, tls, port) in [
            ("smtps://mail.example.com", SmtpTls::Implicit, 465),
            ("smtp+starttls://mail.example.com", SmtpTls::Required, 587),
            ("smtp://mail.example.com", SmtpTls::Opportunistic, 25),
            ("smtp://127.0.0.1:2525", SmtpTls::Opportunistic, 2525),
            ("smtp://[::1]:2525?tls=none", SmtpTls::None, 2525),
            ("smtp://u:p@mail.example.com", SmtpTls::Required, 587),
            ("smtp://u:p@localhost", SmtpTls::Opportunistic, 587),
            ("smtp://u:p@mail.example.com?tls=none", SmtpTls::None, 587),
        ] {
            let settings = SmtpSettings::parse(address).unwrap();
            assert_eq!((settings.tls, settings.port), (tls, port), "{address}");
        }
    }

    #[test]
    fn user_and_password_may_hold_any_character() {
        let settings =
            SmtpSettings::parse("smtps://me%40example.com:p%3A%2F@w@mail.example.com").unwrap();
        let credentials = settings.credentials.unwrap();
        assert_eq!(credentials.user, "me@example.com");
        assert_eq!(credentials.password, "p:/@w");
    }

    #[test]
    fn no_error_and_no_debug_text_repeats_the_password() {
        for address in [
            "ftp://user:hunter2@mail.example.com",
            "smtp://user:hunter2@",
            "smtp://user:hunter2@mail.example.com:99999",
            "smtp://user:hunter2%zz@mail.example.com",
            "smtp://user:hunter2@mail.example.com?tls=maybe",
            "smtp://user:hunter2@mail.example.com?colour=red",
            "smtps://user:hunter2@mail.example.com?tls=none",
        ] {
            let error = SmtpSettings::parse(address).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{address}"
            );
        }
        let settings = SmtpSettings::parse("smtps://user:hunter2@mail.example.com").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
