use mail_parser::MessageParser;

use super::*;

/// A small marketing mail, message `msg_1`.
pub(crate) fn welcome() -> OutgoingEmail {
    OutgoingEmail {
        message_id: "msg_1".to_owned(),
        from: EmailAddress::parse("from", "Tenure <hello@example.com>").unwrap(),
        to: EmailAddress::parse("to", "anna@example.org").unwrap(),
        reply_to: None,
        bounces_to: None,
        subject: "Welcome".to_owned(),
        html: "<p>Hello</p>".to_owned(),
        text: "Hello".to_owned(),
        unsubscribe: Some(Unsubscribe {
            one_click_url: format!("https://example.com/u/{}", "t".repeat(300)),
            mailto: Some("leave@example.com".to_owned()),
        }),
        list_id: Some("tips.example.com".to_owned()),
        feedback_id: None,
        headers: Vec::new(),
    }
}

fn text_of(mail: &OutgoingEmail) -> String {
    String::from_utf8(
        mail.prepare(1_700_000_000_000, None)
            .unwrap()
            .bytes()
            .to_vec(),
    )
    .unwrap()
}

fn unfolded(message: &str) -> String {
    let head = message.split_once("\r\n\r\n").unwrap().0;
    head.replace("\r\n ", " ")
}

#[test]
fn a_message_carries_its_id_date_and_one_click_headers() {
    let message = text_of(&welcome());
    let head = unfolded(&message);
    for line in [
        "Message-ID: <msg_1@example.com>".to_owned(),
        "Date: Tue, 14 Nov 2023 22:13:20 +0000".to_owned(),
        format!(
            "List-Unsubscribe: <https://example.com/u/{}>, <mailto:leave@example.com>",
            "t".repeat(300)
        ),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
        "List-Id: <tips.example.com>".to_owned(),
        "Auto-Submitted: auto-generated".to_owned(),
    ] {
        assert!(
            head.lines().any(|have| have.trim_end() == line),
            "{line}\nin\n{head}"
        );
    }
}

#[test]
fn both_parts_survive_with_any_text_and_line_length() {
    let mut mail = welcome();
    mail.subject = "Größe zählt, 日本語 ".repeat(9);
    mail.html = format!("<p>{}</p>\n.\nžluťoučký", "x".repeat(5_000));
    mail.text = "Grüße\n.\nFrom me".to_owned();
    let bytes = mail.prepare(0, None).unwrap().bytes().to_vec();
    assert!(bytes.is_ascii());
    assert!(
        bytes
            .split(|byte| *byte == b'\n')
            .all(|line| line.len() <= 998)
    );
    let parsed = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(parsed.subject().unwrap(), one_line(&mail.subject));
    assert_eq!(
        parsed
            .body_text(0)
            .unwrap()
            .trim_end()
            .replace("\r\n", "\n"),
        mail.text
    );
    assert_eq!(
        parsed
            .body_html(0)
            .unwrap()
            .trim_end()
            .replace("\r\n", "\n"),
        mail.html
    );
}

#[test]
fn no_line_break_from_data_reaches_a_header() {
    let mut mail = welcome();
    mail.subject = "Hi\r\nBcc: victim@example.com\n\u{85}X: y".to_owned();
    mail.to = EmailAddress::new(Some("Eve\r\nBcc: victim@example.com"), "eve@example.org").unwrap();
    let head = unfolded(&text_of(&mail));
    assert!(
        !head
            .lines()
            .any(|line| line.starts_with("Bcc") || line.starts_with("X:")),
        "{head}"
    );
    assert!(EmailAddress::parse("to", "eve@example.org\r\nBcc: x@example.org").is_err());
}

#[test]
fn no_control_character_from_data_reaches_the_body() {
    let mut mail = welcome();
    mail.text = "a\r.\rMAIL FROM:<x@example.com>\0b\r\nc".to_owned();
    let message = text_of(&mail);
    assert!(message.contains("a.MAIL FROM:<x@example.com>b\r\nc"));
    assert!(!message.replace("\r\n", "").contains(['\r', '\n', '\0']));
}

#[test]
fn addresses_and_bodies_are_not_printed() {
    let printed = format!("{:?} {:?}", welcome(), welcome().prepare(0, None).unwrap());
    assert!(
        printed.contains("msg_1") && !printed.contains('@') && !printed.contains("Hello"),
        "{printed}"
    );
}

#[test]
fn headers_that_tenure_owns_or_that_break_out_are_refused() {
    for (name, value) in [
        ("From", "x@example.com"),
        ("Content-Type", "text/plain"),
        ("X-Note", "a\r\nBcc: b@example.com"),
        ("X Note", "a"),
        ("", "a"),
    ] {
        let mut mail = welcome();
        mail.headers.push((name.to_owned(), value.to_owned()));
        assert!(
            matches!(mail.prepare(0, None), Err(EmailError::Header { .. })),
            "{name}"
        );
    }
    let mut mail = welcome();
    mail.unsubscribe.as_mut().unwrap().one_click_url = "https://example.com/>,<mailto:x".to_owned();
    assert!(mail.prepare(0, None).is_err());
}

#[test]
fn a_message_id_with_odd_characters_is_refused() {
    for id in ["", "a b", "a@b", "a\r\nb", "..", ".a", "a/../b"] {
        let mut mail = welcome();
        mail.message_id = id.to_owned();
        assert_eq!(
            mail.prepare(0, None).unwrap_err(),
            EmailError::MessageId,
            "{id}"
        );
    }
}

#[test]
fn the_same_message_gives_the_same_bytes() {
    assert_eq!(text_of(&welcome()), text_of(&welcome()));
}

const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

#[test]
fn a_signature_holds_for_whoever_checks_it_and_covers_the_unsubscribe_headers() {
    let signer = DkimSigner::ed25519("example.com", "s1", SEED).unwrap();
    let mut mail = welcome();
    mail.subject = "Größe zählt ".repeat(12);
    mail.html = "<p>Two  spaces \n.\n ü</p>\n\n".to_owned();
    let message =
        String::from_utf8(mail.prepare(0, Some(&signer)).unwrap().bytes().to_vec()).unwrap();
    assert!(signature_holds(&message));
    assert!(
        !signature_holds(&message.replacen("Hello", "Hullo", 1)),
        "the body is covered"
    );
    assert!(
        !signature_holds(&message.replace("/u/t", "/u/x")),
        "List-Unsubscribe is covered"
    );
    assert!(
        !signature_holds(&message.replace("One-Click", "Two-Click")),
        "List-Unsubscribe-Post is covered"
    );
}

/// Checks as RFC 6376 and RFC 8463 say, relaxed/relaxed, independently of the library that signs.
fn signature_holds(message: &str) -> bool {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use ring::digest::{SHA256, digest};
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    let headers: Vec<(String, String)> = unfolded
        .lines()
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| {
            (
                name.to_ascii_lowercase(),
                value.split_whitespace().collect::<Vec<_>>().join(" "),
            )
        })
        .collect();
    let value_of = |name: &str| {
        headers
            .iter()
            .rfind(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    };
    let signature = value_of("dkim-signature").unwrap();
    let tag = |wanted: &str| {
        let value = signature
            .split(';')
            .find_map(|tag| tag.trim().strip_prefix(wanted))
            .unwrap();
        value.replace(' ', "")
    };
    let body_hash = digest(&SHA256, relaxed_body(body).as_bytes());
    if STANDARD.encode(body_hash.as_ref()) != tag("bh=") {
        return false;
    }
    let mut signed = String::new();
    for name in tag("h=").split(':') {
        if let Some(value) = value_of(name) {
            signed.extend([name, ":", value, "\r\n"]);
        }
    }
    let (unsigned, _) = signature.rsplit_once("b=").unwrap();
    signed.extend(["dkim-signature:", unsigned, "b="]);
    let key = Ed25519KeyPair::from_seed_unchecked(&STANDARD.decode(SEED).unwrap()).unwrap();
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref().to_vec());
    let hash = digest(&SHA256, signed.as_bytes());
    public
        .verify(hash.as_ref(), &STANDARD.decode(tag("b=")).unwrap())
        .is_ok()
}

fn relaxed_body(body: &str) -> String {
    let mut out = String::new();
    for line in body.trim_end_matches("\r\n").split("\r\n") {
        let starts_with_space = line.starts_with([' ', '\t']);
        let words: Vec<&str> = line.split_whitespace().collect();
        if starts_with_space && !words.is_empty() {
            out.push(' ');
        }
        out.push_str(&words.join(" "));
        out.push_str("\r\n");
    }
    out
}

#[test]
fn an_unreadable_key_is_named_by_its_selector_only() {
    let error = DkimSigner::rsa("example.com", "s1", "SECRET")
        .unwrap_err()
        .to_string();
    assert!(error.contains("s1") && !error.contains("SECRET"));
}
