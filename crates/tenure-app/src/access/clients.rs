//! Applications and API tokens.

use serde::Serialize;
use serde_json::json;
use tenure_core::time::Timestamp;
use url::{Host, Url};

use super::audit::{Actor, Change};
use super::directory::{Access, Client, Token, collection};
use super::registrar::{Registrar, check_name};
use super::scope::Scopes;
use super::secret;
use crate::error::AppError;
use crate::records::record;

/// `client_id` of the command line: a public client that is always there.
pub const CLI_CLIENT: &str = "tenure-cli";
/// For how long the old secret goes on after a rotation, unless told otherwise: a day.
pub const ROTATION_GRACE_MS: i64 = 24 * 60 * 60 * 1_000;
/// The most redirect addresses of an application.
const REDIRECT_URIS_MAX: usize = 20;
/// The most applications, and the most tokens, of a workspace.
const CLIENTS_MAX: usize = 1_000;

/// What a new application is to be.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Name for people.
    pub name: String,
    /// The most it may be given.
    pub scopes: Scopes,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// It can keep no secret.
    pub public: bool,
}

/// An application with the secret that is shown only now.
#[derive(Debug, Clone)]
pub struct ClientWithSecret {
    /// The application.
    pub client: Client,
    /// Its secret; none for a public client.
    pub secret: Option<String>,
}

#[derive(Serialize)]
struct ClientFacts<'a> {
    name: &'a str,
    scopes: Scopes,
    redirect_uris: &'a [String],
    public: bool,
}

fn facts(client: &Client) -> ClientFacts<'_> {
    ClientFacts {
        name: &client.name,
        scopes: client.scopes,
        redirect_uris: &client.redirect_uris,
        public: client.is_public(),
    }
}

impl Access {
    /// Applications in the order of their ids.
    pub fn clients(&self) -> Vec<Client> {
        self.directory.read().clients.values().cloned().collect()
    }

    /// One application; the command line's among them.
    pub fn client(&self, id: &str) -> Option<Client> {
        if id == CLI_CLIENT {
            return Some(Client {
                id: CLI_CLIENT.to_owned(),
                name: "Tenure's command line".to_owned(),
                scopes: Scopes::all(),
                redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
                created_at: Timestamp(0),
                secrets: Vec::new(),
            });
        }
        self.directory.read().clients.get(id).cloned()
    }

    /// API tokens in the order of their ids.
    pub fn tokens(&self) -> Vec<Token> {
        self.directory.read().tokens.values().cloned().collect()
    }
}

impl Registrar<'_> {
    /// Adds an application.
    pub fn create_client(&self, new: NewClient, by: &Actor) -> Result<ClientWithSecret, AppError> {
        check_name(&new.name)?;
        check_redirects(&new)?;
        let _changing = self.access.changing.lock();
        check_room(self.access.directory.read().clients.len())?;
        let secret = (!new.public).then(|| secret::secret("cs_", self.random));
        let hashes = secret.iter().map(|secret| (secret::digest(secret), None));
        let client = Client {
            id: secret::id("cli_", self.random),
            name: new.name,
            scopes: new.scopes,
            redirect_uris: new.redirect_uris,
            created_at: self.now,
            secrets: hashes.collect(),
        };
        let change = Change::new("client.create", &client.id).after(facts(&client));
        self.put_client(&client, change, by)?;
        Ok(ClientWithSecret { client, secret })
    }

    /// Gives an application a new secret; the old one goes on for `grace_ms`.
    pub fn rotate_client(
        &self,
        id: &str,
        grace_ms: i64,
        by: &Actor,
    ) -> Result<ClientWithSecret, AppError> {
        let _changing = self.access.changing.lock();
        let mut client = self.own_client(id)?;
        if client.is_public() {
            return Err(AppError::Conflict(
                "a public client has no secret to rotate".into(),
            ));
        }
        let ends_at = self.now.plus_ms(grace_ms);
        let ending = client.secrets.drain(..).filter_map(|(hash, until)| {
            let until = until.map_or(ends_at, |until| until.min(ends_at));
            (until > self.now).then_some((hash, Some(until)))
        });
        // Two at most: the new one and the one before.
        let mut secrets: Vec<_> = ending.collect();
        secrets.truncate(1);
        let secret = secret::secret("cs_", self.random);
        secrets.insert(0, (secret::digest(&secret), None));
        client.secrets = secrets;
        let change =
            Change::new("client.rotate", id).after(json!({"old_until": ends_at.to_string()}));
        self.put_client(&client, change, by)?;
        Ok(ClientWithSecret {
            client,
            secret: Some(secret),
        })
    }

    /// Removes an application; what it was given opens nothing from now on.
    pub fn delete_client(&self, id: &str, by: &Actor) -> Result<(), AppError> {
        let _changing = self.access.changing.lock();
        let client = self.own_client(id)?;
        let change = Change::new("client.delete", id).before(facts(&client));
        self.take((collection::CLIENT, id), change, by, |directory| {
            directory.clients.remove(id);
        })
    }

    fn own_client(&self, id: &str) -> Result<Client, AppError> {
        let found = self.access.directory.read().clients.get(id).cloned();
        found.ok_or_else(|| not_found("client", id))
    }

    fn put_client(&self, client: &Client, change: Change, by: &Actor) -> Result<(), AppError> {
        let record = record(collection::CLIENT, &client.id, client.created_at, client);
        self.put(record, change, by, |directory| {
            directory.clients.insert(client.id.clone(), client.clone());
        })
    }

    /// Makes an API token; its secret is given only now.
    pub fn create_token(
        &self,
        name: &str,
        scopes: Scopes,
        by: &Actor,
    ) -> Result<(Token, String), AppError> {
        check_name(name)?;
        let _changing = self.access.changing.lock();
        check_room(self.access.directory.read().tokens.len())?;
        let secret = secret::secret("tok_", self.random);
        let token = Token {
            id: secret::id("tkn_", self.random),
            name: name.to_owned(),
            scopes,
            created_at: self.now,
            hash: secret::digest(&secret),
        };
        let change = Change::new("token.create", &token.id)
            .after(json!({"name": token.name, "scopes": token.scopes}));
        let record = record(collection::TOKEN, &token.id, self.now, &token);
        self.put(record, change, by, |directory| {
            directory.tokens.insert(token.id.clone(), token.clone());
        })?;
        Ok((token, secret))
    }

    /// Takes an API token back.
    pub fn delete_token(&self, id: &str, by: &Actor) -> Result<(), AppError> {
        let _changing = self.access.changing.lock();
        let found = self.access.directory.read().tokens.get(id).cloned();
        let token = found.ok_or_else(|| not_found("token", id))?;
        let change = Change::new("token.delete", id)
            .before(json!({"name": token.name, "scopes": token.scopes}));
        self.take((collection::TOKEN, id), change, by, |directory| {
            directory.tokens.remove(id);
        })
    }
}

pub(super) fn not_found(what: &'static str, id: &str) -> AppError {
    AppError::NotFound {
        what,
        name: id.chars().take(80).collect(),
    }
}

fn check_room(count: usize) -> Result<(), AppError> {
    if count >= CLIENTS_MAX {
        return Err(AppError::Conflict(format!(
            "there are {CLIENTS_MAX} already; delete those that nobody uses"
        )));
    }
    Ok(())
}

fn check_redirects(new: &NewClient) -> Result<(), AppError> {
    let invalid = |message: String| AppError::Invalid {
        field: "redirect_uris".into(),
        message,
    };
    if new.public && new.redirect_uris.is_empty() {
        return Err(invalid(
            "a public client needs at least one: it cannot act by itself".into(),
        ));
    }
    if new.redirect_uris.len() > REDIRECT_URIS_MAX {
        return Err(invalid(format!("at most {REDIRECT_URIS_MAX}")));
    }
    for uri in &new.redirect_uris {
        let right = Url::parse(uri).is_ok_and(|url| {
            let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
            safe && url.fragment().is_none() && url.username().is_empty()
        });
        if !right {
            return Err(invalid(
                "must be https, or http on this machine (127.0.0.1, [::1], localhost), without a fragment".into(),
            ));
        }
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether a redirect address is one of those registered: the same text, or, on a loopback
/// address, the same but for the port (RFC 8252, section 7.3).
pub(super) fn redirect_fits(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let (Ok(mut registered), Ok(mut asked)) = (Url::parse(registered), Url::parse(asked)) else {
        return false;
    };
    let on_address = |url: &Url| matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
    if registered.scheme() != "http" || !is_loopback(&registered) || !on_address(&registered) {
        return false;
    }
    let cleared = registered.set_port(None).is_ok() && asked.set_port(None).is_ok();
    cleared && registered == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_may_differ_in_its_port() {
        for (registered, asked, fits) in [
            ("https://a.example.com/cb", "https://a.example.com/cb", true),
            (
                "https://a.example.com/cb",
                "https://a.example.com/cb/",
                false,
            ),
            (
                "https://a.example.com/cb",
                "https://a.example.com:444/cb",
                false,
            ),
            (
                "https://a.example.com/cb",
                "https://a.example.com/cb?x=1",
                false,
            ),
            (
                "http://127.0.0.1/callback",
                "http://127.0.0.1:5123/callback",
                true,
            ),
            ("http://[::1]/callback", "http://[::1]:5123/callback", true),
            (
                "http://127.0.0.1/callback",
                "http://127.0.0.1:5123/other",
                false,
            ),
            (
                "http://127.0.0.1/callback",
                "http://127.0.0.2:5123/callback",
                false,
            ),
            (
                "http://127.0.0.1/callback",
                "http://u@127.0.0.1:5123/callback",
                false,
            ),
            (
                "http://localhost/callback",
                "http://localhost:5123/callback",
                false,
            ),
        ] {
            assert_eq!(
                redirect_fits(registered, asked),
                fits,
                "{registered} {asked}"
            );
        }
    }

    #[test]
    fn a_redirect_address_must_be_safe() {
        for (uri, right) in [
            ("https://a.example.com/cb", true),
            ("http://localhost:8/cb", true),
            ("http://a.example.com/cb", false),
            ("https://a.example.com/cb#x", false),
            ("https://u:p@a.example.com/cb", false),
            ("javascript:alert(1)", false),
            ("cb", false),
        ] {
            let new = NewClient {
                name: "x".into(),
                scopes: Scopes::NONE,
                redirect_uris: vec![uri.to_owned()],
                public: true,
            };
            assert_eq!(check_redirects(&new).is_ok(), right, "{uri}");
        }
    }
}
