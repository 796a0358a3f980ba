//! A mail server that follows a script, one script a connection, and records what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does at one stage.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Answers with these words.
    Say(&'static str),
    /// Says nothing and keeps the connection open until the test ends.
    Hang,
    /// Closes the connection.
    Close,
    /// Answers, then closes.
    SayAndClose(&'static str),
    /// Sends bytes that are half a reply, then closes.
    Half(&'static str),
}

/// One connection's behaviour. The default accepts everything.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) greeting: Act,
    pub(crate) extensions: &'static [&'static str],
    pub(crate) auth: Act,
    pub(crate) mail: Act,
    /// Says 421 and closes at MAIL once it has taken this many messages.
    pub(crate) leaves_after: Option<usize>,
    pub(crate) rcpt: Act,
    pub(crate) data: Act,
    /// While the body arrives: `None` reads it all.
    pub(crate) body: Option<Act>,
    pub(crate) dot: Act,
    pub(crate) rset: Act,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: Act::Say("220 mx.example.com ESMTP"),
            extensions: &["8BITMIME", "AUTH PLAIN LOGIN"],
            auth: Act::Say("235 2.7.0 ok"),
            mail: Act::Say("250 2.1.0 ok"),
            leaves_after: None,
            rcpt: Act::Say("250 2.1.5 ok"),
            data: Act::Say("354 go on"),
            body: None,
            dot: Act::Say("250 2.0.0 Ok: queued as Q1"),
            rset: Act::Say("250 ok"),
        }
    }
}

/// What one connection saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) commands: Vec<String>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) encrypted: bool,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    closed: Mutex<Receiver<()>>,
    /// Hanging connections wait for this to be dropped.
    _alive: Sender<()>,
}

impl Server {
    /// Starts a server that plays `scripts` on successive connections, the last one for all further ones.
    pub(crate) fn start(scripts: Vec<Script>) -> Self {
        Self::start_with_tls(scripts, None)
    }

    pub(crate) fn start_with_tls(scripts: Vec<Script>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (alive, hold) = channel::<()>();
        let hold = Arc::new(Mutex::new(hold));
        let (closed_sender, closed) = channel();
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                let script = scripts[index.min(scripts.len() - 1)].clone();
                log.lock().unwrap().push(Seen::default());
                let (log, hold, tls, closed) = (
                    Arc::clone(&log),
                    Arc::clone(&hold),
                    tls.clone(),
                    closed_sender.clone(),
                );
                thread::spawn(move || {
                    let mut play = Play {
                        script,
                        log,
                        index,
                        hold,
                    };
                    play.run(stream, tls);
                    let _ = closed.send(());
                });
            }
        });
        Self {
            port,
            seen,
            closed: Mutex::new(closed),
            _alive: alive,
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns once the server has closed one more connection.
    pub(crate) fn wait_closed(&self) {
        self.closed.lock().unwrap().recv().unwrap();
    }
}

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

struct Play {
    script: Script,
    log: Arc<Mutex<Vec<Seen>>>,
    index: usize,
    hold: Arc<Mutex<Receiver<()>>>,
}

enum Next {
    Go,
    StartTls,
    Stop,
}

impl Play {
    fn run(&mut self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        stream.set_nodelay(true).unwrap();
        let raw = stream.try_clone().unwrap();
        let mut reader = BufReader::new(Box::new(stream) as Box<dyn Duplex>);
        if !self.act(self.script.greeting, &mut reader) {
            return;
        }
        if !matches!(self.talk(&mut reader), Next::StartTls) {
            return;
        }
        let server =
            ServerConnection::new(tls.expect("a script with STARTTLS needs a certificate"))
                .unwrap();
        self.log.lock().unwrap()[self.index].encrypted = true;
        let stream = StreamOwned::new(server, raw);
        let mut reader = BufReader::new(Box::new(stream) as Box<dyn Duplex>);
        self.talk(&mut reader);
    }

    fn talk(&mut self, reader: &mut BufReader<Box<dyn Duplex>>) -> Next {
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return Next::Stop;
            }
            let line = line.trim_end().to_owned();
            self.log.lock().unwrap()[self.index]
                .commands
                .push(line.clone());
            match self.step(&line, reader) {
                Next::Go => {}
                end => return end,
            }
        }
    }

    fn step(&mut self, line: &str, reader: &mut BufReader<Box<dyn Duplex>>) -> Next {
        let verb = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
        let go = match verb.as_str() {
            "EHLO" => {
                let mut reply = String::from("250-mx.example.com\r\n");
                for extension in self.script.extensions {
                    reply.extend(["250-", extension, "\r\n"]);
                }
                reply.push_str("250 HELP\r\n");
                reader.get_mut().write_all(reply.as_bytes()).is_ok()
            }
            "STARTTLS" => {
                return if self.act(Act::Say("220 ready"), reader) {
                    Next::StartTls
                } else {
                    Next::Stop
                };
            }
            "AUTH" => self.act(self.script.auth, reader),
            "MAIL" => {
                let taken = self.log.lock().unwrap()[self.index].messages.len();
                let leaves = self.script.leaves_after == Some(taken);
                let act = if leaves {
                    Act::SayAndClose("421 4.7.0 enough for now")
                } else {
                    self.script.mail
                };
                self.act(act, reader)
            }
            "RCPT" => self.act(self.script.rcpt, reader),
            "RSET" => self.act(self.script.rset, reader),
            "DATA" => self.act(self.script.data, reader) && self.body(reader),
            "QUIT" => false,
            _ => self.act(Act::Say("500 what"), reader),
        };
        if go { Next::Go } else { Next::Stop }
    }

    fn body(&mut self, reader: &mut BufReader<Box<dyn Duplex>>) -> bool {
        if !matches!(self.script.data, Act::Say(words) if words.starts_with("354")) {
            return true;
        }
        if let Some(act) = self.script.body {
            return self.act(act, reader);
        }
        let mut message = Vec::new();
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                return false;
            }
            if line == b".\r\n" {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        self.log.lock().unwrap()[self.index].messages.push(message);
        self.act(self.script.dot, reader)
    }

    fn act(&self, act: Act, reader: &mut BufReader<Box<dyn Duplex>>) -> bool {
        let stream = reader.get_mut();
        match act {
            Act::Say(words) => stream
                .write_all(format!("{words}\r\n").as_bytes())
                .and_then(|()| stream.flush())
                .is_ok(),
            Act::SayAndClose(words) => {
                let _ = stream.write_all(format!("{words}\r\n").as_bytes());
                false
            }
            Act::Half(words) => {
                let _ = stream.write_all(words.as_bytes());
                false
            }
            Act::Close => false,
            Act::Hang => {
                let _ = self.hold.lock().unwrap().recv();
                false
            }
        }
    }
}

/// A certificate for `localhost` made on the spot: the server's settings, and the PEM that clients trust.
pub(crate) fn localhost_certificate() -> (Arc<ServerConfig>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config), pem(made.cert.der()))
}

fn pem(der: &[u8]) -> Vec<u8> {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
    .into_bytes()
}
