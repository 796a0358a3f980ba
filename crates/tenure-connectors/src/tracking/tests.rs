use proptest::prelude::*;

use super::*;

const BASE: &str = "https://t.example.com";

fn signer() -> LinkSigner {
    LinkSigner::new(b"a secret for tests only, 32 bytes")
}

fn everything() -> Tracking<'static> {
    Tracking {
        base_url: BASE,
        clicks: true,
        opens: true,
        untracked_prefixes: &["https://app.example.com/preferences/"],
    }
}

fn tokens_in(html: &str, path: &str) -> Vec<String> {
    html.split(&format!("{BASE}{path}"))
        .skip(1)
        .map(|rest| rest.split(['"', '.']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn links_lead_through_signed_tokens_to_where_they_led_before() {
    let html = "<body><a class=b href='https://example.com/?a=1&amp;b=&quot;2'>x</a><A HREF=http://example.org>y</A></body>";
    let Tracked {
        html: tracked,
        link_count,
    } = track(html, "msg_1", &signer(), &everything());
    assert_eq!(link_count, 2);
    let links: Vec<_> = tokens_in(&tracked, "/t/c/")
        .iter()
        .map(|token| signer().open_click(token).unwrap())
        .collect();
    let expected = [
        (0, "https://example.com/?a=1&b=\"2"),
        (1, "http://example.org"),
    ];
    let found: Vec<_> = links
        .iter()
        .map(|link| (link.link_index, link.url.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert!(links.iter().all(|link| link.message_id == "msg_1"));
    assert!(!tracked.contains("href='https://example.com"));
}

#[test]
fn links_that_are_not_to_be_tracked_stay_as_they_are() {
    for link in [
        "<a href=\"mailto:a@example.com\">x</a>",
        "<a href=\"tel:123\">x</a>",
        "<a href=\"#top\">x</a>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\"https://app.example.com/preferences/abc\">x</a>",
        "<a href=\"https://t.example.com/u/abc\">x</a>",
        "<a data-tenure-track=\"off\" href=\"https://example.com\">x</a>",
        "<link href=\"https://example.com/a.css\">",
        "<!-- <a href=\"https://example.com\">x</a> -->",
        "<a name=\"https://example.com\">x</a>",
    ] {
        assert!(
            track(link, "msg_1", &signer(), &everything())
                .html
                .starts_with(link),
            "{link}"
        );
    }
    let lookalike = "<a href=\"https://t.example.com.evil.example/\">x</a>";
    assert!(
        !track(lookalike, "msg_1", &signer(), &everything())
            .html
            .starts_with(lookalike)
    );
}

#[test]
fn pixel_and_hidden_link_stand_at_the_end_of_the_body_and_can_be_switched_off() {
    let html = "<html><body><p>x</p></body></html>";
    let tracked = track(html, "msg_1", &signer(), &everything()).html;
    assert!(tracked.ends_with("></body></html>"));
    assert_eq!(
        signer()
            .open(Purpose::Open, &tokens_in(&tracked, "/t/o/")[0])
            .unwrap(),
        ["msg_1"]
    );
    assert_eq!(
        signer()
            .open(Purpose::Hidden, &tokens_in(&tracked, "/t/h/")[0])
            .unwrap(),
        ["msg_1"]
    );
    let off = Tracking {
        clicks: false,
        opens: false,
        ..everything()
    };
    assert_eq!(track(html, "msg_1", &signer(), &off).html, html);
}

#[test]
fn a_token_of_another_purpose_secret_or_content_is_refused() {
    let token = signer().seal(Purpose::Unsubscribe, &["per_1", "tips", "msg_1"]);
    assert_eq!(
        signer().open(Purpose::Unsubscribe, &token).unwrap(),
        ["per_1", "tips", "msg_1"]
    );
    assert_eq!(
        signer().open(Purpose::Preferences, &token),
        Err(TokenError::BadSignature)
    );
    assert_eq!(
        LinkSigner::new(b"other").open(Purpose::Unsubscribe, &token),
        Err(TokenError::BadSignature)
    );
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(
            signer().open(Purpose::Unsubscribe, &changed).is_err(),
            "{at}"
        );
    }
}

#[test]
fn even_a_signed_link_leads_only_to_web_pages() {
    for url in [
        "javascript:alert(1)",
        "https://example.com\r\nSet-Cookie: a",
        "//example.com",
        "https://",
    ] {
        assert!(
            signer()
                .open_click(&signer().seal_click(&TrackedLink {
                    message_id: "msg_1".into(),
                    link_index: 0,
                    link_count: 1,
                    url: url.into()
                }))
                .is_err(),
            "{url}"
        );
    }
}

proptest! {
    #[test]
    fn no_stranger_s_token_opens_and_nothing_panics(token in "[A-Za-z0-9_=-]{0,120}", html in "[<a href='\">:/.é-]{0,60}") {
        prop_assert!(signer().open_click(&token).is_err());
        let _ = track(&html, "msg_1", &signer(), &everything());
    }
}

const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
const DELIVERED_AT_MS: u64 = 1_000_000;

fn click(link_index: usize, at_ms: u64) -> Observation<'static> {
    Observation {
        kind: HitKind::Click { link_index },
        method: "GET",
        user_agent: BROWSER,
        source: "s1",
        at_ms,
    }
}

fn traffic(hits: &[(HitKind, &str, u64)]) -> MessageTraffic {
    MessageTraffic {
        delivered_at_ms: Some(DELIVERED_AT_MS),
        link_count: 3,
        hits: hits
            .iter()
            .map(|(kind, source, at_ms)| Hit {
                kind: *kind,
                source: (*source).to_owned(),
                at_ms: *at_ms,
            })
            .collect(),
    }
}

fn why(verdict: &Verdict) -> Option<Evidence> {
    match verdict {
        Verdict::Human => None,
        Verdict::Prefetch { why } | Verdict::Machine { why, .. } => Some(*why),
    }
}

#[test]
fn a_click_minutes_after_delivery_from_a_browser_is_a_person_s() {
    let earlier = traffic(&[(HitKind::Open, "s1", DELIVERED_AT_MS + 50_000)]);
    assert_eq!(
        classify(&click(1, DELIVERED_AT_MS + 60_000), &earlier),
        Verdict::Human
    );
}

#[test]
fn one_request_can_betray_a_machine_by_itself() {
    let late = DELIVERED_AT_MS + 3_600_000;
    for (seen, evidence) in [
        (
            Observation {
                method: "HEAD",
                ..click(0, late)
            },
            Evidence::Method,
        ),
        (
            Observation {
                user_agent: "",
                ..click(0, late)
            },
            Evidence::NoAgent,
        ),
        (
            Observation {
                user_agent: "Mozilla/5.0 (compatible; Barracuda Sentinel)",
                ..click(0, late)
            },
            Evidence::KnownAgent,
        ),
        (
            Observation {
                user_agent: "ExampleBot/1.0",
                ..click(0, late)
            },
            Evidence::KnownAgent,
        ),
        (click(0, DELIVERED_AT_MS + 2_000), Evidence::Instant),
        (click(0, DELIVERED_AT_MS - 500), Evidence::Instant),
        (
            Observation {
                kind: HitKind::Hidden,
                ..click(0, late)
            },
            Evidence::HiddenLink,
        ),
    ] {
        assert_eq!(
            why(&classify(&seen, &traffic(&[]))),
            Some(evidence),
            "{seen:?}"
        );
    }
}

#[test]
fn all_links_within_seconds_make_the_earlier_clicks_a_machine_s_too() {
    let late = DELIVERED_AT_MS + 3_600_000;
    let earlier = traffic(&[
        (HitKind::Open, "s1", late),
        (HitKind::Click { link_index: 0 }, "s1", late),
        (HitKind::Click { link_index: 2 }, "s2", late + 900),
    ]);
    let verdict = classify(&click(1, late + 1_500), &earlier);
    assert_eq!(
        verdict,
        Verdict::Machine {
            why: Evidence::AllLinks,
            also: vec![1, 2]
        }
    );
    assert_eq!(classify(&click(0, late + 1_500), &earlier), Verdict::Human);
}

#[test]
fn the_only_link_of_a_message_is_no_sweep() {
    let single = MessageTraffic {
        link_count: 1,
        ..traffic(&[])
    };
    assert_eq!(
        classify(&click(0, DELIVERED_AT_MS + 60_000), &single),
        Verdict::Human
    );
}

#[test]
fn the_hidden_link_condemns_the_same_source_before_and_after_within_its_window() {
    let late = DELIVERED_AT_MS + 3_600_000;
    let before = traffic(&[
        (HitKind::Click { link_index: 0 }, "s1", late - 60_000),
        (HitKind::Click { link_index: 1 }, "s2", late - 60_000),
        (
            HitKind::Click { link_index: 1 },
            "s1",
            late - HIDDEN_WINDOW_MS - 1,
        ),
    ]);
    let touch = Observation {
        kind: HitKind::Hidden,
        ..click(0, late)
    };
    assert_eq!(
        classify(&touch, &before),
        Verdict::Machine {
            why: Evidence::HiddenLink,
            also: vec![0]
        }
    );
    let after = traffic(&[(HitKind::Hidden, "s1", late)]);
    assert_eq!(
        why(&classify(&click(0, late + 1_000), &after)),
        Some(Evidence::HiddenLink)
    );
    assert_eq!(
        classify(
            &Observation {
                source: "s2",
                ..click(0, late + 1_000)
            },
            &after
        ),
        Verdict::Human
    );
}

#[test]
fn images_loaded_in_advance_are_prefetches_and_not_opens() {
    for (agent, evidence) in [
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            Evidence::ImageProxy,
        ),
        ("Mozilla/5.0", Evidence::ApplePrivacy),
    ] {
        let seen = Observation {
            kind: HitKind::Open,
            user_agent: agent,
            ..click(0, DELIVERED_AT_MS + 100)
        };
        assert_eq!(
            classify(&seen, &traffic(&[])),
            Verdict::Prefetch { why: evidence }
        );
    }
}
