//! The socket under an SMTP dialogue: whole writes and whole replies, each with a deadline.
//!
//! `lettre` has the protocol: commands, the reply parser, extensions, authentication. It does not let go of its socket,
//! though, and three things need one: telling a failed write before the final dot from a lost reply after it (the
//! difference between "safe to retry" and "unknown"), `TCP_NODELAY` (without it each message waits 40 ms for a delayed
//! acknowledgement, as body and final dot are two writes), and seeing that an idle connection was closed without a
//! round trip.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Most bytes of one reply. RFC 5321 allows 512 a line; EHLO has a dozen lines.
const REPLY_MAX_BYTES: usize = 32 * 1024;
/// Bytes read from the socket at a time.
const READ_CHUNK_BYTES: usize = 2 * 1024;
/// Shortest socket timeout, since zero means none.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// Why nothing more can be said over this socket.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The deadline passed.
    Timeout,
    /// The other side closed or reset.
    Closed,
    /// What came is not SMTP.
    Protocol(&'static str),
    /// TLS or another failure of the socket.
    Io(String),
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timeout => f.write_str("timed out"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Protocol(what) => write!(f, "the server does not speak SMTP: {what}"),
            Self::Io(what) => f.write_str(what),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::TimedOut | Kind::WouldBlock => Self::Timeout,
            Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe => Self::Closed,
            _ => Self::Io(crate::redact_addresses(&error.to_string())),
        }
    }
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Only while an upgrade to TLS is under way or has failed.
    Gone,
}

/// A connected socket and what was read ahead from it.
pub(super) struct Link {
    socket: Socket,
    inbox: Vec<u8>,
}

impl Link {
    /// Tries each address of the host until one connects.
    pub(super) fn connect(host: &str, port: u16, deadline: Instant) -> Result<Self, LinkError> {
        let mut last_error = LinkError::Io(format!("no address found for host `{host}`"));
        let addresses = (host, port)
            .to_socket_addrs()
            .map_err(|_| LinkError::Io(format!("host `{host}` cannot be resolved")))?;
        for address in addresses {
            match TcpStream::connect_timeout(&address, remaining(deadline)?) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self {
                        socket: Socket::Plain(stream),
                        inbox: Vec::new(),
                    });
                }
                Err(error) => last_error = error.into(),
            }
        }
        Err(last_error)
    }

    /// Shakes hands for TLS, checking the certificate against `host`.
    pub(super) fn upgrade(
        &mut self,
        config: &Arc<ClientConfig>,
        host: &str,
        deadline: Instant,
    ) -> Result<(), LinkError> {
        if !self.inbox.is_empty() {
            // Plain text that came with the STARTTLS reply could be a command injected before encryption began.
            return Err(LinkError::Protocol("data before the TLS handshake"));
        }
        let Socket::Plain(tcp) = std::mem::replace(&mut self.socket, Socket::Gone) else {
            return Err(LinkError::Protocol("TLS inside TLS"));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            LinkError::Io(format!("`{host}` cannot be checked against a certificate"))
        })?;
        let client = ClientConnection::new(Arc::clone(config), name)
            .map_err(|error| LinkError::Io(error.to_string()))?;
        let mut tls = Box::new(StreamOwned::new(client, tcp));
        while tls.conn.is_handshaking() {
            set_timeouts(&tls.sock, remaining(deadline)?)?;
            tls.conn.complete_io(&mut tls.sock).map_err(tls_error)?;
        }
        self.socket = Socket::Tls(tls);
        Ok(())
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.socket, Socket::Tls(_))
    }

    /// Whether an idle connection is still as it was left: open, and nothing said by the server since.
    ///
    /// Unasked data is a farewell (`421`), or a TLS close; either way the connection is not used again.
    pub(super) fn is_quiet(&self) -> bool {
        let Some(tcp) = self.tcp() else { return false };
        if !self.inbox.is_empty() || tcp.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = tcp.peek(&mut [0]);
        let quiet = matches!(&peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        quiet && tcp.set_nonblocking(false).is_ok()
    }

    /// Hands every byte to the system. An error means that the last byte was not handed over.
    pub(super) fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), LinkError> {
        while !bytes.is_empty() {
            self.set_timeouts(deadline)?;
            match self.writer()?.write(bytes) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.set_timeouts(deadline)?;
        Ok(self.writer()?.flush()?)
    }

    /// Reads one whole reply, of one or more lines.
    pub(super) fn read_reply(&mut self, deadline: Instant) -> Result<Response, LinkError> {
        let mut chunk = [0; READ_CHUNK_BYTES];
        loop {
            if let Some(end) = reply_end(&self.inbox)? {
                let reply: Vec<u8> = self.inbox.drain(..end).collect();
                let text = String::from_utf8_lossy(&reply);
                return Response::from_str(&text)
                    .map_err(|_| LinkError::Protocol("malformed reply"));
            }
            if self.inbox.len() > REPLY_MAX_BYTES {
                return Err(LinkError::Protocol("reply over 32 KiB"));
            }
            self.set_timeouts(deadline)?;
            match self.reader()?.read(&mut chunk) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(count) => self.inbox.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match &self.socket {
            Socket::Plain(tcp) => Some(tcp),
            Socket::Tls(tls) => Some(&tls.sock),
            Socket::Gone => None,
        }
    }

    fn set_timeouts(&self, deadline: Instant) -> Result<(), LinkError> {
        let left = remaining(deadline)?;
        self.tcp()
            .map_or(Err(LinkError::Closed), |tcp| set_timeouts(tcp, left))
    }

    fn writer(&mut self) -> Result<&mut dyn Write, LinkError> {
        match &mut self.socket {
            Socket::Plain(tcp) => Ok(tcp),
            Socket::Tls(tls) => Ok(tls.as_mut()),
            Socket::Gone => Err(LinkError::Closed),
        }
    }

    fn reader(&mut self) -> Result<&mut dyn Read, LinkError> {
        match &mut self.socket {
            Socket::Plain(tcp) => Ok(tcp),
            Socket::Tls(tls) => Ok(tls.as_mut()),
            Socket::Gone => Err(LinkError::Closed),
        }
    }
}

fn set_timeouts(tcp: &TcpStream, left: Duration) -> Result<(), LinkError> {
    tcp.set_read_timeout(Some(left))?;
    Ok(tcp.set_write_timeout(Some(left))?)
}

fn remaining(deadline: Instant) -> Result<Duration, LinkError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(LinkError::Timeout);
    }
    Ok(left.max(TIMEOUT_MIN))
}

fn tls_error(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::InvalidData => LinkError::Io(format!("TLS handshake failed: {error}")),
        _ => error.into(),
    }
}

/// Where the first whole reply in `inbox` ends. Its last line has no `-` behind the code.
fn reply_end(inbox: &[u8]) -> Result<Option<usize>, LinkError> {
    let mut start = 0;
    while let Some(length) = inbox[start..].iter().position(|byte| *byte == b'\n') {
        let line = &inbox[start..start + length];
        let has_code = line.len() >= 3 && line[..3].iter().all(u8::is_ascii_digit);
        if !has_code {
            return Err(LinkError::Protocol("a reply without a code"));
        }
        start += length + 1;
        if line.get(3) != Some(&b'-') {
            return Ok(Some(start));
        }
    }
    Ok(None)
}
