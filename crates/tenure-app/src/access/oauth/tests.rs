use serde_json::Value;
use tenure_store::memory::MemoryStore;

use super::super::clients::{CLI_CLIENT, NewClient};
use super::super::role::Role;
use super::super::scope::Scope;
use super::super::secret::Seeded;
use super::super::users::{NewUser, SignInFault, UserChange};
use super::*;

const ISSUER: &str = "https://tenure.example.com";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const PASSWORD: &str = "correct horse battery";

struct World {
    store: MemoryStore,
    access: Access,
    random: Seeded,
    user: User,
}

impl World {
    fn new() -> Self {
        let store = MemoryStore::new();
        let access = Access::open(&store).unwrap();
        let random = Seeded::new(b"seed");
        let user = {
            let registrar = Registrar::offline(&store, &access, &random, Timestamp(0));
            registrar.create_user(owner(), &Actor::command()).unwrap()
        };
        Self {
            store,
            access,
            random,
            user,
        }
    }

    /// The registrar so many milliseconds after the beginning.
    fn at(&self, ms: i64) -> Registrar<'_> {
        Registrar {
            audience: "here".to_owned(),
            ..Registrar::offline(&self.store, &self.access, &self.random, Timestamp(ms))
        }
    }

    fn confidential(&self, scopes: &str) -> (Client, String) {
        let new = NewClient {
            name: "Reports".into(),
            scopes: scopes.parse().unwrap(),
            redirect_uris: vec!["https://app.example.com/cb".into()],
            public: false,
        };
        let made = self.at(0).create_client(new, &Actor::command()).unwrap();
        (made.client, made.secret.unwrap())
    }

    fn asked(client: &Client) -> AuthorizeRequest {
        AuthorizeRequest {
            response_type: Some("code".into()),
            client_id: Some(client.id.clone()),
            redirect_uri: client.redirect_uris.first().cloned(),
            state: Some("s&t".into()),
            code_challenge: Some(CHALLENGE.into()),
            code_challenge_method: Some("S256".into()),
            ..AuthorizeRequest::default()
        }
    }

    fn code(&self, client: &Client, ms: i64) -> String {
        let asked = self
            .access
            .check_authorization(&Self::asked(client), ISSUER)
            .unwrap();
        let url = self
            .at(ms)
            .allow(&asked, &self.user, ISSUER, Origin::default())
            .unwrap();
        let url = Url::parse(&url).unwrap();
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().collect();
        assert_eq!((&*query["state"], &*query["iss"]), ("s&t", ISSUER));
        query["code"].to_string()
    }

    fn redeem(&self, client: &Client, code: &str, ms: i64) -> Result<Issued, OAuthError> {
        self.at(ms).redeem_code(
            client,
            code,
            client.redirect_uris.first().map(String::as_str),
            Some(VERIFIER),
            ISSUER,
        )
    }

    fn resolves(&self, issued: &Issued, ms: i64) -> bool {
        self.access
            .resolve(&issued.access_token, "here", Timestamp(ms))
            .is_some()
    }

    fn actions(&self) -> Vec<String> {
        let rows = self.store.audit_from(1, 1_000).unwrap();
        rows.into_iter().map(|row| row.action.into()).collect()
    }
}

use tenure_store::Store;

fn owner() -> NewUser {
    NewUser {
        email: "Olu@example.com".into(),
        name: "Olu".into(),
        role: Role::Owner,
        password: Some(PASSWORD.into()),
        owner: None,
    }
}

fn code_of(result: Result<Issued, OAuthError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn an_application_acts_by_itself_within_its_scopes() {
    let world = World::new();
    let (client, secret) = world.confidential("profiles:read messages:read");
    let registrar = world.at(1_000);
    let client = registrar
        .authenticate_client(&client.id, Some(&secret))
        .unwrap();
    let issued = registrar
        .client_credentials(&client, Some("messages:read"), ISSUER)
        .unwrap();
    assert_eq!(issued.scope.to_string(), "messages:read");
    let principal = world
        .access
        .resolve(&issued.access_token, "here", Timestamp(2_000))
        .unwrap();
    assert_eq!(
        (principal.kind, &principal.id),
        (PrincipalKind::Client, &client.id)
    );
    assert!(principal.may(Scope::MessagesRead) && !principal.may(Scope::ProfilesRead));
    assert_eq!(
        code_of(registrar.client_credentials(&client, Some("admin"), ISSUER)),
        "invalid_scope"
    );
    assert_eq!(
        code_of(registrar.client_credentials(&client, Some("nope"), ISSUER)),
        "invalid_scope"
    );
    assert!(!world.resolves(&issued, 1_000 + ACCESS_TOKEN_S * 1_000));
    assert!(
        world
            .access
            .resolve(&issued.access_token, "there", Timestamp(2_000))
            .is_none()
    );
}

#[test]
fn a_wrong_secret_is_no_secret_and_a_rotated_one_goes_on_for_a_while() {
    let world = World::new();
    let (client, old) = world.confidential("profiles:read");
    for wrong in [None, Some(""), Some("cs_wrong")] {
        assert!(world.at(0).authenticate_client(&client.id, wrong).is_err());
    }
    let new = world
        .at(1_000)
        .rotate_client(&client.id, 5_000, &Actor::command())
        .unwrap()
        .secret
        .unwrap();
    for secret in [&old, &new] {
        assert!(
            world
                .at(5_999)
                .authenticate_client(&client.id, Some(secret))
                .is_ok()
        );
    }
    assert!(
        world
            .at(6_000)
            .authenticate_client(&client.id, Some(&old))
            .is_err()
    );
    assert!(
        world
            .at(6_000)
            .authenticate_client(&client.id, Some(&new))
            .is_ok()
    );
    assert!(world.at(0).authenticate_client(CLI_CLIENT, None).is_ok());
    assert!(
        world
            .at(0)
            .authenticate_client(CLI_CLIENT, Some("x"))
            .is_err()
    );
    let stored = format!(
        "{:?}",
        world
            .store
            .record("access.client", &client.id)
            .unwrap()
            .map(|record| String::from_utf8(record.bytes))
    );
    assert!(!stored.contains(&new) && !stored.contains(&old));
}

#[test]
fn a_code_is_good_once_for_its_client_with_its_verifier_and_in_time() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read");
    let (other, _) = world.confidential("profiles:read");
    let code = world.code(&client, 0);
    assert_eq!(code_of(world.redeem(&other, &code, 1)), "invalid_grant");
    let registrar = world.at(1);
    let verifier = |verifier| registrar.redeem_code(&client, &code, None, verifier, ISSUER);
    assert_eq!(code_of(verifier(None)), "invalid_request");
    assert_eq!(code_of(verifier(Some("short"))), "invalid_grant");
    assert_eq!(code_of(verifier(Some(CHALLENGE))), "invalid_grant");
    let elsewhere = registrar.redeem_code(
        &client,
        &code,
        Some("https://evil.example.com"),
        Some(VERIFIER),
        ISSUER,
    );
    assert_eq!(code_of(elsewhere), "invalid_grant");
    assert_eq!(
        code_of(world.redeem(&client, &code, CODE_MS)),
        "invalid_grant"
    );
    let issued = world.redeem(&client, &code, CODE_MS - 1).unwrap();
    assert!(world.resolves(&issued, CODE_MS));
    assert_eq!(
        code_of(world.redeem(&client, &code, CODE_MS - 1)),
        "invalid_grant"
    );
    assert!(
        !world.resolves(&issued, CODE_MS),
        "a code that comes twice takes back what it gave"
    );
}

#[test]
fn a_refresh_token_is_good_once_and_a_second_use_ends_the_family() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read messages:read");
    let first = world.redeem(&client, &world.code(&client, 0), 1).unwrap();
    let (one, more) = (first.refresh_token.clone().unwrap(), Some("admin"));
    assert_eq!(
        code_of(world.at(2).refresh(&client, &one, more, ISSUER)),
        "invalid_scope"
    );
    let second = world
        .at(2)
        .refresh(&client, &one, Some("profiles:read"), ISSUER)
        .unwrap();
    assert_eq!(second.scope.to_string(), "profiles:read");
    let two = second.refresh_token.clone().unwrap();
    assert_ne!(one, two);
    assert!(world.resolves(&second, 3));
    assert_eq!(
        code_of(world.at(3).refresh(&client, &one, None, ISSUER)),
        "invalid_grant"
    );
    assert_eq!(
        code_of(world.at(3).refresh(&client, &two, None, ISSUER)),
        "invalid_grant"
    );
    assert!(!world.resolves(&second, 3) && !world.resolves(&first, 3));
    assert!(world.actions().contains(&"grant.revoke".to_owned()));
    // A restart knows it, too.
    let reopened = Access::open(&world.store).unwrap();
    assert!(
        reopened
            .resolve(&second.access_token, "here", Timestamp(3))
            .is_none()
    );
    assert!(
        reopened
            .resolve(
                &world
                    .redeem(&client, &world.code(&client, 4), 5)
                    .unwrap()
                    .access_token,
                "here",
                Timestamp(6)
            )
            .is_some()
    );
}

#[test]
fn a_request_without_pkce_or_to_a_foreign_address_is_refused() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read");
    let check = |change: &dyn Fn(&mut AuthorizeRequest)| {
        let mut asked = World::asked(&client);
        change(&mut asked);
        world
            .access
            .check_authorization(&asked, ISSUER)
            .unwrap_err()
    };
    for change in [
        &(|asked: &mut AuthorizeRequest| asked.client_id = Some("cli_x".into()))
            as &dyn Fn(&mut AuthorizeRequest),
        &|asked| asked.redirect_uri = Some("https://evil.example.com/cb".into()),
    ] {
        assert!(matches!(check(change), AuthorizeFault::Shown(_)));
    }
    for (change, code) in [
        (
            &(|asked: &mut AuthorizeRequest| asked.code_challenge = None)
                as &dyn Fn(&mut AuthorizeRequest),
            "invalid_request",
        ),
        (
            &|asked| asked.code_challenge_method = Some("plain".into()),
            "invalid_request",
        ),
        (
            &|asked| asked.response_type = Some("token".into()),
            "unsupported_response_type",
        ),
        (&|asked| asked.scope = Some("admin".into()), "invalid_scope"),
    ] {
        let AuthorizeFault::Redirect(url) = check(change) else {
            panic!("{code}")
        };
        assert!(
            url.starts_with("https://app.example.com/cb?error="),
            "{url}"
        );
        assert!(url.contains(code) && url.contains("state=s%26t"), "{url}");
    }
}

#[test]
fn a_token_is_taken_back_by_its_client_only() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read");
    let (other, _) = world.confidential("profiles:read");
    let issued = world
        .at(1)
        .client_credentials(&client, None, ISSUER)
        .unwrap();
    world.at(2).revoke(&other, &issued.access_token).unwrap();
    assert!(world.resolves(&issued, 3));
    world.at(2).revoke(&client, &issued.access_token).unwrap();
    assert!(!world.resolves(&issued, 3));
    let issued = world.redeem(&client, &world.code(&client, 4), 5).unwrap();
    world
        .at(6)
        .revoke(&client, &issued.refresh_token.clone().unwrap())
        .unwrap();
    assert!(!world.resolves(&issued, 7));
    world.at(7).revoke(&client, "whatever").unwrap();
}

#[test]
fn introspection_tells_a_client_of_its_own_tokens_and_administrators_of_all() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read");
    let (other, _) = world.confidential("profiles:read");
    let (admin, _) = world.confidential("admin");
    let issued = world.redeem(&client, &world.code(&client, 0), 1).unwrap();
    let active = |client: &Client, token: &str| world.at(2).introspect(client, token).unwrap();
    for token in [issued.access_token.clone(), issued.refresh_token.unwrap()] {
        assert_eq!(active(&client, &token)["active"], true);
        assert_eq!(active(&client, &token)["scope"], "profiles:read");
        assert_eq!(active(&admin, &token)["active"], true);
        assert_eq!(active(&other, &token), serde_json::json!({"active": false}));
    }
    assert_eq!(active(&client, "x")["active"], Value::Bool(false));
}

#[test]
fn signing_keys_change_with_age_and_old_ones_linger_for_their_tokens() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read");
    let early = KEY_AGE_MS - 1;
    world
        .at(0)
        .client_credentials(&client, None, ISSUER)
        .unwrap();
    let issued = world
        .at(early)
        .client_credentials(&client, None, ISSUER)
        .unwrap();
    assert_eq!(world.access.key_set().keys.len(), 1);
    world
        .at(KEY_AGE_MS)
        .client_credentials(&client, None, ISSUER)
        .unwrap();
    assert_eq!(world.access.key_set().keys.len(), 2);
    assert!(world.resolves(&issued, KEY_AGE_MS));
    world
        .at(KEY_AGE_MS + 2 * DAY_MS)
        .rotate_key(&Actor::command())
        .unwrap();
    assert_eq!(world.access.key_set().keys.len(), 2, "the first is gone");
    assert_eq!(
        Access::open(&world.store).unwrap().key_set(),
        world.access.key_set()
    );
}

#[test]
fn who_is_no_user_any_more_has_no_tokens_either() {
    let world = World::new();
    let (client, _) = world.confidential("profiles:read");
    let by = Actor::command();
    let mut second = owner();
    second.email = "second@example.com".into();
    world.at(0).create_user(second, &by).unwrap();
    let issued = world.redeem(&client, &world.code(&client, 0), 1).unwrap();
    let inactive = UserChange {
        active: Some(false),
        ..UserChange::default()
    };
    world
        .at(2_000)
        .change_user(&world.user.id, inactive, &by)
        .unwrap();
    assert!(!world.resolves(&issued, 2_001));
    let active = UserChange {
        active: Some(true),
        ..UserChange::default()
    };
    world
        .at(3_000)
        .change_user(&world.user.id, active, &by)
        .unwrap();
    let refresh = issued.refresh_token.unwrap();
    assert_eq!(
        code_of(world.at(3_001).refresh(&client, &refresh, None, ISSUER)),
        "invalid_grant"
    );
}

#[test]
fn there_is_always_an_owner_and_admins_make_none() {
    let world = World::new();
    let by = Actor::command();
    let demoted = || UserChange {
        role: Some(Role::Admin),
        ..UserChange::default()
    };
    assert!(
        world
            .at(1)
            .change_user(&world.user.id, demoted(), &by)
            .is_err()
    );
    assert!(world.at(1).delete_user(&world.user.id, &by).is_err());
    let mut admin = owner();
    (admin.email, admin.role) = ("admin@example.com".into(), Role::Admin);
    let admin = world.at(1).create_user(admin, &by).unwrap();
    let as_admin = Actor::of(&admin.principal(Scopes::all()), Origin::default());
    let mut other = owner();
    other.email = "other@example.com".into();
    assert!(world.at(1).create_user(other.clone(), &as_admin).is_err());
    assert!(
        world
            .at(1)
            .change_user(&world.user.id, demoted(), &as_admin)
            .is_err()
    );
    world.at(1).create_user(other, &by).unwrap();
    assert!(
        world
            .at(1)
            .change_user(&world.user.id, demoted(), &by)
            .is_ok()
    );
}

#[test]
fn wrong_passwords_are_followed_by_a_growing_delay() {
    let world = World::new();
    let sign_in = |ms: i64, password: &str| {
        world
            .at(ms)
            .sign_in("olu@EXAMPLE.com", password, None, Origin::default())
    };
    for n in 0..5 {
        assert!(
            matches!(sign_in(n, "wrong wrong wrong"), Err(SignInFault::Wrong)),
            "{n}"
        );
    }
    assert!(matches!(
        sign_in(10_000, PASSWORD),
        Err(SignInFault::Locked)
    ));
    assert!(matches!(sign_in(20_000, "wrong"), Err(SignInFault::Wrong)));
    assert!(
        matches!(sign_in(40_000, PASSWORD), Err(SignInFault::Locked)),
        "twice as long"
    );
    let signed_in = sign_in(50_001, PASSWORD).unwrap();
    let session = |ms: i64| world.at(ms).session(&signed_in.secret).unwrap();
    assert_eq!(session(60_000).unwrap().id, world.user.id);
    assert!(session(50_001 + 12 * 60 * 60 * 1_000).is_none());
    world.at(60_000).sign_out(&signed_in.secret).unwrap();
    assert!(session(60_001).is_none());
    let nobody = world
        .at(1)
        .sign_in("nobody@example.com", PASSWORD, None, Origin::default());
    assert!(matches!(nobody, Err(SignInFault::Wrong)));
    let trail = world.store.audit_from(1, 1_000).unwrap();
    let text: String = trail
        .iter()
        .map(|row| String::from_utf8_lossy(&row.body).into_owned() + &row.target)
        .collect();
    assert!(!text.contains("example.com") && !text.contains(PASSWORD) && !text.contains("argon2"));
}

#[test]
fn a_one_time_code_is_asked_for_once_it_is_confirmed_and_is_good_once() {
    let world = World::new();
    let by = Actor::command();
    let id = &world.user.id;
    let secret = world.at(90_000).begin_one_time(id, &by).unwrap();
    assert_eq!(secret.len(), 32);
    assert!(
        world
            .at(90_000)
            .confirm_one_time(id, "000000", &by)
            .is_err()
    );
    let code = |ms: i64| super::super::users::code_for_tests(&world.access, id, ms);
    world
        .at(90_000)
        .confirm_one_time(id, &code(90_000), &by)
        .unwrap();
    let sign_in = |ms: i64, code: Option<&str>| {
        world
            .at(ms)
            .sign_in("olu@example.com", PASSWORD, code, Origin::default())
    };
    assert!(matches!(
        sign_in(180_000, None),
        Err(SignInFault::OneTimeCode)
    ));
    let right = code(180_000);
    assert!(sign_in(180_000, Some(&right)).is_ok());
    assert!(matches!(
        sign_in(180_001, Some(&right)),
        Err(SignInFault::OneTimeCode)
    ));
}
