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

#[test]
fn a_signature_names_domain_selector_and_the_unsubscribe_headers() {
    let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let signer = DkimSigner::ed25519("example.com", "s1", seed).unwrap();
    let mail = welcome().prepare(0, Some(&signer)).unwrap();
    let message = String::from_utf8(mail.bytes().to_vec()).unwrap();
    let head = unfolded(&message);
    let signature = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("dkim-signature:"))
        .unwrap();
    for part in [
        "a=ed25519-sha256;",
        "d=example.com;",
        "s=s1;",
        "c=relaxed/relaxed;",
        "list-unsubscribe:list-unsubscribe-post",
    ] {
        assert!(signature.contains(part), "{part} in {signature}");
    }
}

#[test]
fn an_unreadable_key_is_named_by_its_selector_only() {
    let error = DkimSigner::rsa("example.com", "s1", "SECRET")
        .unwrap_err()
        .to_string();
    assert!(error.contains("s1") && !error.contains("SECRET"));
}
