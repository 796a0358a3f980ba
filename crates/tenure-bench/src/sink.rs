//! A mail server that takes everything and notes when each mail was whole, by recipient.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use parking_lot::Mutex;

/// One mail that came in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Address of the first recipient.
    pub(crate) recipient: String,
    /// When the final dot had been read.
    pub(crate) at: Instant,
}

/// A running sink. Its threads end with the process.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    count: Arc<AtomicU64>,
}

impl Sink {
    /// Listens on a free port of this machine.
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Self {
            address: listener.local_addr()?,
            arrivals: Arc::default(),
            count: Arc::default(),
        };
        let acceptor = sink.clone();
        std::thread::Builder::new()
            .name("smtp-sink".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let sink = acceptor.clone();
                    std::thread::spawn(move || drop(sink.converse(&stream)));
                }
            })?;
        Ok(sink)
    }

    /// Where it listens, as `TENURE_SMTP_URL` wants it.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// How many mails came in since the last [`Sink::take`].
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Takes out what came in.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        let mut arrivals = self.arrivals.lock();
        self.count.store(0, Ordering::Release);
        std::mem::take(&mut *arrivals)
    }

    fn converse(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        let mut writer = BufWriter::new(stream);
        writer.write_all(b"220 sink.example.com ESMTP\r\n")?;
        let mut recipient = String::new();
        let mut line = Vec::new();
        loop {
            // With PIPELINING, replies wait until the client has said all it had to say.
            if reader.buffer().is_empty() {
                writer.flush()?;
            }
            line.clear();
            if reader
                .by_ref()
                .take(64 * 1024)
                .read_until(b'\n', &mut line)?
                == 0
            {
                return writer.flush();
            }
            let text = String::from_utf8_lossy(&line);
            let verb: String = text
                .chars()
                .take(4)
                .collect::<String>()
                .to_ascii_uppercase();
            let reply: &[u8] = match verb.as_str() {
                "EHLO" => {
                    b"250-sink.example.com\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
                }
                "RCPT" => {
                    recipient = address_of(&text);
                    b"250 2.1.5 taken\r\n"
                }
                "DATA" => {
                    writer.write_all(b"354 go on\r\n")?;
                    writer.flush()?;
                    read_mail(&mut reader, &mut line)?;
                    self.note(std::mem::take(&mut recipient));
                    b"250 2.0.0 taken\r\n"
                }
                "QUIT" => {
                    writer.write_all(b"221 2.0.0 bye\r\n")?;
                    return writer.flush();
                }
                _ => b"250 2.0.0 fine\r\n",
            };
            writer.write_all(reply)?;
        }
    }

    fn note(&self, recipient: String) {
        let at = Instant::now();
        self.arrivals.lock().push(Arrival { recipient, at });
        self.count.fetch_add(1, Ordering::Release);
    }
}

fn read_mail(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        line.clear();
        let ended = reader.read_until(b'\n', line)? == 0;
        if ended {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(());
        }
    }
}

fn address_of(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside
        .map(|(address, _)| address.to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipelined_mail_is_taken_and_noted_by_its_recipient() {
        let sink = Sink::start().unwrap();
        let mut stream = TcpStream::connect(sink.address).unwrap();
        stream
            .write_all(
                b"EHLO a\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
            )
            .unwrap();
        stream
            .write_all(b"Subject: x\r\n\r\n.. dot\r\n.\r\nQUIT\r\n")
            .unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let codes: Vec<&str> = said.lines().map(|line| &line[..3]).collect();
        assert_eq!(
            codes,
            [
                "220", "250", "250", "250", "250", "250", "250", "354", "250", "221"
            ],
            "{said}"
        );
        let arrivals = sink.take();
        assert_eq!(arrivals.len(), 1);
        assert_eq!(arrivals[0].recipient, "b@example.com");
        assert_eq!(sink.count(), 0);
    }
}
