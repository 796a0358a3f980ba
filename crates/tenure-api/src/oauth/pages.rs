//! Signing in, and allowing an application something. No script, no state but the session cookie.

use std::fmt::Write;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tenure_app::access::oauth::{Authorization, AuthorizeFault, AuthorizeRequest};
use tenure_app::access::secret::same;
use tenure_app::access::users::{SESSION_MS, SignInFault, csrf_token};
use tenure_app::access::{Actor, Scopes, User};
use tenure_app::error::AppError;

use super::form::Form;
use crate::ApiState;
use crate::caller::{Caller, SESSION_COOKIE};
use crate::page::{document, document_with_forms_to, escape};
use crate::problem::Problem;
use crate::rest::ask;

/// The parameters of an authorization request, in the order of the form.
const PARAMETERS: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/oauth/authorize", get(authorize).post(decide))
        .route("/login", get(login).post(sign_in))
        .route("/login/codes", post(begin_codes))
        .route("/login/codes/confirm", post(confirm_codes))
        .route("/logout", post(sign_out))
}

async fn authorize(State(state): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    let asked = match check(&state, caller.query.as_bytes(), &caller.issuer) {
        Ok((asked, _)) => asked,
        Err(response) => return Ok(*response),
    };
    let Some((user, secret)) = signed_in(&state, &caller).await? else {
        let next = format!("/oauth/authorize?{}", caller.query);
        return Ok(login_page(&next, None));
    };
    Ok(consent_page(
        &asked,
        &user,
        &secret,
        caller.query.as_bytes(),
    ))
}

async fn decide(
    State(state): State<ApiState>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let (asked, form) = match check(&state, &body, &caller.issuer) {
        Ok(checked) => checked,
        Err(response) => return Ok(*response),
    };
    let Some((user, _)) = meant(&state, &caller, Some(&form)).await? else {
        return Ok(refused(
            "Your session is over. Go back to the application and begin again.",
        ));
    };
    if form.get("decision") != Some("allow") {
        return Ok(see_other(&asked.denied(&caller.issuer)));
    }
    let random = std::sync::Arc::clone(&state.random);
    let url = ask(&state, move |node| {
        let registrar = node.registrar(random.as_ref());
        Ok(registrar.allow(&asked, &user, &caller.issuer, caller.origin)?)
    })
    .await?;
    Ok(see_other(&url))
}

async fn login(State(state): State<ApiState>, caller: Caller) -> Result<Response, Problem> {
    let next = Form::parse(caller.query.as_bytes()).ok();
    let next = next.and_then(|form| form.owned("next")).unwrap_or_default();
    let Some((user, secret)) = signed_in(&state, &caller).await? else {
        return Ok(login_page(&next, None));
    };
    let csrf = csrf_token(&secret);
    let codes = if user.has_one_time_codes() {
        "<p>One-time codes are asked for when you sign in.</p>".to_owned()
    } else {
        format!(
            "<form method=\"post\" action=\"/login/codes\"><input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
             <button type=\"submit\">Set up one-time codes</button></form>"
        )
    };
    let body = format!(
        "<p role=\"status\">You are signed in as {}.</p>{codes}<form method=\"post\" action=\"/logout\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\"><button type=\"submit\">Sign out</button></form>",
        escape(&user.name),
        escape(&csrf),
    );
    Ok(document("Tenure", &body))
}

async fn sign_in(
    State(state): State<ApiState>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let Ok(form) = Form::parse(&body) else {
        return Ok(refused("The form cannot be read."));
    };
    if caller.cross_site {
        return Ok(refused("The form came from another site."));
    }
    let next = form.owned("next").unwrap_or_default();
    let random = std::sync::Arc::clone(&state.random);
    let secure = caller.issuer.starts_with("https://");
    let signed = ask(&state, move |node| {
        let (email, password) = (form.get("email"), form.get("password"));
        let registrar = node.registrar(random.as_ref());
        Ok(registrar.sign_in(
            email.unwrap_or_default(),
            password.unwrap_or_default(),
            form.get("code"),
            caller.origin,
        ))
    })
    .await?;
    let signed = match signed {
        Ok(signed) => signed,
        Err(SignInFault::Server(error)) => return Err(error.into()),
        Err(fault) => return Ok(login_page(&next, Some(&fault))),
    };
    let mut response = see_other(local(&next));
    let cookie = cookie(&signed.secret, SESSION_MS / 1_000, secure);
    response
        .headers_mut()
        .extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// The user of a form that they sent themselves.
async fn meant(
    state: &ApiState,
    caller: &Caller,
    form: Option<&Form>,
) -> Result<Option<(User, String)>, Problem> {
    let session = signed_in(state, caller).await?;
    Ok(session.filter(|(_, secret)| {
        let token = form.and_then(|form| form.get("csrf")).unwrap_or_default();
        !caller.cross_site && same(token, &csrf_token(secret))
    }))
}

/// Shows the secret for an authenticator; codes are asked for after the first right one.
async fn begin_codes(
    State(state): State<ApiState>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let form = Form::parse(&body).ok();
    let Some((user, secret)) = meant(&state, &caller, form.as_ref()).await? else {
        return Ok(refused("Your session is over. Sign in again."));
    };
    let random = std::sync::Arc::clone(&state.random);
    let actor = Actor::of(&user.principal(Scopes::all()), caller.origin);
    let key = ask(&state, move |node| {
        Ok(node
            .registrar(random.as_ref())
            .begin_one_time(&user.id, &actor)?)
    })
    .await?;
    let body = format!(
        "<p>Enter this key in your authenticator, as a time-based code with six digits:</p><p><code>{key}</code></p>\
         <form method=\"post\" action=\"/login/codes/confirm\"><input type=\"hidden\" name=\"csrf\" value=\"{}\">\
         <label>The code it shows <input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required></label>\
         <button type=\"submit\">Turn on</button></form>",
        csrf_token(&secret)
    );
    Ok(document("One-time codes", &body))
}

async fn confirm_codes(
    State(state): State<ApiState>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let form = Form::parse(&body).ok();
    let Some((user, _)) = meant(&state, &caller, form.as_ref()).await? else {
        return Ok(refused("Your session is over. Sign in again."));
    };
    let code = form.and_then(|form| form.owned("code")).unwrap_or_default();
    let random = std::sync::Arc::clone(&state.random);
    let actor = Actor::of(&user.principal(Scopes::all()), caller.origin);
    let confirmed = ask(&state, move |node| {
        let registrar = node.registrar(random.as_ref());
        Ok(registrar.confirm_one_time(&user.id, &code, &actor))
    })
    .await?;
    match confirmed {
        Ok(()) => Ok(see_other("/login")),
        Err(AppError::Invalid { .. }) => Ok(refused(
            "The code is not right. Check the clock of your authenticator and set it up again.",
        )),
        Err(error) => Err(error.into()),
    }
}

async fn sign_out(
    State(state): State<ApiState>,
    caller: Caller,
    body: Bytes,
) -> Result<Response, Problem> {
    let form = Form::parse(&body).ok();
    let token = form.and_then(|form| form.owned("csrf")).unwrap_or_default();
    let secret = caller.session.clone().unwrap_or_default();
    if caller.cross_site || !same(&token, &csrf_token(&secret)) {
        return Ok(refused("The form came from another site."));
    }
    let random = std::sync::Arc::clone(&state.random);
    ask(&state, move |node| {
        Ok(node.registrar(random.as_ref()).sign_out(&secret)?)
    })
    .await?;
    let mut response = see_other("/login");
    let gone = cookie("", 0, caller.issuer.starts_with("https://"));
    response
        .headers_mut()
        .extend(gone.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

pub(crate) async fn signed_in(
    state: &ApiState,
    caller: &Caller,
) -> Result<Option<(User, String)>, Problem> {
    let Some(secret) = caller.session.clone() else {
        return Ok(None);
    };
    let random = std::sync::Arc::clone(&state.random);
    ask(state, move |node| {
        let user = node.registrar(random.as_ref()).session(&secret)?;
        Ok(user.map(|user| (user, secret)))
    })
    .await
}

/// The request, or the answer to one that is not right.
fn check(
    state: &ApiState,
    text: &[u8],
    issuer: &str,
) -> Result<(Authorization, Form), Box<Response>> {
    let form = Form::parse(text).map_err(|_| Box::new(refused("A parameter comes twice.")))?;
    let asked = AuthorizeRequest {
        response_type: form.owned("response_type"),
        client_id: form.owned("client_id"),
        redirect_uri: form.owned("redirect_uri"),
        scope: form.owned("scope"),
        state: form.owned("state"),
        code_challenge: form.owned("code_challenge"),
        code_challenge_method: form.owned("code_challenge_method"),
    };
    match state.node.access().check_authorization(&asked, issuer) {
        Ok(authorization) => Ok((authorization, form)),
        Err(AuthorizeFault::Shown(why)) => Err(Box::new(refused(why))),
        Err(AuthorizeFault::Redirect(url)) => Err(Box::new(see_other(&url))),
    }
}

fn refused(why: &str) -> Response {
    let page = document(
        "Not possible",
        &format!("<p role=\"alert\">{}</p>", escape(why)),
    );
    (StatusCode::BAD_REQUEST, page).into_response()
}

fn login_page(next: &str, fault: Option<&SignInFault>) -> Response {
    let mut body = String::new();
    if let Some(fault) = fault {
        let _ = write!(
            body,
            "<p role=\"alert\">{}.</p>",
            escape(&fault.to_string())
        );
    }
    let _ = write!(
        body,
        "<form method=\"post\" action=\"/login\"><input type=\"hidden\" name=\"next\" value=\"{}\">\
         <label>E-mail address <input name=\"email\" type=\"email\" autocomplete=\"username\" required></label>\
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         <label>One-time code, if you use an authenticator <input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\"></label>\
         <button type=\"submit\">Sign in</button></form>",
        escape(local(next))
    );
    let page = document("Sign in to Tenure", &body);
    match fault {
        None => page,
        Some(SignInFault::Locked) => (StatusCode::TOO_MANY_REQUESTS, page).into_response(),
        Some(_) => (StatusCode::UNAUTHORIZED, page).into_response(),
    }
}

fn consent_page(asked: &Authorization, user: &User, secret: &str, query: &[u8]) -> Response {
    let scopes = asked.scopes.intersection(user.role.scopes());
    let target: String = asked.redirect_uri.chars().take(300).collect();
    let mut body = format!(
        "<p><strong>{}</strong> wants to act for you, {}. It may:</p><ul>",
        escape(&asked.client.name),
        escape(&user.name)
    );
    for scope in scopes.iter() {
        let _ = write!(
            body,
            "<li>{} (<code>{scope}</code>)</li>",
            escape(scope.about())
        );
    }
    let _ = write!(
        body,
        "</ul><p>You will go on to <code>{}</code>.</p><form method=\"post\" action=\"/oauth/authorize\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\">",
        escape(&target),
        escape(&csrf_token(secret))
    );
    let given = Form::parse(query).ok();
    for name in PARAMETERS {
        if let Some(value) = given.as_ref().and_then(|form| form.get(name)) {
            let _ = write!(
                body,
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                escape(value)
            );
        }
    }
    body.push_str(
        "<button name=\"decision\" value=\"allow\">Allow</button> <button name=\"decision\" value=\"deny\">Refuse</button></form>",
    );
    document_with_forms_to("Allow access?", &body, &origin_of(&asked.redirect_uri))
}

/// Scheme, host and port of an address: what the answer to the form may lead to.
fn origin_of(uri: &str) -> String {
    let rest = uri.split_once("://");
    rest.map_or_else(String::new, |(scheme, rest)| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // Nothing that would end the directive may come from an address.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if host.chars().all(plain) {
            format!("{scheme}://{host}")
        } else {
            String::new()
        }
    })
}

/// A path on this server; never an address elsewhere.
fn local(next: &str) -> &str {
    let safe = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(char::is_control);
    if safe { next } else { "/login" }
}

fn see_other(target: &str) -> Response {
    let Ok(target) = HeaderValue::from_str(target) else {
        return refused("The address to go to is not valid.");
    };
    let headers = [
        (header::LOCATION, target),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

pub(crate) fn cookie(secret: &str, max_age_s: i64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    // Lax, not Strict: the way back from an application to the consent page is a cross-site link.
    let text = format!(
        "{SESSION_COOKIE}={secret}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"
    );
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_adds_nothing_to_the_policy_but_its_origin() {
        for (uri, origin) in [
            ("https://a.example.com/cb?x=1", "https://a.example.com"),
            ("http://127.0.0.1:5123/cb", "http://127.0.0.1:5123"),
            ("http://[::1]:5123/cb", "http://[::1]:5123"),
            ("https://a.example.com;script-src/cb", ""),
            ("https://a.example.com,*/cb", ""),
        ] {
            assert_eq!(origin_of(uri), origin);
        }
    }

    #[test]
    fn signing_in_leads_nowhere_else() {
        for (next, wanted) in [
            ("/oauth/authorize?x=1", "/oauth/authorize?x=1"),
            ("//evil.example.com", "/login"),
            ("/\\evil.example.com", "/login"),
            ("https://evil.example.com", "/login"),
            ("", "/login"),
        ] {
            assert_eq!(local(next), wanted);
        }
    }
}
