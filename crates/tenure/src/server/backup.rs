//! `GET /api/v1/backup`: a consistent copy of the store as a stream, while work goes on.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tenure_api::problem::{Code, Problem};
use tenure_app::access::Scope;
use tenure_app::node::Node;
use tokio_util::io::ReaderStream;

/// What the route needs.
#[derive(Clone)]
struct Source {
    node: Arc<Node>,
    /// The copy is made here first, on the same disk as the data.
    folder: PathBuf,
}

/// The route.
pub(crate) fn routes(node: &Arc<Node>, folder: PathBuf) -> Router {
    let source = Source {
        node: Arc::clone(node),
        folder,
    };
    Router::new()
        .route("/api/v1/backup", get(backup))
        .with_state(source)
}

async fn backup(State(source): State<Source>, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let caller = token.and_then(|token| source.node.authenticate(token));
    // A copy holds everything, so nothing less than administration will do.
    match caller {
        Some(caller) if caller.may(Scope::Admin) => {}
        Some(_) => return Problem::missing_scope(Scope::Admin).into_response(),
        None => {
            return Problem::new(Code::Unauthorized, "the token is not this workspace's")
                .into_response();
        }
    }
    let copied = tokio::task::spawn_blocking(move || copy(&source)).await;
    match copied {
        Ok(Ok(file)) => {
            let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
            ([(header::CONTENT_TYPE, "application/vnd.sqlite3")], body).into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(error = format!("{error:#}"), "a backup failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Makes the copy and opens it. Its name is gone before it is read, so it vanishes with the request.
fn copy(source: &Source) -> anyhow::Result<std::fs::File> {
    let folder = tempfile::Builder::new()
        .prefix(".backup-")
        .tempdir_in(&source.folder)?;
    let path = folder.path().join("copy.db");
    source.node.store().backup(&path, &mut |_, _| {})?;
    Ok(std::fs::File::open(path)?)
}
