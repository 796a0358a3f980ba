//! Channel connectors: what turns a decided message into bytes on a wire, and what comes back into facts.
//!
//! This crate is a pure translator plus transport. It knows no database, no program and no person; ids, times and
//! secrets come in as arguments. All of it is blocking, so the dispatcher runs it on worker threads.
//!
//! - [`template`]: Liquid and MJML to subject, HTML and text
//! - [`email`]: one outgoing e-mail to signed RFC 5322 bytes
//! - [`smtp`] and [`file`]: the two transports behind [`EmailTransport`], with one [`Outcome`]
//! - [`webhook`]: a POST to a URL, signed, with the same [`Outcome`]
//! - [`provider`]: connectors to CRM, marketing, support and chat systems, behind one port
//! - [`tracking`]: signed links, open pixel, and telling people's clicks from machines'
//! - [`bounce`]: delivery reports and complaints to facts

pub mod bounce;
pub mod email;
pub mod file;
mod html;
mod outcome;
pub mod provider;
mod redact;
pub mod smtp;
pub mod template;
pub mod tracking;
pub mod webhook;

pub use email::PreparedEmail;
pub use outcome::{Outcome, Stage};
pub use redact::redact_addresses;

/// A way to hand one e-mail over. Implementations are shared by many threads.
pub trait EmailTransport: Send + Sync {
    /// Tries once to hand `mail` over, and says exactly what is known afterwards. Blocks until then.
    fn send(&self, mail: &PreparedEmail) -> Outcome;
}
