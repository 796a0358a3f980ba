//! Mail over SMTP with pooled connections and outcomes that say exactly what is known.

mod link;
mod session;
mod settings;

pub use settings::{SmtpCredentials, SmtpSettings, SmtpSettingsError, SmtpTls};

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::EmailTransport;
use crate::email::PreparedEmail;
use crate::outcome::Outcome;
use session::{After, Attempt, Session};

/// A mail server, reached over a pool of connections that any number of threads may share.
pub struct SmtpTransport {
    settings: SmtpSettings,
    tls: Arc<ClientConfig>,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Session>,
    open_count: usize,
}

impl std::fmt::Debug for SmtpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpTransport")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl SmtpTransport {
    /// Makes a transport. Connects to nothing yet.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSettingsError> {
        let tls = tls_config(settings.extra_certificates_pem.as_deref())?;
        Ok(Self {
            settings,
            tls,
            pool: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// Connects, greets, encrypts and authenticates once, to tell an operator whether the settings work.
    pub fn check(&self) -> Result<(), Outcome> {
        Session::open(&self.settings, &self.tls).map(Session::quit)
    }

    /// Says goodbye on all idle connections.
    pub fn close_idle(&self) {
        let idle = {
            let mut pool = self.pool();
            pool.open_count -= pool.idle.len();
            std::mem::take(&mut pool.idle)
        };
        for session in idle {
            session.quit();
        }
    }

    fn attempt(&self, mail: &PreparedEmail) -> Outcome {
        let Some((slot, reused)) = self.checkout() else {
            return Outcome::NotSent {
                reason: "all connections to the mail server are busy".to_owned(),
            };
        };
        if let Some(mut session) = reused {
            let attempt = session.send(mail, self.settings.final_dot_timeout);
            if !attempt.is_stale {
                return slot.settle(session, attempt);
            }
            // The server left just now, before it took up the message. A fresh connection may try at once.
        }
        match Session::open(&self.settings, &self.tls) {
            Ok(mut session) => {
                let attempt = session.send(mail, self.settings.final_dot_timeout);
                slot.settle(session, attempt)
            }
            Err(outcome) => outcome,
        }
    }

    /// A place among the connections, with an idle one that is still alive if there is any.
    fn checkout(&self) -> Option<(Slot<'_>, Option<Session>)> {
        let deadline = Instant::now() + self.settings.connection_wait_timeout;
        let mut pool = self.pool();
        loop {
            while let Some(session) = pool.idle.pop() {
                if session.is_fresh(&self.settings) {
                    return Some((Slot { transport: self }, Some(session)));
                }
                pool.open_count -= 1;
            }
            if pool.open_count < self.settings.connections_max {
                pool.open_count += 1;
                return Some((Slot { transport: self }, None));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            pool = self
                .freed
                .wait_timeout(pool, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        // Counters and a list cannot be half-changed, so a panic elsewhere does not spoil them.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmailTransport for SmtpTransport {
    fn send(&self, mail: &PreparedEmail) -> Outcome {
        self.attempt(mail)
    }
}

/// The right to one connection; given back when dropped, whatever happens.
struct Slot<'a> {
    transport: &'a SmtpTransport,
}

impl Slot<'_> {
    fn settle(self, mut session: Session, attempt: Attempt) -> Outcome {
        let is_used_up =
            session.messages_count >= self.transport.settings.messages_per_connection_max;
        if attempt.after == After::Ready && !is_used_up {
            session.idle_since = Instant::now();
            let mut pool = self.transport.pool();
            pool.idle.push(session);
            // The drop of this slot takes one off again.
            pool.open_count += 1;
        } else if attempt.after == After::Ready {
            session.quit();
        }
        attempt.outcome
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.transport.pool().open_count -= 1;
        self.transport.freed.notify_one();
    }
}

fn tls_config(extra_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, SmtpSettingsError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(pem) = extra_pem {
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| SmtpSettingsError::Certificates)?;
            roots
                .add(certificate)
                .map_err(|_| SmtpSettingsError::Certificates)?;
            count += 1;
        }
        if count == 0 {
            return Err(SmtpSettingsError::Certificates);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| SmtpSettingsError::Certificates)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
