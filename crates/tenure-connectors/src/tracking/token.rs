//! Tokens: what a link says about its message, signed so that nobody else can make one.
//!
//! A token is URL-safe base64 of `version, purpose, fields, MAC`; the MAC is keyed BLAKE3 cut to 16 bytes over all that
//! comes before it. The content is signed, not secret: it holds ids and a URL that the recipient sees anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

/// Bytes of the MAC. A forger has to guess 128 bits.
const MAC_BYTES: usize = 16;
/// Format of the token.
const VERSION: u8 = 1;
/// Longest token that is looked at, in characters.
const TOKEN_MAX_CHARS: usize = 8 * 1024;
/// Most fields of a token.
const FIELDS_MAX_COUNT: usize = 8;

/// What a token is good for. One made for one purpose is refused for every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// `/t/c/`: a link of a message.
    Click = 1,
    /// `/t/o/`: its open pixel.
    Open = 2,
    /// `/t/h/`: the hidden link.
    Hidden = 3,
    /// One-click unsubscribe.
    Unsubscribe = 4,
    /// The preference page.
    Preferences = 5,
}

/// A token that is not to be trusted. Deliberately says little: it answers strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not a token of this format.
    #[error("the link is malformed")]
    Malformed,
    /// Made with another secret, for another purpose, or changed.
    #[error("the link is not valid")]
    BadSignature,
}

/// What a click token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedLink {
    /// Tenure's id of the message.
    pub message_id: String,
    /// Which link of the message, from 0.
    pub link_index: usize,
    /// How many tracked links the message has.
    pub link_count: usize,
    /// Where it leads. Only `http` and `https`.
    pub url: String,
}

/// Makes and checks tokens with a key derived from the workspace's secret. Does not print it.
#[derive(Clone)]
pub struct LinkSigner {
    key: [u8; 32],
}

impl std::fmt::Debug for LinkSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkSigner(..)")
    }
}

impl LinkSigner {
    /// Derives the key. The secret should hold at least 32 random bytes; changing it ends all links sent before.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            key: blake3::derive_key("tenure 2026 link tokens v1", secret),
        }
    }

    /// A token for `purpose` that carries `fields`.
    pub fn seal(&self, purpose: Purpose, fields: &[&str]) -> String {
        let mut payload = vec![VERSION, purpose as u8];
        for field in fields {
            push_length(&mut payload, field.len());
            payload.extend_from_slice(field.as_bytes());
        }
        let mac = self.mac(&payload);
        payload.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(payload)
    }

    /// The fields of a token made by [`LinkSigner::seal`] with the same secret and purpose.
    pub fn open(&self, purpose: Purpose, token: &str) -> Result<Vec<String>, TokenError> {
        if token.len() > TOKEN_MAX_CHARS {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Malformed)?;
        let payload_length = bytes
            .len()
            .checked_sub(MAC_BYTES)
            .ok_or(TokenError::Malformed)?;
        let (payload, mac) = bytes.split_at(payload_length);
        if !same_bytes(&self.mac(payload), mac) {
            return Err(TokenError::BadSignature);
        }
        match payload.split_at_checked(2) {
            Some(([VERSION, kind], fields)) if *kind == purpose as u8 => read_fields(fields),
            Some(([VERSION, _], _)) => Err(TokenError::BadSignature),
            _ => Err(TokenError::Malformed),
        }
    }

    /// A token for one link of a message.
    pub fn seal_click(&self, link: &TrackedLink) -> String {
        let (index, count) = (link.link_index.to_string(), link.link_count.to_string());
        self.seal(
            Purpose::Click,
            &[&link.message_id, &index, &count, &link.url],
        )
    }

    /// Where a click token leads. Since the URL is under the signature, and only web addresses pass, a stranger cannot
    /// use the link to send people elsewhere.
    pub fn open_click(&self, token: &str) -> Result<TrackedLink, TokenError> {
        let fields = self.open(Purpose::Click, token)?;
        let [message_id, link_index, link_count, url] =
            <[String; 4]>::try_from(fields).map_err(|_| TokenError::Malformed)?;
        let link_index = link_index.parse().map_err(|_| TokenError::Malformed)?;
        let link_count = link_count.parse().map_err(|_| TokenError::Malformed)?;
        if !is_web_address(&url) {
            return Err(TokenError::Malformed);
        }
        Ok(TrackedLink {
            message_id,
            link_index,
            link_count,
            url,
        })
    }

    fn mac(&self, payload: &[u8]) -> [u8; MAC_BYTES] {
        let hash = blake3::keyed_hash(&self.key, payload);
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&hash.as_bytes()[..MAC_BYTES]);
        mac
    }
}

/// Whether a link leads to a web page, and has nothing that would break a `Location` header.
pub(super) fn is_web_address(url: &str) -> bool {
    let scheme_end = url.find("://").unwrap_or(0);
    let scheme = &url[..scheme_end];
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_web
        && url.len() > scheme_end + 3
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
}

fn read_fields(mut bytes: &[u8]) -> Result<Vec<String>, TokenError> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at_checked(2).ok_or(TokenError::Malformed)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (field, rest) = rest.split_at_checked(length).ok_or(TokenError::Malformed)?;
        fields.push(String::from_utf8(field.to_vec()).map_err(|_| TokenError::Malformed)?);
        if fields.len() > FIELDS_MAX_COUNT {
            return Err(TokenError::Malformed);
        }
        bytes = rest;
    }
    Ok(fields)
}

/// Compares without telling by its duration where the difference is.
fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |diff, (a, b)| diff | (a ^ b))
            == 0
}
