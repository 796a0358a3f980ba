//! Which way e-mails and webhooks leave.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tenure_app::alerts::AlertSettings;
use tenure_connectors::EmailTransport;
use tenure_connectors::email::DkimSigner;
use tenure_connectors::file::FileTransport;
use tenure_connectors::smtp::{SmtpSettings, SmtpTls, SmtpTransport};
use tenure_connectors::webhook::{Reach, WebhookSecret, WebhookSettings};

use crate::settings::Settings;

/// The mail server of the settings, or a folder without one.
pub(crate) fn transport(
    data: &Path,
    settings: &Settings,
    public_url: &str,
) -> Result<Arc<dyn EmailTransport>> {
    let Some(smtp) = smtp_settings(settings, public_url)? else {
        let folder = settings
            .path("outbox_dir")
            .unwrap_or_else(|| data.join("outbox"));
        let files = FileTransport::open(&folder)
            .with_context(|| format!("cannot use the outbox folder {}", folder.display()))?;
        return Ok(Arc::new(files));
    };
    Ok(Arc::new(SmtpTransport::new(smtp)?))
}

/// Whether the mail server of the settings can be reached and lets us in; without one, where e-mails go.
pub(crate) fn check_mail(settings: &Settings) -> Result<String> {
    let public_url = settings.text("public_url").unwrap_or_default();
    let Some(smtp) = smtp_settings(settings, public_url)? else {
        return Ok("no mail server is set; e-mails are written to the outbox folder".to_owned());
    };
    match SmtpTransport::new(smtp)?.check() {
        Ok(()) => Ok("the mail server lets us in".to_owned()),
        Err(outcome) => {
            anyhow::bail!("the mail server does not let us in ({outcome:?}); check `smtp_url`")
        }
    }
}

/// What signs e-mails, if anything does.
pub(crate) fn dkim(settings: &Settings) -> Result<Option<Arc<DkimSigner>>> {
    let [domain, selector, key] =
        ["dkim_domain", "dkim_selector", "dkim_key"].map(|name| settings.text(name));
    let (domain, selector, key) = match (domain, selector, key) {
        (None, None, None) => return Ok(None),
        (Some(domain), Some(selector), Some(key)) => (domain, selector, key),
        _ => bail!("`dkim_domain`, `dkim_selector` and `dkim_key` go together; set all or none"),
    };
    let signer = if key.trim_start().starts_with("-----BEGIN") {
        DkimSigner::rsa(domain, selector, key)
    } else {
        DkimSigner::ed25519(domain, selector, key)
    };
    Ok(Some(Arc::new(signer.context("`dkim_key`")?)))
}

/// How webhooks are sent.
pub(crate) fn webhooks(settings: &Settings) -> Result<WebhookSettings> {
    let secret = settings.text("webhook_secret").map(WebhookSecret::parse);
    Ok(WebhookSettings {
        reach: if settings.is_on("webhook_private") {
            Reach::Private
        } else {
            Reach::Public
        },
        secret: secret.transpose().context("`webhook_secret`")?,
        timeout: Duration::from_millis(settings.number("webhook_timeout_ms")),
    })
}

/// Whom alerts are told to.
pub(crate) fn alerts(settings: &Settings) -> Result<AlertSettings> {
    let text = |name| settings.text(name).map(str::to_owned);
    Ok(AlertSettings {
        email: text("alert_email"),
        slack_url: text("alert_slack_url"),
        webhook_url: text("alert_webhook_url"),
        dead_letters: settings.number("alert_dead_letters"),
        lag_entries: settings.number("alert_lag_entries"),
        webhooks: webhooks(settings)?,
    })
}

/// How the mail server is talked to, if there is one.
fn smtp_settings(settings: &Settings, public_url: &str) -> Result<Option<SmtpSettings>> {
    let Some(url) = settings.text("smtp_url") else {
        return Ok(None);
    };
    let mut smtp = SmtpSettings::parse(url).context("`smtp_url`")?;
    match settings.text("smtp_tls") {
        Some("required") => smtp.tls = SmtpTls::Required,
        Some("opportunistic") => smtp.tls = SmtpTls::Opportunistic,
        Some("none") => smtp.tls = SmtpTls::None,
        _ => {}
    }
    let host = settings
        .text("smtp_hello_name")
        .map(str::to_owned)
        .or_else(|| host_of(public_url));
    if let Some(host) = host {
        smtp.hello_name = host;
    }
    if let Some(path) = settings.path("smtp_ca_file") {
        let pem = std::fs::read(&path)
            .with_context(|| format!("`smtp_ca_file`: cannot read {}", path.display()))?;
        smtp.extra_certificates_pem = Some(pem);
    }
    smtp.connections_max = settings.number("smtp_connections_max") as usize;
    smtp.command_timeout = Duration::from_millis(settings.number("smtp_command_timeout_ms"));
    smtp.final_dot_timeout = Duration::from_millis(settings.number("smtp_final_dot_timeout_ms"));
    Ok(Some(smtp))
}

/// The host of an address, unless it is a bare IP address, which is no name to greet with.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let host = rest
        .split(['/', '?'])
        .next()?
        .rsplit_once(':')
        .map_or(rest.split('/').next()?, |(host, _)| host);
    let is_name = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.starts_with('[');
    is_name.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_uses_a_host_name_and_never_a_bare_address() {
        assert_eq!(
            host_of("https://mail.example.com/x").as_deref(),
            Some("mail.example.com")
        );
        assert_eq!(
            host_of("http://app.example.com:8080").as_deref(),
            Some("app.example.com")
        );
        assert_eq!(host_of("http://127.0.0.1:8080"), None);
        assert_eq!(host_of("http://[::1]:8080"), None);
    }
}
