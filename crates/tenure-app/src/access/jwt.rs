//! Access tokens: JSON Web Tokens (RFC 9068), signed with ES256.

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use p256::pkcs8::EncodePrivateKey;
use serde::{Deserialize, Serialize};

use super::directory::SigningKey;
use super::scope::Scopes;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    /// Seconds since 1970, as all times here.
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) jti: String,
    pub(super) client_id: String,
    pub(super) scope: Scopes,
    /// What the user allowed; without it the application acts by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grant: Option<String>,
}

/// The type of an access token, RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";

fn encoding_key(key: &SigningKey) -> Option<EncodingKey> {
    let secret = p256::SecretKey::from_slice(&key.seed).ok()?;
    let der = secret.to_pkcs8_der().ok()?;
    Some(EncodingKey::from_ec_der(der.as_bytes()))
}

fn public_key(key: &SigningKey) -> Option<Jwk> {
    let mut jwk = Jwk::from_encoding_key(&encoding_key(key)?, Algorithm::ES256).ok()?;
    jwk.common.key_id = Some(key.id.clone());
    jwk.common.key_algorithm = Some(KeyAlgorithm::ES256);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Some(jwk)
}

/// Whether random bytes are a key of the curve: all but about 1 in 2^32 are.
pub(super) fn is_key(seed: &[u8; 32]) -> bool {
    p256::SecretKey::from_slice(seed).is_ok()
}

/// The public keys, for whoever checks tokens.
pub(super) fn key_set(keys: &[SigningKey]) -> JwkSet {
    JwkSet {
        keys: keys.iter().filter_map(public_key).collect(),
    }
}

/// Signs claims.
pub(super) fn sign(claims: &Claims, key: &SigningKey) -> Option<String> {
    let header = Header {
        typ: Some(TYPE.to_owned()),
        kid: Some(key.id.clone()),
        ..Header::new(Algorithm::ES256)
    };
    encode(&header, claims, &encoding_key(key)?).ok()
}

/// The claims of a token that one of the keys signed for this audience; whether it is still in
/// time is the caller's to say.
pub(super) fn open(token: &str, keys: &[SigningKey], audience: &str) -> Option<Claims> {
    let header = decode_header(token).ok()?;
    if header.alg != Algorithm::ES256 || header.typ.as_deref() != Some(TYPE) {
        return None;
    }
    let key = keys
        .iter()
        .find(|key| Some(&key.id) == header.kid.as_ref())?;
    let key = DecodingKey::from_jwk(&public_key(key)?).ok()?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[audience]);
    // The library would ask the machine's clock.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    decode(token, &key, &validation)
        .ok()
        .map(|data| data.claims)
}

#[cfg(test)]
mod tests {
    use tenure_core::time::Timestamp;

    use super::*;

    fn key(id: &str, byte: u8) -> SigningKey {
        SigningKey {
            id: id.to_owned(),
            seed: [byte; 32],
            created_at: Timestamp(0),
        }
    }

    fn claims() -> Claims {
        Claims {
            iss: "https://tenure.example.com".to_owned(),
            sub: "cli_1".to_owned(),
            aud: "here".to_owned(),
            exp: 10,
            iat: 1,
            jti: "1".to_owned(),
            client_id: "cli_1".to_owned(),
            scope: Scopes::all(),
            grant: None,
        }
    }

    #[test]
    fn a_token_opens_with_any_key_of_the_set_and_with_no_other() {
        let keys = [key("a", 1), key("b", 2)];
        let token = sign(&claims(), &keys[0]).unwrap();
        assert_eq!(open(&token, &keys, "here"), Some(claims()));
        assert_eq!(open(&token, &keys, "there"), None);
        assert_eq!(open(&token, &keys[1..], "here"), None);
        // Another workspace's key of the same name.
        assert_eq!(open(&token, &[key("a", 3)], "here"), None);
    }

    #[test]
    fn a_token_that_was_touched_or_is_not_signed_opens_nothing() {
        let keys = [key("a", 1)];
        let token = sign(&claims(), &keys[0]).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiYSJ9";
        for forged in [
            format!("{}.{}.", parts[0], parts[1]),
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.{}", parts[0], parts[1].replace('e', "f"), parts[2]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(open(&forged, &keys, "here"), None, "{forged}");
        }
    }

    #[test]
    fn the_key_set_holds_nothing_private() {
        let set = serde_json::to_value(key_set(&[key("a", 1)])).unwrap();
        let found: Vec<&String> = set["keys"][0].as_object().unwrap().keys().collect();
        assert_eq!(found, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
}
