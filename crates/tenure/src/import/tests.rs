use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use super::*;
use crate::client::Remote;

const MAPPING: &str = "import: people\noutputs: [{ kind: people, user_id: id, traits: { n: { column: n, type: number } } }]";

/// A server that answers as many import requests as it has answers, and then goes away. It gives back what it was sent.
fn server(answers: Vec<(u16, Value)>) -> (String, std::thread::JoinHandle<Vec<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, answer) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            requests.push(body["calls"].as_array().unwrap().clone());
            let text = answer.to_string();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
        }
        requests
    });
    (url, thread)
}

struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new(row_count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows: String = (1..=row_count)
            .flat_map(|number| {
                [
                    "u".to_owned(),
                    number.to_string(),
                    ",".to_owned(),
                    number.to_string(),
                    "\n".to_owned(),
                ]
            })
            .collect();
        std::fs::write(folder.path().join("people.csv"), format!("id,n\n{rows}")).unwrap();
        Self { folder }
    }

    fn job(&self) -> Job {
        let path = |name: &str| self.folder.path().join(name);
        Job {
            source: path("people.csv"),
            mapping: Mapping::parse(MAPPING).unwrap(),
            state: path("state.json"),
            rejected: path("rejected.csv"),
            connections: 1,
        }
    }

    fn run(&self, url: &str) -> Result<Progress> {
        let remote = Remote {
            url: url.to_owned(),
            token: Some("t".to_owned()),
            token_file: None,
        };
        run(&self.job(), &Client::new(&remote).unwrap(), &mut |_, _| {})
    }
}

#[test]
fn an_interrupted_import_goes_on_after_the_last_batch_that_was_taken() {
    let setup = Setup::new(BATCH_CALLS + 5);
    let taken = serde_json::json!({"accepted": BATCH_CALLS, "duplicates": 0, "rejected": []});
    let broken = serde_json::json!({"title": "Broken", "code": "broken"});
    let (url, first) = server(vec![(200, taken), (500, broken)]);
    let error = format!("{:#}", setup.run(&url).unwrap_err());
    assert!(error.contains("Broken [broken]"), "{error}");
    let first = first.join().unwrap();

    let taken = serde_json::json!({"accepted": 5, "duplicates": 0, "rejected": []});
    let (url, second) = server(vec![(200, taken)]);
    let progress = setup.run(&url).unwrap();
    let second = second.join().unwrap();
    assert_eq!(
        second[0], first[1],
        "the batch that failed is sent again, with the same message ids"
    );
    assert_eq!(
        (progress.rows_count, progress.accepted_count),
        (BATCH_CALLS as u64 + 5, BATCH_CALLS as u64 + 5)
    );
    assert!(progress.is_done);
}

#[test]
fn what_the_server_or_the_mapping_rejects_is_listed_with_its_row() {
    let setup = Setup::new(3);
    std::fs::write(
        setup.folder.path().join("people.csv"),
        "id,n\nu1,1\nu2,x\nu3,3\n",
    )
    .unwrap();
    let answer = serde_json::json!({"accepted": 1, "duplicates": 0, "rejected": [{"index": 1, "field": "userId", "message": "is too long"}]});
    let (url, requests) = server(vec![(200, answer)]);
    let progress = setup.run(&url).unwrap();
    assert_eq!(requests.join().unwrap()[0].len(), 2);
    assert_eq!((progress.accepted_count, progress.rejected_count), (1, 2));
    let list = std::fs::read_to_string(setup.folder.path().join("rejected.csv")).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0], "row,line,reason,id,n");
    assert!(
        lines[1].starts_with("2,3,\"`n`: column `n` is not a number"),
        "{list}"
    );
    assert_eq!(lines[2], "3,4,userId: is too long,u3,3");
}

#[test]
fn a_finished_import_sends_nothing_again() {
    let setup = Setup::new(1);
    let (url, _) = server(vec![(200, serde_json::json!({"accepted": 1}))]);
    setup.run(&url).unwrap();
    // Nobody listens any more, and nobody is asked.
    assert!(setup.run(&url).unwrap().is_done);
}
