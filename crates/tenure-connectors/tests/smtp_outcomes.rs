//! Each way in which an SMTP dialogue can go, against a real server on a real socket.

mod smtp_server;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use smtp_server::{Act, Script, Server, localhost_certificate};
use tenure_connectors::email::{EmailAddress, OutgoingEmail, PreparedEmail};
use tenure_connectors::smtp::{SmtpCredentials, SmtpSettings, SmtpTls, SmtpTransport};
use tenure_connectors::{EmailTransport, Outcome, Stage};

const SHORT: Duration = Duration::from_millis(60);

fn mail(id: &str) -> PreparedEmail {
    mail_with(id, "Hello\n.\n..dots")
}

fn mail_with(id: &str, text: &str) -> PreparedEmail {
    OutgoingEmail {
        message_id: id.to_owned(),
        from: EmailAddress::parse("from", "hello@example.com").unwrap(),
        to: EmailAddress::parse("to", "anna@example.org").unwrap(),
        reply_to: None,
        bounces_to: None,
        subject: "Welcome".to_owned(),
        html: "<p>Hello</p>".to_owned(),
        text: text.to_owned(),
        unsubscribe: None,
        list_id: None,
        feedback_id: None,
        headers: Vec::new(),
    }
    .prepare(0, None)
    .unwrap()
}

fn settings(server: &Server) -> SmtpSettings {
    let mut settings = SmtpSettings::new("localhost", server.port, SmtpTls::Opportunistic);
    settings.connections_max = 4;
    settings
}

/// For tests in which a time-out is what is tested.
fn impatient(server: &Server) -> SmtpSettings {
    let mut settings = settings(server);
    settings.connect_timeout = SHORT;
    settings.command_timeout = SHORT;
    settings.final_dot_timeout = SHORT;
    settings.connection_wait_timeout = SHORT;
    settings
}

fn transport(settings: SmtpSettings) -> SmtpTransport {
    SmtpTransport::new(settings).unwrap()
}

fn send_once(script: Script) -> (Outcome, Server) {
    let server = Server::start(vec![script]);
    let outcome = transport(impatient(&server)).send(&mail("msg_1"));
    (outcome, server)
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. })
}

#[test]
fn an_accepted_message_arrives_byte_for_byte_and_names_its_queue_id() {
    let server = Server::start(vec![Script::default()]);
    let sent = mail("msg_1");
    let outcome = transport(settings(&server)).send(&sent);
    assert_eq!(
        outcome,
        Outcome::Accepted {
            response: "2.0.0 Ok: queued as Q1".to_owned(),
            queue_id: Some("Q1".to_owned())
        }
    );
    assert_eq!(server.seen()[0].messages[0], sent.bytes());
}

#[test]
fn a_no_at_each_stage_is_a_rejection_with_its_code_and_stage() {
    for extensions in [&["PIPELINING"][..], &[]] {
        for (words, permanent) in [
            ("550 5.1.1 <anna@example.org> no", true),
            ("451 4.3.0 later", false),
        ] {
            for stage in [
                Stage::Greeting,
                Stage::MailFrom,
                Stage::RcptTo,
                Stage::Data,
                Stage::FinalDot,
            ] {
                let mut script = Script {
                    extensions,
                    ..Script::default()
                };
                *act_at(&mut script, stage) = Act::Say(words);
                let (outcome, _server) = send_once(script);
                assert!(!format!("{outcome:?}").contains('@'), "{outcome:?}");
                let (code, enhanced) = if permanent {
                    (550, "5.1.1")
                } else {
                    (451, "4.3.0")
                };
                let Outcome::Rejected { reason, .. } = &outcome else {
                    panic!("{stage}: {outcome:?}")
                };
                let reason = reason.clone();
                let enhanced = Some(enhanced.to_owned());
                assert_eq!(
                    outcome,
                    Outcome::Rejected {
                        permanent,
                        code,
                        enhanced,
                        stage,
                        reason
                    }
                );
            }
        }
    }
}

fn act_at(script: &mut Script, stage: Stage) -> &mut Act {
    match stage {
        Stage::Greeting => &mut script.greeting,
        Stage::MailFrom => &mut script.mail,
        Stage::RcptTo => &mut script.rcpt,
        Stage::Data => &mut script.data,
        _ => &mut script.dot,
    }
}

#[test]
fn whatever_is_lost_before_the_final_dot_was_not_sent() {
    for act in [
        Act::Hang,
        Act::Close,
        Act::Half("25"),
        Act::Say("hello there"),
    ] {
        for script in [
            Script {
                greeting: act,
                ..Script::default()
            },
            Script {
                mail: act,
                ..Script::default()
            },
            Script {
                rcpt: act,
                ..Script::default()
            },
            Script {
                data: act,
                ..Script::default()
            },
            Script {
                rcpt: act,
                extensions: &["PIPELINING"],
                ..Script::default()
            },
        ] {
            let text = format!("{script:?}");
            let (outcome, _server) = send_once(script);
            assert!(
                matches!(outcome, Outcome::NotSent { .. }),
                "{outcome:?} for {text}"
            );
        }
    }
}

#[test]
fn whatever_is_lost_after_the_final_dot_is_unknown() {
    for act in [
        Act::Hang,
        Act::Close,
        Act::Half("25"),
        Act::Say("hello there"),
        Act::Say("354 more"),
    ] {
        let (outcome, server) = send_once(Script {
            dot: act,
            ..Script::default()
        });
        assert!(
            matches!(outcome, Outcome::Unknown { .. }),
            "{outcome:?} for {act:?}"
        );
        assert_eq!(server.seen()[0].messages.len(), 1);
    }
}

#[test]
fn a_server_that_stops_reading_within_the_body_never_saw_its_end() {
    let script = Script {
        body: Some(Act::Hang),
        ..Script::default()
    };
    let server = Server::start(vec![script]);
    let long = mail_with(
        "msg_1",
        &"a line of text that is not short\n".repeat(500_000),
    );
    let outcome = transport(impatient(&server)).send(&long);
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
}

#[test]
fn nobody_listening_is_not_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outcome =
        transport(SmtpSettings::new("127.0.0.1", port, SmtpTls::None)).send(&mail("msg_1"));
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
}

#[test]
fn messages_share_a_connection_until_it_is_used_up() {
    let server = Server::start(vec![Script::default()]);
    let mut settings = settings(&server);
    settings.messages_per_connection_max = 2;
    let transport = transport(settings);
    for id in ["msg_1", "msg_2", "msg_3"] {
        assert!(is_accepted(&transport.send(&mail(id))));
    }
    let counts: Vec<usize> = server
        .seen()
        .iter()
        .map(|seen| seen.messages.len())
        .collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn a_rejected_recipient_leaves_the_connection_usable() {
    for extensions in [&["PIPELINING"][..], &[]] {
        let script = Script {
            rcpt: Act::Say("550 5.1.1 no"),
            data: Act::Say("503 no recipients"),
            extensions,
            ..Script::default()
        };
        let server = Server::start(vec![script]);
        let transport = transport(settings(&server));
        transport.send(&mail("msg_1"));
        transport.send(&mail("msg_2"));
        let seen = server.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            seen[0]
                .commands
                .iter()
                .filter(|line| *line == "RSET")
                .count(),
            2
        );
    }
}

#[test]
fn a_pipelining_server_that_wants_data_for_nobody_gets_none() {
    let script = Script {
        rcpt: Act::Say("550 5.1.1 no"),
        extensions: &["PIPELINING"],
        ..Script::default()
    };
    let (outcome, server) = send_once(script);
    assert!(
        matches!(
            outcome,
            Outcome::Rejected {
                stage: Stage::RcptTo,
                ..
            }
        ),
        "{outcome:?}"
    );
    server.wait_closed();
    assert!(server.seen()[0].messages.is_empty());
}

#[test]
fn a_connection_closed_while_idle_is_replaced_and_the_message_sent_once() {
    for dot in [
        Act::SayAndClose("250 ok"),
        Act::SayAndClose("250 ok\r\n421 4.4.2 idle too long"),
    ] {
        let server = Server::start(vec![
            Script {
                dot,
                ..Script::default()
            },
            Script::default(),
        ]);
        let transport = transport(settings(&server));
        assert!(is_accepted(&transport.send(&mail("msg_1"))));
        server.wait_closed();
        assert!(is_accepted(&transport.send(&mail("msg_2"))));
        let counts: Vec<usize> = server
            .seen()
            .iter()
            .map(|seen| seen.messages.len())
            .collect();
        assert_eq!(counts, [1, 1]);
    }
}

#[test]
fn a_server_that_leaves_at_the_next_mail_command_is_called_again_at_once() {
    for extensions in [&["PIPELINING"][..], &[]] {
        let leaving = Script {
            leaves_after: Some(1),
            extensions,
            ..Script::default()
        };
        let server = Server::start(vec![leaving, Script::default()]);
        let transport = transport(settings(&server));
        for id in ["msg_1", "msg_2"] {
            let outcome = transport.send(&mail(id));
            assert!(is_accepted(&outcome), "{outcome:?}");
        }
        let counts: Vec<usize> = server
            .seen()
            .iter()
            .map(|seen| seen.messages.len())
            .collect();
        assert_eq!(counts, [1, 1]);
    }
}

#[test]
fn a_fresh_connection_that_is_sent_away_is_not_tried_again() {
    let server = Server::start(vec![Script {
        leaves_after: Some(0),
        ..Script::default()
    }]);
    let outcome = transport(settings(&server)).send(&mail("msg_1"));
    assert!(
        matches!(
            outcome,
            Outcome::Rejected {
                permanent: false,
                code: 421,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn threads_never_open_more_connections_than_allowed() {
    let server = Server::start(vec![Script::default()]);
    let mut settings = settings(&server);
    settings.connections_max = 3;
    let transport = Arc::new(transport(settings));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let transport = Arc::clone(&transport);
            thread::spawn(move || {
                for at in 0..10 {
                    assert!(is_accepted(
                        &transport.send(&mail(&format!("msg_{thread}_{at}")))
                    ));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let seen = server.seen();
    assert!(seen.len() <= 3);
    assert_eq!(
        seen.iter().map(|seen| seen.messages.len()).sum::<usize>(),
        80
    );
}

#[test]
fn a_send_that_finds_no_free_connection_in_time_was_not_sent() {
    let server = Server::start(vec![Script {
        dot: Act::Hang,
        ..Script::default()
    }]);
    let mut settings = impatient(&server);
    settings.connections_max = 1;
    settings.final_dot_timeout = Duration::from_secs(5);
    let transport = Arc::new(transport(settings));
    let busy = Arc::clone(&transport);
    let first = thread::spawn(move || busy.send(&mail("msg_1")));
    while server
        .seen()
        .first()
        .is_none_or(|seen| seen.messages.is_empty())
    {
        thread::yield_now();
    }
    let second = transport.send(&mail("msg_2"));
    assert!(matches!(second, Outcome::NotSent { .. }), "{second:?}");
    drop(server);
    assert!(matches!(first.join().unwrap(), Outcome::Unknown { .. }));
}

#[test]
fn a_password_goes_out_only_under_tls() {
    let (tls, pem) = localhost_certificate();
    let script = Script {
        extensions: &["STARTTLS", "AUTH PLAIN"],
        ..Script::default()
    };
    let server = Server::start_with_tls(vec![script], Some(tls));
    let mut settings = settings(&server);
    settings.tls = SmtpTls::Required;
    settings.extra_certificates_pem = Some(pem);
    settings.credentials = Some(SmtpCredentials {
        user: "me".to_owned(),
        password: "hunter2".to_owned(),
    });
    let outcome = transport(settings).send(&mail("msg_1"));
    assert!(is_accepted(&outcome), "{outcome:?}");
    let seen = server.seen();
    assert!(seen[0].encrypted);
    let starttls = seen[0]
        .commands
        .iter()
        .position(|line| line == "STARTTLS")
        .unwrap();
    let auth = seen[0]
        .commands
        .iter()
        .position(|line| line.starts_with("AUTH PLAIN"))
        .unwrap();
    assert!(starttls < auth);
}

#[test]
fn a_certificate_that_nobody_vouches_for_ends_the_session_before_any_mail() {
    let (tls, _) = localhost_certificate();
    let script = Script {
        extensions: &["STARTTLS"],
        ..Script::default()
    };
    let server = Server::start_with_tls(vec![script], Some(tls));
    let mut settings = settings(&server);
    settings.tls = SmtpTls::Required;
    let outcome = transport(settings).send(&mail("msg_1"));
    assert!(
        matches!(&outcome, Outcome::NotSent { reason } if reason.contains("certificate")),
        "{outcome:?}"
    );
    assert!(server.seen()[0].messages.is_empty());
}

#[test]
fn tls_that_is_required_but_not_offered_sends_nothing() {
    let server = Server::start(vec![Script::default()]);
    let mut settings = settings(&server);
    settings.tls = SmtpTls::Required;
    let outcome = transport(settings).send(&mail("msg_1"));
    assert!(
        matches!(&outcome, Outcome::NotSent { reason } if reason.contains("STARTTLS")),
        "{outcome:?}"
    );
}

#[test]
fn a_refused_password_rejects_the_session_and_not_the_message() {
    let server = Server::start(vec![Script {
        auth: Act::Say("535 5.7.8 bad credentials"),
        ..Script::default()
    }]);
    let mut settings = settings(&server);
    settings.credentials = Some(SmtpCredentials {
        user: "me".to_owned(),
        password: "hunter2".to_owned(),
    });
    let outcome = transport(settings).send(&mail("msg_1"));
    assert!(
        matches!(
            outcome,
            Outcome::Rejected {
                stage: Stage::Auth,
                permanent: true,
                code: 535,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert!(outcome.may_retry());
}

#[test]
fn an_address_outside_ascii_needs_a_server_that_takes_it() {
    let server = Server::start(vec![Script::default()]);
    let mut international = OutgoingEmail {
        message_id: "msg_1".to_owned(),
        from: EmailAddress::parse("from", "hello@example.com").unwrap(),
        to: EmailAddress::parse("to", "žofie@example.org").unwrap(),
        reply_to: None,
        bounces_to: None,
        subject: String::new(),
        html: String::new(),
        text: String::new(),
        unsubscribe: None,
        list_id: None,
        feedback_id: None,
        headers: Vec::new(),
    };
    let transport = transport(settings(&server));
    let outcome = transport.send(&international.prepare(0, None).unwrap());
    assert!(
        matches!(
            outcome,
            Outcome::Rejected {
                permanent: true,
                code: 553,
                ..
            }
        ),
        "{outcome:?}"
    );
    international.to = EmailAddress::parse("to", "anna@example.org").unwrap();
    assert!(is_accepted(
        &transport.send(&international.prepare(0, None).unwrap())
    ));
}
