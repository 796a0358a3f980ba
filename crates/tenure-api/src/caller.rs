//! Where a request comes from, and what it says about itself.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use tenure_app::access::Origin;

use crate::ApiState;

/// Name of the cookie that holds a session.
pub(crate) const SESSION_COOKIE: &str = "tenure_session";

/// Peer, proxies and program of a request.
pub(crate) fn origin(parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    Origin::new(
        peer.map(|ConnectInfo(address)| address.ip().to_string()),
        text(&parts.headers, "x-forwarded-for"),
        text(&parts.headers, header::USER_AGENT.as_str()),
    )
}

/// The text of a header.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The secret of the session that a browser sends along.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// A page of another site made the browser send this: what changes something is refused. `issuer`
/// is this server's address; a proxy may have changed the `Host` of the request.
pub(crate) fn is_cross_site(headers: &HeaderMap, issuer: &str) -> bool {
    let site = text(headers, "sec-fetch-site");
    if site.is_some_and(|site| site == "cross-site" || site == "same-site") {
        return true;
    }
    let Some(origin) = text(headers, header::ORIGIN.as_str()) else {
        return false;
    };
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    let own = origin
        .split_once("://")
        .is_some_and(|(_, rest)| rest == host);
    !own && origin != issuer
}

/// Facts about a request that pages and the token endpoint need.
pub(crate) struct Caller {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// The address of this server, as clients know it.
    pub(crate) issuer: String,
    /// The secret of the browser's session.
    pub(crate) session: Option<String>,
    /// Another site made the browser send it.
    pub(crate) cross_site: bool,
    /// The query, as it came.
    pub(crate) query: String,
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ApiState,
    ) -> Result<Self, Self::Rejection> {
        let issuer = state.issuer(&parts.headers);
        Ok(Self {
            origin: origin(parts),
            session: session_cookie(&parts.headers),
            cross_site: is_cross_site(&parts.headers, &issuer),
            issuer,
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_of_another_origin_is_cross_site_also_behind_a_proxy() {
        let issuer = "https://tenure.example.com";
        for (name, value, cross) in [
            ("origin", "https://tenure.example.com", false),
            ("origin", "http://127.0.0.1:8080", false),
            ("origin", "https://evil.example.com", true),
            ("origin", "null", true),
            ("sec-fetch-site", "cross-site", true),
            ("sec-fetch-site", "same-site", true),
            ("sec-fetch-site", "same-origin", false),
            ("accept", "*/*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:8080"));
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(is_cross_site(&headers, issuer), cross, "{name}: {value}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(
            "cookie",
            HeaderValue::from_static("a=b; tenure_session=s=1"),
        );
        headers.append("cookie", HeaderValue::from_static("c=d"));
        assert_eq!(session_cookie(&headers).as_deref(), Some("s=1"));
        headers.remove("cookie");
        assert_eq!(session_cookie(&headers), None);
    }
}
