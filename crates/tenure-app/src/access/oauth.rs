//! The OAuth 2.0 authorization server: what it grants, and to whom (RFC 6749, 7636, 7009, 7662).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenure_core::time::{DAY_MS, Timestamp};
use tenure_store::Batch;
use tenure_store::row::Record;
use url::Url;

use super::audit::{Actor, Change, Origin};
use super::clients::redirect_fits;
use super::directory::{Access, Client, Directory, SigningKey, User, collection};
use super::jwt::{self, Claims};
use super::principal::{Principal, PrincipalKind};
use super::registrar::Registrar;
use super::scope::Scopes;
use super::secret;
use crate::error::AppError;
use crate::records::record;

/// For how long an access token is good, in seconds.
pub const ACCESS_TOKEN_S: i64 = 600;
/// For how long a code is good, in milliseconds.
const CODE_MS: i64 = 60_000;
/// For how long a refresh token is good, in milliseconds; each use gives a new one.
const REFRESH_MS: i64 = 30 * DAY_MS;
/// After what time the user has to allow an application anew.
const GRANT_MS: i64 = 365 * DAY_MS;
/// At what age a signing key is replaced by itself.
const KEY_AGE_MS: i64 = 90 * DAY_MS;
/// For how long a replaced key is still published: longer than any token it signed.
const KEY_LINGER_MS: i64 = DAY_MS;
/// Bounds of a code verifier, RFC 7636, section 4.1.
const VERIFIER_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

/// Why the token endpoint refuses, in the codes of RFC 6749, section 5.2.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OAuthError {
    /// A parameter is missing, doubled or malformed.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The application is not known, or its secret is wrong.
    #[error("the client is not known, or its secret is wrong")]
    InvalidClient,
    /// The code or refresh token is wrong, used or over.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// The application may not do this.
    #[error("{0}")]
    UnauthorizedClient(&'static str),
    /// There is no such kind of grant.
    #[error("grant types are authorization_code, client_credentials and refresh_token")]
    UnsupportedGrantType,
    /// A scope is not known, or more than there is to give.
    #[error("{0}")]
    InvalidScope(String),
    /// The server failed.
    #[error("{0}")]
    Server(AppError),
}

impl From<AppError> for OAuthError {
    fn from(error: AppError) -> Self {
        Self::Server(error)
    }
}

impl From<tenure_store::StoreError> for OAuthError {
    fn from(error: tenure_store::StoreError) -> Self {
        Self::Server(error.into())
    }
}

impl OAuthError {
    /// The code on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::Server(_) => "server_error",
        }
    }
}

/// What the token endpoint gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// The access token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until it is over.
    pub expires_in: i64,
    /// What it allows.
    pub scope: Scopes,
    /// For the next access token, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// What an application asks a user for.
#[derive(Debug, Clone, Default)]
pub struct AuthorizeRequest {
    /// Must be `code`.
    pub response_type: Option<String>,
    /// Which application.
    pub client_id: Option<String>,
    /// Where the code goes.
    pub redirect_uri: Option<String>,
    /// What it wants; all it may have when left out.
    pub scope: Option<String>,
    /// Given back as it is.
    pub state: Option<String>,
    /// PKCE.
    pub code_challenge: Option<String>,
    /// Must be `S256`.
    pub code_challenge_method: Option<String>,
}

/// A request that may be shown to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorization {
    /// The application.
    pub client: Client,
    /// Where the code goes.
    pub redirect_uri: String,
    /// What it wants.
    pub scopes: Scopes,
    state: Option<String>,
    challenge: String,
}

/// Why a request for authorization is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizeFault {
    /// Told to the user: the application is unknown or the redirect address is not its own.
    Shown(&'static str),
    /// Told to the application, by going to this address.
    Redirect(String),
}

#[derive(Serialize, Deserialize)]
struct Code {
    grant: String,
    client: String,
    redirect_uri: String,
    challenge: String,
    used: bool,
}

#[derive(Serialize, Deserialize)]
struct Grant {
    id: String,
    client: String,
    user: String,
    scopes: Scopes,
    created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Refresh {
    grant: String,
    client: String,
    used: bool,
}

impl Access {
    /// The public keys that access tokens are signed with.
    pub fn key_set(&self) -> JwkSet {
        jwt::key_set(&self.directory.read().keys)
    }

    /// Whose bearer token this is, now.
    pub fn resolve(&self, token: &str, audience: &str, now: Timestamp) -> Option<Principal> {
        let directory = self.directory.read();
        if token.starts_with("tok_") {
            let hash = secret::digest(token);
            let found = directory
                .tokens
                .values()
                .find(|known| secret::same(&known.hash, &hash))?;
            return Some(Principal {
                kind: PrincipalKind::Token,
                id: found.id.clone(),
                name: found.name.clone(),
                scopes: found.scopes,
                own_accounts_of: None,
            });
        }
        let claims = directory.claims(token, audience, now)?;
        drop(directory);
        let client = self.client(&claims.client_id)?;
        let scopes = claims.scope.intersection(client.scopes);
        if claims.grant.is_none() {
            return Some(Principal {
                kind: PrincipalKind::Client,
                id: client.id,
                name: client.name,
                scopes,
                own_accounts_of: None,
            });
        }
        let user = self.user(&claims.sub).filter(|user| user.active)?;
        (claims.iat >= user.valid_from.0 / 1_000).then(|| user.principal(scopes))
    }

    /// Checks what an application asks a user for.
    pub fn check_authorization(
        &self,
        asked: &AuthorizeRequest,
        issuer: &str,
    ) -> Result<Authorization, AuthorizeFault> {
        let client = asked.client_id.as_deref().and_then(|id| self.client(id));
        let client = client.ok_or(AuthorizeFault::Shown("This application is not known here."))?;
        let redirect = asked.redirect_uri.as_deref();
        let redirect = match (redirect, client.redirect_uris.as_slice()) {
            (None, [only]) => Some(only.as_str()),
            (Some(uri), known) => known
                .iter()
                .any(|known| redirect_fits(known, uri))
                .then_some(uri),
            (None, _) => None,
        };
        let redirect_uri = redirect
            .ok_or(AuthorizeFault::Shown(
                "The address to go back to is not one that the application registered.",
            ))?
            .to_owned();
        let refuse = |code: &str, why: &str| {
            let parts = [("error", Some(code)), ("error_description", Some(why))];
            AuthorizeFault::Redirect(answer_url(
                &redirect_uri,
                &parts,
                asked.state.as_deref(),
                issuer,
            ))
        };
        if asked.response_type.as_deref() != Some("code") {
            return Err(refuse(
                "unsupported_response_type",
                "response_type must be code",
            ));
        }
        let challenge = asked.code_challenge.clone().filter(|text| text.len() == 43);
        let (Some("S256"), Some(challenge)) = (asked.code_challenge_method.as_deref(), challenge)
        else {
            return Err(refuse(
                "invalid_request",
                "PKCE is required: code_challenge with code_challenge_method=S256",
            ));
        };
        let scopes = wanted(asked.scope.as_deref(), client.scopes)
            .map_err(|error| refuse("invalid_scope", &error.to_string()))?;
        Ok(Authorization {
            client,
            redirect_uri,
            scopes,
            state: asked.state.clone(),
            challenge,
        })
    }
}

impl Authorization {
    /// The address that tells the application that the user said no.
    pub fn denied(&self, issuer: &str) -> String {
        let parts = [("error", Some("access_denied"))];
        answer_url(&self.redirect_uri, &parts, self.state.as_deref(), issuer)
    }
}

impl Directory {
    fn claims(&self, token: &str, audience: &str, now: Timestamp) -> Option<Claims> {
        let claims = jwt::open(token, &self.keys, audience)?;
        let revoked = self.revoked.contains_key(&claims.jti)
            || claims
                .grant
                .as_ref()
                .is_some_and(|grant| self.revoked.contains_key(grant));
        (claims.exp > now.0 / 1_000 && !revoked).then_some(claims)
    }
}

impl Registrar<'_> {
    /// The application of these credentials. A confidential one must give its secret.
    pub fn authenticate_client(&self, id: &str, given: Option<&str>) -> Result<Client, OAuthError> {
        let client = self.access.client(id).ok_or(OAuthError::InvalidClient)?;
        if client.is_public() {
            return match given {
                None | Some("") => Ok(client),
                Some(_) => Err(OAuthError::InvalidClient),
            };
        }
        let given = secret::digest(given.unwrap_or_default());
        let good = client.secrets.iter().fold(false, |good, (hash, until)| {
            let current = until.is_none_or(|until| until > self.now);
            good | (secret::same(hash, &given) & current)
        });
        good.then_some(client).ok_or(OAuthError::InvalidClient)
    }

    /// A token for an application that acts by itself.
    pub fn client_credentials(
        &self,
        client: &Client,
        scope: Option<&str>,
        issuer: &str,
    ) -> Result<Issued, OAuthError> {
        if client.is_public() {
            return Err(OAuthError::UnauthorizedClient(
                "a public client cannot act by itself",
            ));
        }
        let scopes = wanted(scope, client.scopes)?;
        let _changing = self.access.changing.lock();
        self.issue(client, &client.id, None, scopes, issuer)
    }

    /// Notes that a user allowed an application something; answers where to send them.
    pub fn allow(
        &self,
        asked: &Authorization,
        user: &User,
        issuer: &str,
        origin: Origin,
    ) -> Result<String, AppError> {
        let scopes = asked.scopes.intersection(user.role.scopes());
        let grant = Grant {
            id: secret::id("grt_", self.random),
            client: asked.client.id.clone(),
            user: user.id.clone(),
            scopes,
            created_at: self.now,
        };
        let secret = secret::secret("code_", self.random);
        let code = Code {
            grant: grant.id.clone(),
            client: grant.client.clone(),
            redirect_uri: asked.redirect_uri.clone(),
            challenge: asked.challenge.clone(),
            used: false,
        };
        let change = Change::new("grant.create", &grant.id)
            .after(json!({"client": grant.client, "scopes": scopes}));
        let actor = Actor::of(&user.principal(scopes), origin);
        self.commit(Batch {
            records: vec![
                record(
                    collection::GRANT,
                    &grant.id,
                    self.now.plus_ms(GRANT_MS),
                    &grant,
                ),
                // Kept longer than it is good, so that a second use is recognised.
                record(
                    collection::CODE,
                    &secret::digest(&secret),
                    self.now.plus_ms(DAY_MS),
                    &code,
                ),
            ],
            audit: vec![change.by(&actor)],
            ..Batch::default()
        })?;
        let parts = [("code", Some(secret.as_str()))];
        Ok(answer_url(
            &asked.redirect_uri,
            &parts,
            asked.state.as_deref(),
            issuer,
        ))
    }

    /// Tokens for a code. A code that comes twice takes back what it gave.
    pub fn redeem_code(
        &self,
        client: &Client,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        issuer: &str,
    ) -> Result<Issued, OAuthError> {
        let _changing = self.access.changing.lock();
        let key = secret::digest(code);
        let wrong = || OAuthError::InvalidGrant("the code is wrong, used or too old");
        let mut found: Code = self.passing(collection::CODE, &key)?.ok_or_else(wrong)?;
        if found.client != client.id {
            return Err(wrong());
        }
        if found.used {
            self.revoke_grant(&found.grant, "a code came twice")?;
            return Err(wrong());
        }
        let grant = self.grant(&found.grant)?.ok_or_else(wrong)?;
        if self.now >= grant.created_at.plus_ms(CODE_MS) {
            return Err(wrong());
        }
        if redirect_uri.is_some_and(|uri| uri != found.redirect_uri) {
            return Err(OAuthError::InvalidGrant(
                "redirect_uri is not that of the authorization request",
            ));
        }
        let verifier = verifier.ok_or(OAuthError::InvalidRequest("code_verifier is missing"))?;
        if !verifies(verifier, &found.challenge) {
            return Err(OAuthError::InvalidGrant("code_verifier does not fit"));
        }
        found.used = true;
        let used = record(collection::CODE, &key, self.now.plus_ms(DAY_MS), &found);
        self.issue_under(client, &grant, grant.scopes, vec![used], issuer)
    }

    /// New tokens for a refresh token, which is used up by that. One that comes twice was stolen
    /// from somebody: the whole family is taken back.
    pub fn refresh(
        &self,
        client: &Client,
        token: &str,
        scope: Option<&str>,
        issuer: &str,
    ) -> Result<Issued, OAuthError> {
        let _changing = self.access.changing.lock();
        let key = secret::digest(token);
        let wrong = || OAuthError::InvalidGrant("the refresh token is wrong, used or too old");
        let mut found: Refresh = self.passing(collection::REFRESH, &key)?.ok_or_else(wrong)?;
        if found.client != client.id {
            return Err(wrong());
        }
        if found.used {
            self.revoke_grant(&found.grant, "a refresh token came twice")?;
            return Err(wrong());
        }
        let grant = self.grant(&found.grant)?.ok_or_else(wrong)?;
        let scopes = wanted(scope, grant.scopes)?;
        found.used = true;
        let used = record(
            collection::REFRESH,
            &key,
            self.now.plus_ms(REFRESH_MS),
            &found,
        );
        self.issue_under(client, &grant, scopes, vec![used], issuer)
    }

    /// Takes a token back (RFC 7009). What is not the application's is left as it is.
    pub fn revoke(&self, client: &Client, token: &str) -> Result<(), AppError> {
        let _changing = self.access.changing.lock();
        let refresh: Option<Refresh> = self.passing(collection::REFRESH, &secret::digest(token))?;
        if let Some(refresh) = refresh {
            return if refresh.client == client.id {
                self.revoke_grant(&refresh.grant, "the client took it back")
            } else {
                Ok(())
            };
        }
        let claims = self
            .access
            .directory
            .read()
            .claims(token, &self.audience, self.now);
        let Some(claims) = claims.filter(|claims| claims.client_id == client.id) else {
            return Ok(());
        };
        let until = Timestamp(claims.exp * 1_000);
        self.commit(Batch {
            records: vec![record(collection::REVOKED, &claims.jti, until, &claims.jti)],
            ..Batch::default()
        })?;
        self.access
            .directory
            .write()
            .revoked
            .insert(claims.jti, until);
        Ok(())
    }

    /// What a token is worth (RFC 7662). An application learns about its own tokens; one with the
    /// scope `admin` about all.
    pub fn introspect(&self, client: &Client, token: &str) -> Result<serde_json::Value, AppError> {
        let inactive = json!({"active": false});
        let may = |owner: &str| owner == client.id || client.scopes.contains(super::Scope::Admin);
        let principal = self.access.resolve(token, &self.audience, self.now);
        let claims = self
            .access
            .directory
            .read()
            .claims(token, &self.audience, self.now);
        if let (Some(claims), Some(principal)) = (claims, principal) {
            if !may(&claims.client_id) {
                return Ok(inactive);
            }
            return Ok(json!({
                "active": true, "token_type": "Bearer", "client_id": claims.client_id, "sub": claims.sub,
                "scope": principal.scopes, "exp": claims.exp, "iat": claims.iat, "iss": claims.iss,
                "aud": claims.aud, "jti": claims.jti,
            }));
        }
        let refresh: Option<Refresh> = self.passing(collection::REFRESH, &secret::digest(token))?;
        let Some(refresh) = refresh.filter(|refresh| !refresh.used && may(&refresh.client)) else {
            return Ok(inactive);
        };
        let grant = self.grant(&refresh.grant)?;
        Ok(grant.map_or(inactive, |grant| {
            json!({"active": true, "client_id": grant.client, "sub": grant.user, "scope": grant.scopes})
        }))
    }

    /// Replaces the key that tokens are signed with. The old one is published until its last
    /// token is over.
    pub fn rotate_key(&self, by: &Actor) -> Result<String, AppError> {
        let _changing = self.access.changing.lock();
        let change = |key: &SigningKey| Change::new("signing-key.rotate", &key.id).by(by);
        let key = self.add_key(change)?;
        Ok(key.id)
    }

    fn add_key(
        &self,
        change: impl FnOnce(&SigningKey) -> tenure_store::audit::AuditRow,
    ) -> Result<SigningKey, AppError> {
        let seed = std::iter::repeat_with(|| self.random.draw())
            .find(jwt::is_key)
            .unwrap_or_default();
        let key = SigningKey {
            id: secret::id("key_", self.random),
            seed,
            created_at: self.now,
        };
        let mut keys = self.access.directory.read().keys.clone();
        // A key was replaced when the next one was made.
        let gone = keys
            .windows(2)
            .filter(|pair| pair[1].created_at.plus_ms(KEY_LINGER_MS) < self.now);
        let gone: Vec<String> = gone.map(|pair| pair[0].id.clone()).collect();
        keys.retain(|key| !gone.contains(&key.id));
        keys.push(key.clone());
        let removed = gone
            .iter()
            .map(|id| (collection::KEY.into(), id.as_str().into()));
        self.commit(Batch {
            records: vec![record(collection::KEY, &key.id, self.now, &key)],
            records_removed: removed.collect(),
            audit: vec![change(&key)],
            ..Batch::default()
        })?;
        self.access.directory.write().keys = keys;
        Ok(key)
    }

    fn signing_key(&self) -> Result<SigningKey, AppError> {
        let newest = self.access.directory.read().keys.last().cloned();
        match newest.filter(|key| self.now < key.created_at.plus_ms(KEY_AGE_MS)) {
            Some(key) => Ok(key),
            None => self.add_key(|key| {
                Change::new("signing-key.rotate", &key.id)
                    .after("by age")
                    .by(&Actor::command())
            }),
        }
    }

    /// What a user allowed, if it is still so.
    fn grant(&self, id: &str) -> Result<Option<Grant>, AppError> {
        let grant: Option<Grant> = self.passing(collection::GRANT, id)?;
        Ok(grant.filter(|grant| {
            let user = self.access.user(&grant.user);
            user.is_some_and(|user| user.active && grant.created_at >= user.valid_from)
        }))
    }

    fn revoke_grant(&self, id: &str, why: &str) -> Result<(), AppError> {
        // Its access tokens are over by then.
        let until = self.now.plus_ms(2 * ACCESS_TOKEN_S * 1_000);
        let change = Change::new("grant.revoke", id).after(why);
        self.commit(Batch {
            records: vec![record(collection::REVOKED, id, until, &id)],
            records_removed: vec![(collection::GRANT.into(), id.into())],
            audit: vec![change.by(&Actor::nobody(Origin::default()))],
            ..Batch::default()
        })?;
        let mut directory = self.access.directory.write();
        directory.revoked.retain(|_, until| *until > self.now);
        directory.revoked.insert(id.to_owned(), until);
        Ok(())
    }

    fn issue_under(
        &self,
        client: &Client,
        grant: &Grant,
        scopes: Scopes,
        mut records: Vec<Record>,
        issuer: &str,
    ) -> Result<Issued, OAuthError> {
        let token = secret::secret("rt_", self.random);
        let refresh = Refresh {
            grant: grant.id.clone(),
            client: client.id.clone(),
            used: false,
        };
        let until = self.now.plus_ms(REFRESH_MS);
        records.push(record(
            collection::REFRESH,
            &secret::digest(&token),
            until,
            &refresh,
        ));
        self.commit(Batch {
            records,
            ..Batch::default()
        })?;
        let issued = self.issue(client, &grant.user, Some(&grant.id), scopes, issuer)?;
        Ok(Issued {
            refresh_token: Some(token),
            ..issued
        })
    }

    fn issue(
        &self,
        client: &Client,
        subject: &str,
        grant: Option<&str>,
        scopes: Scopes,
        issuer: &str,
    ) -> Result<Issued, OAuthError> {
        let key = self.signing_key()?;
        let now_s = self.now.0 / 1_000;
        let claims = Claims {
            iss: issuer.to_owned(),
            sub: subject.to_owned(),
            aud: self.audience.clone(),
            exp: now_s + ACCESS_TOKEN_S,
            iat: now_s,
            jti: secret::id("at_", self.random),
            client_id: client.id.clone(),
            scope: scopes,
            grant: grant.map(str::to_owned),
        };
        let unsigned =
            || AppError::Conflict("the token cannot be signed; rotate the signing key".into());
        Ok(Issued {
            access_token: jwt::sign(&claims, &key).ok_or_else(unsigned)?,
            token_type: "Bearer",
            expires_in: ACCESS_TOKEN_S,
            scope: scopes,
            refresh_token: None,
        })
    }
}

/// What is asked for, within what there is; all of it when nothing is asked for.
fn wanted(scope: Option<&str>, most: Scopes) -> Result<Scopes, OAuthError> {
    let Some(text) = scope.filter(|text| !text.trim().is_empty()) else {
        return Ok(most);
    };
    let scopes: Scopes = text
        .parse()
        .map_err(|error: super::scope::UnknownScope| OAuthError::InvalidScope(error.to_string()))?;
    if !most.contains_all(scopes) {
        return Err(OAuthError::InvalidScope(format!(
            "there is no more to give than: {most}"
        )));
    }
    Ok(scopes)
}

/// RFC 7636, section 4.6.
fn verifies(verifier: &str, challenge: &str) -> bool {
    if !VERIFIER_CHARS.contains(&verifier.len()) {
        return false;
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    secret::same(&URL_SAFE_NO_PAD.encode(hash), challenge)
}

/// The redirect address with an answer in its query, and the issuer (RFC 9207).
fn answer_url(
    redirect_uri: &str,
    parts: &[(&str, Option<&str>)],
    state: Option<&str>,
    issuer: &str,
) -> String {
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return redirect_uri.to_owned();
    };
    {
        let mut query = url.query_pairs_mut();
        let all = parts
            .iter()
            .copied()
            .chain([("state", state), ("iss", Some(issuer))]);
        for (name, value) in all {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
    }
    url.into()
}

#[cfg(test)]
mod tests;
