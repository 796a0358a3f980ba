//! A small HTTP/1.1 client that keeps its connection: the load must cost little beside the server it measures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The longest head of an answer that is read, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);

/// One connection to the server, kept alive.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// `Retry-After`, if the server asked for it.
    pub(crate) retry_after_s: Option<u64>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

struct Head {
    status: u16,
    length_bytes: usize,
    is_chunked: bool,
    retry_after_s: Option<u64>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(MAX_HEAD_BYTES),
        })
    }

    /// Sends a whole request and reads the answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream
            .write_all(request)
            .context("the server closed the connection")?;
        let head_end = loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                break at + 4;
            }
            if self.received.len() > MAX_HEAD_BYTES {
                bail!("the head of an answer is longer than {MAX_HEAD_BYTES} bytes");
            }
            self.read_more()?;
        };
        let head = parse_head(&self.received[..head_end])?;
        self.received.drain(..head_end);
        let body = if head.is_chunked {
            self.chunked_body()?
        } else {
            self.take(head.length_bytes)?
        };
        Ok(Answer {
            status: head.status,
            retry_after_s: head.retry_after_s,
            body,
        })
    }

    fn read_more(&mut self) -> Result<()> {
        let mut block = [0; 16 * 1024];
        let count = self
            .stream
            .read(&mut block)
            .context("no answer from the server")?;
        if count == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
        self.received.extend_from_slice(&block[..count]);
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.received.len() < count {
            self.read_more()?;
        }
        let rest = self.received.split_off(count);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    fn chunked_body(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = find(&self.received, b"\r\n") {
                    break at;
                }
                self.read_more()?;
            };
            let line = self.take(line_end + 2)?;
            let size = std::str::from_utf8(&line)
                .ok()
                .and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
            let size = size.context("a chunk of an answer has no size")?;
            body.extend_from_slice(&self.take(size + 2)?[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

impl Answer {
    /// The body as JSON; an error that quotes the body when the status says so.
    pub(crate) fn json(&self) -> Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        if !(200..300).contains(&self.status) {
            bail!("the server answered {}: {text}", self.status);
        }
        serde_json::from_str(&text).with_context(|| format!("the answer is not JSON: {text}"))
    }
}

/// A request with a JSON body.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Vec<u8> {
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn parse_head(head: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(head).context("the head of an answer is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let mut parsed = Head {
        status: status.context("an answer has no status")?,
        length_bytes: 0,
        is_chunked: false,
        retry_after_s: None,
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                parsed.length_bytes = value
                    .parse()
                    .context("the length of an answer is no number")?;
            }
            "transfer-encoding" => parsed.is_chunked = value.eq_ignore_ascii_case("chunked"),
            "retry-after" => parsed.retry_after_s = value.parse().ok(),
            _ => {}
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answer_to_one_request(answer: &'static [u8]) -> Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection comes");
            let mut block = [0; 1024];
            let count = stream.read(&mut block).expect("a request comes");
            assert!(count > 0);
            for part in answer.chunks(7) {
                stream.write_all(part).expect("the client reads");
            }
        });
        let answer = Connection::open(address)?.send(&request("GET", "/", None, b""));
        server.join().expect("the server ends");
        answer
    }

    #[test]
    fn a_body_of_known_length_is_read_whole() {
        let answer = answer_to_one_request(
            b"HTTP/1.1 429 Slow\r\ncontent-length: 7\r\nRetry-After: 2\r\n\r\n{\"a\":1}",
        )
        .unwrap();
        assert_eq!((answer.status, answer.retry_after_s), (429, Some(2)));
        assert_eq!(answer.body, b"{\"a\":1}");
        assert!(answer.json().unwrap_err().to_string().contains("429"));
    }

    #[test]
    fn chunks_are_put_together() {
        let answer = answer_to_one_request(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
        );
        assert_eq!(answer.unwrap().json().unwrap()["a"], 1);
    }

    #[test]
    fn a_closed_connection_is_an_error_and_no_empty_answer() {
        let error = answer_to_one_request(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort")
            .unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
    }
}
