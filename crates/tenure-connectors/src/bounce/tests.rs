use proptest::prelude::*;

use super::*;

fn dsn(action: &str, status: &str, diagnostic: &str, returned: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.example.com\r\nTo: bounces@example.com\r\nSubject: Undelivered Mail\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.com\r\nArrival-Date: Tue, 1 Jan 2030 00:00:00 +0000\r\n\r\n\
         Final-Recipient: rfc822; anna@example.org\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; {diagnostic}\r\n\r\n\
         --b\r\nContent-Type: {returned}\r\n\r\n\
         From: hello@example.com\r\nSubject: Welcome\r\nMessage-ID: <msg_42@example.com>\r\n\r\nHello\r\n--b--\r\n"
    )
    .into_bytes()
}

fn delivery_of(raw: &[u8]) -> DeliveryReport {
    match parse(raw) {
        Some(Report::Delivery(report)) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_standard_report_gives_message_status_and_words_without_addresses() {
    for returned in ["message/rfc822", "text/rfc822-headers"] {
        let raw = dsn(
            "failed",
            "5.1.1",
            "550 5.1.1 <anna@example.org>:\r\n  Recipient unknown",
            returned,
        );
        let report = delivery_of(&raw);
        assert_eq!(
            report.message_id.as_deref(),
            Some("msg_42@example.com"),
            "{returned}"
        );
        assert_eq!(tenure_message_id("msg_42@example.com"), Some("msg_42"));
        assert_eq!(
            (report.action, report.bounce),
            (Action::Failed, Some(Bounce::Hard))
        );
        assert_eq!(report.status.as_deref(), Some("5.1.1"));
        assert_eq!(
            report.diagnostic.as_deref(),
            Some("smtp; 550 5.1.1 <[address]>: Recipient unknown")
        );
        assert!(report.is_standard);
    }
}

#[test]
fn hard_and_soft_follow_the_code_and_where_it_is_vague_the_words() {
    for (status, diagnostic, bounce) in [
        ("5.1.1", "550 no such user", Bounce::Hard),
        ("5.1.10", "556 null MX", Bounce::Hard),
        ("5.4.4", "host not found", Bounce::Hard),
        ("5.2.2", "552 mailbox full", Bounce::Soft),
        ("5.7.1", "550 message looks like spam", Bounce::Soft),
        ("5.7.1", "550 access denied", Bounce::Soft),
        ("4.4.7", "delivery time expired", Bounce::Soft),
        ("5.0.0", "550 5.1.1 unknown user", Bounce::Hard),
        ("5.0.0", "552 mailbox is full", Bounce::Soft),
        ("5.3.4", "message too big", Bounce::Soft),
    ] {
        let report = delivery_of(&dsn("failed", status, diagnostic, "message/rfc822"));
        assert_eq!(report.bounce, Some(bounce), "{status} {diagnostic}");
    }
}

#[test]
fn a_delay_or_a_delivery_is_no_bounce() {
    for (word, action) in [
        ("delayed", Action::Delayed),
        ("delivered", Action::Delivered),
        ("relayed", Action::Relayed),
    ] {
        let report = delivery_of(&dsn(word, "4.4.1", "will try again", "message/rfc822"));
        assert_eq!((report.action, report.bounce), (action, None));
    }
}

#[test]
fn bounces_in_free_form_are_understood() {
    let qmail = "From: MAILER-DAEMON@mx.example.com\r\nReturn-Path: <>\r\nSubject: failure notice\r\n\r\n\
        Hi. This is the qmail-send program at mx.example.com.\r\n\r\n<anna@example.org>:\r\n\
        192.0.2.1 does not like recipient.\r\nRemote host said: 550 5.1.1 User unknown\r\n\r\n\
        --- Below this line is a copy of the message.\r\n\r\nReturn-Path: <hello@example.com>\r\n\
        Message-ID: <msg_42@example.com>\r\nSubject: Welcome\r\n";
    let exim = "From: Mail Delivery System <Mailer-Daemon@mx.example.com>\r\nX-Failed-Recipients: anna@example.org\r\n\
        Subject: Mail delivery failed: returning message to sender\r\n\r\nA message that you sent could not be delivered.\r\n\
        \x20 anna@example.org\r\n    mailbox is full: retry timeout exceeded\r\n\r\n\
        ------ This is a copy of the message, including all the headers. ------\r\n\r\nMessage-ID: <msg_42@example.com>\r\n";
    for (raw, bounce, status) in [
        (qmail, Bounce::Hard, Some("5.1.1")),
        (exim, Bounce::Soft, None),
    ] {
        let report = delivery_of(raw.as_bytes());
        assert_eq!(report.bounce, Some(bounce));
        assert_eq!(report.status.as_deref(), status);
        assert_eq!(report.message_id.as_deref(), Some("msg_42@example.com"));
        assert!(!report.is_standard && !format!("{report:?}").contains("anna"));
    }
}

#[test]
fn letters_and_absence_notes_are_not_reports() {
    for raw in [
        "From: anna@example.org\r\nSubject: Undelivered parcel\r\n\r\nMy parcel: 550 5.1.1 user unknown?",
        "From: anna@example.org\r\nAuto-Submitted: auto-replied\r\nSubject: Out of office\r\n\r\nBack soon",
        "",
        "\r\n\r\n",
    ] {
        assert_eq!(parse(raw.as_bytes()), None, "{raw}");
    }
}

const COMPLAINT: &str = "From: feedback@example.net\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n\
    --b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n\
    --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <msg_42@example.com>\r\nSubject: Welcome\r\n\r\nHello\r\n--b--\r\n";

#[test]
fn a_complaint_names_its_message_and_kind() {
    let expected = ComplaintReport {
        message_id: Some("msg_42@example.com".to_owned()),
        feedback_type: "abuse".to_owned(),
    };
    assert_eq!(
        parse(COMPLAINT.as_bytes()),
        Some(Report::Complaint(expected))
    );
}

#[test]
fn only_ids_of_our_own_form_are_taken_for_ours() {
    for foreign in [
        "abc@example.com",
        "msg_@example.com",
        "msg_1",
        "msg_a b@example.com",
    ] {
        assert_eq!(tenure_message_id(foreign), None, "{foreign}");
    }
}

#[test]
fn nesting_without_end_does_not_exhaust_the_stack() {
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(25_000);
    let mut multiparts = String::new();
    for level in 0..15_000_u32 {
        let level = level.to_string();
        multiparts.extend([
            "Content-Type: multipart/mixed; boundary=b",
            &level,
            "\r\n\r\n--b",
            &level,
            "\r\n",
        ]);
    }
    for raw in [messages, multiparts] {
        assert_eq!(parse(raw.as_bytes()), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn mutilated_reports_never_panic_and_never_leak_the_recipient(
        pick in 0..2usize,
        cuts in proptest::collection::vec((0..900usize, 0..40usize, any::<u8>()), 0..6),
    ) {
        let mut raw = if pick == 0 {
            dsn("failed", "5.1.1", "550 <anna@example.org> unknown", "message/rfc822")
        } else {
            COMPLAINT.as_bytes().to_vec()
        };
        for (at, length, byte) in cuts {
            let at = at.min(raw.len());
            let end = (at + length).min(raw.len());
            raw.splice(at..end, [byte]);
        }
        let report = format!("{:?}", parse(&raw));
        prop_assert!(!report.contains("anna@example.org"));
    }

    #[test]
    fn arbitrary_bytes_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&raw);
    }
}
