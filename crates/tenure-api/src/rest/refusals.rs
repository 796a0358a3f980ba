//! How every operation refuses, in the OpenAPI document.

use utoipa::openapi::{
    Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, path::Operation, path::PathItem,
};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::ProblemDocument;

/// The media type of problem documents.
const PROBLEM: &str = "application/problem+json";

/// Says of every operation that it may answer with a problem document.
pub(super) fn describe(api: &mut OpenApi) {
    let name = ProblemDocument::name().into_owned();
    let components = api.components.get_or_insert_default();
    components
        .schemas
        .insert(name.clone(), ProblemDocument::schema());
    let mut schemas = Vec::new();
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for item in api.paths.paths.values_mut() {
        for operation in operations(item) {
            refuse(operation, &name);
        }
    }
}

fn refuse(operation: &mut Operation, name: &str) {
    let problem = || Content::new(Some(RefOr::Ref(Ref::from_schema_name(name))));
    let responses = &mut operation.responses.responses;
    // The answers of refusals that handlers describe have another media type; they are told once.
    responses.retain(|status, _| !matches!(status.as_str(), "412" | "422"));
    for (status, response) in responses.iter_mut() {
        if let (true, RefOr::T(Response { content, .. })) = (status.starts_with('4'), response) {
            content.insert(PROBLEM.to_owned(), RefOr::T(problem()));
        }
    }
    let refusal = ResponseBuilder::new()
        .description("A problem: what went wrong, and what to do about it")
        .content(PROBLEM, problem())
        .build();
    responses.insert("default".to_owned(), RefOr::T(refusal));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}
