//! Bodies: size, compression, text.

use std::io::Read;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;

use crate::problem::{Code, Problem};

/// Reads a body of at most `limit_bytes`, before and after decompression.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit_bytes: usize,
) -> Result<Bytes, Problem> {
    let bytes = to_bytes(body, limit_bytes)
        .await
        .map_err(|_| too_large(limit_bytes))?;
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or(b"".as_slice(), |value| value.as_bytes());
    match encoding {
        b"" | b"identity" => Ok(bytes),
        b"gzip" | b"x-gzip" => gunzip(&bytes, limit_bytes).map(Bytes::from),
        _ => Err(
            Problem::new(Code::UnsupportedEncoding, "`Content-Encoding` is not gzip")
                .field("Content-Encoding"),
        ),
    }
}

/// A body as text.
pub(crate) fn text(bytes: &Bytes) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        Problem::new(
            Code::MalformedBody,
            format!("it is not UTF-8 at byte {}", error.valid_up_to()),
        )
    })
}

/// Decompresses, stopping at the limit: a small body may pretend to be gigabytes.
fn gunzip(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity((bytes.len() * 4).min(limit_bytes));
    let mut reader = MultiGzDecoder::new(bytes).take(limit_bytes as u64 + 1);
    reader.read_to_end(&mut out).map_err(|_| {
        Problem::new(
            Code::MalformedBody,
            "it is not valid gzip, though `Content-Encoding` says so",
        )
    })?;
    if out.len() > limit_bytes {
        return Err(too_large(limit_bytes));
    }
    Ok(out)
}

fn too_large(limit_bytes: usize) -> Problem {
    Problem::new(
        Code::TooLarge,
        format!("the body is larger than {limit_bytes} bytes"),
    )
}
