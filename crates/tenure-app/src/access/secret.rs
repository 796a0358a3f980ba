//! Secrets: made from random bytes that the caller brings, kept as hashes.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many random bytes one draw gives: 256 bits, for one secret.
pub const DRAW_BYTES: usize = 32;

/// Gives random bytes that nobody can foresee.
pub trait Random: Send + Sync {
    /// The next bytes; never the same again.
    fn draw(&self) -> [u8; DRAW_BYTES];
}

/// Random bytes from one secret seed: BLAKE3 as a pseudorandom function over a counter.
pub struct Seeded {
    key: [u8; 32],
    next: AtomicU64,
}

impl Seeded {
    /// From a seed that the operating system drew for this run of the process.
    pub fn new(seed: &[u8]) -> Self {
        Self {
            key: blake3::derive_key("tenure 2026-11 secrets of access", seed),
            next: AtomicU64::new(0),
        }
    }
}

impl Random for Seeded {
    fn draw(&self) -> [u8; DRAW_BYTES] {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        *blake3::keyed_hash(&self.key, &number.to_be_bytes()).as_bytes()
    }
}

/// A new secret: 256 random bits behind a prefix that tells what it is.
pub fn secret(prefix: &str, random: &dyn Random) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random.draw()))
}

/// A new id: 120 random bits behind a prefix.
pub fn id(prefix: &str, random: &dyn Random) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&random.draw()[..15]))
}

/// What is kept of a secret. The secrets are random, so one fast hash is enough; passwords are
/// not, and are hashed with Argon2id instead.
pub fn digest(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// Compares in constant time.
pub fn same(one: &str, other: &str) -> bool {
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_draw_is_like_another_and_seeds_differ() {
        let (one, other) = (Seeded::new(b"one"), Seeded::new(b"other"));
        let draws = [one.draw(), one.draw(), other.draw(), other.draw()];
        for (index, draw) in draws.iter().enumerate() {
            assert!(!draws[..index].contains(draw));
        }
    }
}
