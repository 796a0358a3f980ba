//! Query parameters: what nobody knows is refused, with what is known.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tenure_store::Page;
use tenure_store::query::MAX_PAGE_ROWS;

use crate::ingest::{body_text, read_body};
use crate::problem::{Code, Problem};

/// A JSON body, whatever its content type says; an empty one is `{}`.
pub(super) struct Input<T>(pub(super) T);

/// A body without anything in it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, crate::BODY_BYTES).await?;
        let text = if bytes.is_empty() {
            "{}"
        } else {
            body_text(&bytes)?
        };
        serde_json::from_str(text).map(Self).map_err(|error| {
            // The text of a data error names the field; it quotes no values of text fields.
            Problem::new(Code::MalformedBody, error.to_string())
        })
    }
}

/// The parameters of a request.
pub(super) struct Params(BTreeMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri)
            .map(|query| Self(query.0))
            .map_err(|_| Problem::invalid("query", "cannot be read"))
    }
}

impl Params {
    /// Refuses parameters other than these.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        let unknown = self.0.keys().find(|name| !known.contains(&name.as_str()));
        let Some(unknown) = unknown else {
            return Ok(self);
        };
        let shown: String = unknown.chars().take(40).collect();
        let fix = match known {
            [] => "this path takes none; remove it".to_owned(),
            _ => format!("those known here are: {}", known.join(", ")),
        };
        Err(Problem::new(
            Code::UnknownParameter,
            format!("`{shown}` is not a parameter of this path"),
        )
        .field(shown)
        .fix(fix))
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|text| !text.is_empty()).cloned()
    }

    /// A parameter of some printed form.
    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let text = self.text(name);
        let parsed = text.map(|text| {
            text.parse()
                .map_err(|error: T::Err| Problem::invalid(name, format!("is not right: {error}")))
        });
        parsed.transpose()
    }

    /// A parameter that is one of a set of words.
    pub(super) fn word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        // The error lists the words there are.
        serde_json::from_value(text.into())
            .map(Some)
            .map_err(|error| Problem::invalid(name, format!("is not right: {error}")))
    }

    /// `cursor` and `limit`.
    pub(super) fn page(&self) -> Result<Page, Problem> {
        let limit = self.parsed::<usize>("limit")?.unwrap_or(50);
        if limit == 0 || limit > MAX_PAGE_ROWS {
            return Err(Problem::invalid(
                "limit",
                format!("must be 1 to {MAX_PAGE_ROWS}"),
            ));
        }
        Ok(Page {
            after: self.text("cursor"),
            limit,
        })
    }
}

/// Reads a list with one row more than wanted, to know whether it goes on. The store never gives
/// more than its own most, so a full page of that size always has a next one.
pub(super) fn one_more(page: &Page) -> Page {
    Page {
        after: page.after.clone(),
        limit: page.limit + 1,
    }
}
