//! A small HTTP server that answers as a stand-in tells it, or fails as a test tells it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        pairs(&self.body)
    }

    pub(crate) fn param(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Method and path, for matching.
    pub(crate) fn line(&self) -> (&str, Vec<&str>) {
        let path = self.path.trim_matches('/');
        (&self.method, path.split('/').collect())
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string(),
        }
    }

    pub(crate) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn not_found(request: &Request) -> Self {
        let what = format!("{} {}", request.method, request.path);
        Self::json(404, &json!({ "message": what }))
    }
}

/// A way to fail.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// Takes the request and says nothing until the client gives up.
    Hang,
    /// Takes the request and closes the connection.
    Reset,
    /// Does what it is asked, and answers only when the client has given up.
    Late,
    /// Answers this instead.
    Say(Reply),
}

type App = Box<dyn FnMut(&Request) -> Reply + Send>;
type Filter = fn(&Request) -> bool;

struct Shared {
    app: Mutex<App>,
    troubles: Mutex<VecDeque<(Filter, Trouble)>>,
    requests: Mutex<Vec<Request>>,
}

/// A stand-in's server. Its clock is told.
pub(crate) struct Server {
    url: String,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(app: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            app: Mutex::new(Box::new(app)),
            troubles: Mutex::default(),
            requests: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, shared }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Fails the next request that `filter` admits.
    pub(crate) fn trouble(&self, filter: Filter, trouble: Trouble) {
        let mut troubles = self.shared.troubles.lock().unwrap();
        troubles.push_back((filter, trouble));
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Shared {
    fn trouble_for(&self, request: &Request) -> Option<Trouble> {
        let mut troubles = self.troubles.lock().unwrap();
        let at = troubles.iter().position(|(filter, _)| filter(request))?;
        troubles.remove(at).map(|(_, trouble)| trouble)
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let Some(request) = read_request(&mut stream) else {
        return;
    };
    shared.requests.lock().unwrap().push(request.clone());
    let answer = |request: &Request| (shared.app.lock().unwrap())(request);
    match shared.trouble_for(&request) {
        Some(Trouble::Hang) => until_closed(&mut stream),
        Some(Trouble::Reset) => {}
        Some(Trouble::Late) => {
            let reply = answer(&request);
            until_closed(&mut stream);
            write_reply(&mut stream, &reply);
        }
        Some(Trouble::Say(reply)) => write_reply(&mut stream, &reply),
        None => write_reply(&mut stream, &answer(&request)),
    }
}

fn until_closed(stream: &mut TcpStream) {
    while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
}

/// The client may be gone, which is what some tests are about.
fn write_reply(stream: &mut TcpStream, reply: &Reply) {
    let mut head = format!("HTTP/1.1 {} Answer\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.status != 204 {
        head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    }
    let bytes = format!("{head}\r\n{}", reply.body);
    drop(stream.write_all(bytes.as_bytes()));
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        read_more(stream, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length");
    let length: usize = length.map_or(0, |text| text.parse().unwrap());
    assert!(!headers.contains_key("transfer-encoding"), "unsized body");
    while bytes.len() < head_end + 4 + length {
        read_more(stream, &mut bytes)?;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: pairs(query),
        headers,
        body: String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap(),
    })
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4_096];
    let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&chunk[..count]);
    Some(())
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(out).unwrap()
}
