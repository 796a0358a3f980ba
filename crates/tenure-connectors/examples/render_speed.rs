//! Measures what one e-mail costs from template to bytes: `cargo run --release --example render_speed`.

use std::time::Instant;

use serde_json::json;
use tenure_connectors::email::{DkimSigner, EmailAddress, OutgoingEmail, Unsubscribe};
use tenure_connectors::template::{CompiledTemplate, Strict, Template};
use tenure_connectors::tracking::{LinkSigner, Tracking, track};

const MESSAGES_COUNT: u32 = 2_000;

const MJML: &str = r#"---
subject: Your week, {{ person.first_name | default: "friend" }}
preheader: What {{ account.name }} did
---
<mjml><mj-head><mj-title>Your week</mj-title></mj-head><mj-body width="600px">
<mj-section WIDTH><mj-column><mj-image src="https://example.com/logo.png" alt="Logo" /></mj-column></mj-section>
{% if account.is_new %}<mj-section><mj-column><mj-text>Welcome, {{ account.name }}!</mj-text></mj-column></mj-section>{% endif %}
<mj-section><mj-column width="50%"><mj-text>{% for f in features %}<p><a href="https://example.com/f/{{ f.id }}">{{ f.name }}</a>: {{ f.share | percent }}</p>{% endfor %}</mj-text></mj-column>
<mj-column width="50%"><mj-text>You saved {{ saved | money: "EUR" }} until {{ renews | date: "%d %B %Y" }}.</mj-text><mj-button href="https://example.com/go?a={{ account.id }}">Open</mj-button></mj-column></mj-section>
<mj-section><mj-column><mj-divider /><mj-text><a href="https://t.example.com/u/x">Unsubscribe</a></mj-text></mj-column></mj-section>
</mj-body></mjml>"#;

fn main() {
    let data = json!({
        "person": {"first_name": "Anna"}, "account": {"name": "A & B", "id": 7, "is_new": true},
        "features": (0..6).map(|id| json!({"id": id, "name": format!("Feature {id}"), "share": 0.25})).collect::<Vec<_>>(),
        "saved": 1234.5, "renews": "2026-03-01T00:00:00Z",
    });
    let once = compile(&MJML.replace("WIDTH", ""));
    let each = compile(&MJML.replace("WIDTH", "padding=\"{{ account.id }}px\""));
    measure("render, MJML laid out once", || {
        once.render(&data, None, Strict::Yes).unwrap().html.len()
    });
    measure("render, MJML laid out each time", || {
        each.render(&data, None, Strict::Yes).unwrap().html.len()
    });
    let rendered = once.render(&data, None, Strict::Yes).unwrap();
    println!(
        "html {} bytes, text {} bytes",
        rendered.html.len(),
        rendered.text.len()
    );

    let links = LinkSigner::new(b"a secret for measurements, 32 byte");
    let tracking = Tracking {
        base_url: "https://t.example.com",
        clicks: true,
        opens: true,
        untracked_prefixes: &[],
    };
    measure("track links", || {
        track(&rendered.html, "msg_1", &links, &tracking).html.len()
    });
    let mail = OutgoingEmail {
        message_id: "msg_1".to_owned(),
        from: EmailAddress::parse("from", "Tenure <hello@example.com>").unwrap(),
        to: EmailAddress::parse("to", "anna@example.org").unwrap(),
        reply_to: None,
        bounces_to: None,
        subject: rendered.subject.clone(),
        html: track(&rendered.html, "msg_1", &links, &tracking).html,
        text: rendered.text.clone(),
        unsubscribe: Some(Unsubscribe {
            one_click_url: "https://t.example.com/u/x".to_owned(),
            mailto: None,
        }),
        list_id: Some("tips.example.com".to_owned()),
        feedback_id: None,
        headers: Vec::new(),
    };
    measure("build message", || {
        mail.prepare(0, None).unwrap().bytes().len()
    });
    let ed25519 = DkimSigner::ed25519(
        "example.com",
        "s1",
        "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
    )
    .unwrap();
    measure("build message, Ed25519 signature", || {
        mail.prepare(0, Some(&ed25519)).unwrap().bytes().len()
    });
    if let Some(path) = std::env::args().nth(1) {
        let pem = std::fs::read_to_string(path).unwrap();
        let rsa = DkimSigner::rsa("example.com", "s1", &pem).unwrap();
        measure("build message, RSA signature", || {
            mail.prepare(0, Some(&rsa)).unwrap().bytes().len()
        });
    }
}

fn compile(source: &str) -> CompiledTemplate {
    CompiledTemplate::compile(&Template::parse("t", None, source).unwrap()).unwrap()
}

fn measure(what: &str, mut run: impl FnMut() -> usize) {
    let start = Instant::now();
    let bytes: usize = (0..MESSAGES_COUNT)
        .map(|_| std::hint::black_box(run()))
        .sum();
    let each_us = start.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES_COUNT);
    println!(
        "{what:<36} {each_us:>8.1} us  {:>8.0} /s  ({bytes} bytes)",
        1e6 / each_us
    );
}
