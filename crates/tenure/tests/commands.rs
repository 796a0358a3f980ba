//! The built binary, called as scripts call it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn tenure(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TENURE_"))
    {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    tenure(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A new data folder inside `folder`.
fn initialised(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    let made = run(&["init", "--data", data.to_str().unwrap(), "--json"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    data
}

/// A served data folder; the process is killed when the test is over.
struct Served {
    process: Child,
    url: String,
}

impl Served {
    fn start(data: &str) -> Self {
        let mut process = tenure(&["serve", "--data", data, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { process, url }
    }

    fn stop(mut self) -> Option<i32> {
        Command::new("kill")
            .arg(self.process.id().to_string())
            .status()
            .unwrap();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn what_was_accepted_is_exported_backed_up_and_restored_after_a_graceful_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let data = path("data");
    let made = run(&["init", "--data", &data, "--json"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let keys: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(
        ["workspace_id", "write_key", "api_token"]
            .iter()
            .all(|name| keys[name].is_string())
    );

    let served = Served::start(&data);
    let call = serde_json::json!({"writeKey": keys["write_key"], "userId": "u1", "event": "signed_up", "messageId": "m1",
                                  "properties": {"sign_up_id": "s1"}});
    let answer = ureq::post(format!("{}/v1/track", served.url))
        .send_json(&call)
        .unwrap();
    assert_eq!(answer.status(), 200);
    let live = path("live.backup");
    let token = keys["api_token"].as_str().unwrap();
    let copied = run(&[
        "backup",
        "--to",
        &live,
        "--url",
        &served.url,
        "--token",
        token,
    ]);
    assert!(copied.status.success(), "{}", text(&copied.stderr));
    let refused = run(&[
        "backup",
        "--to",
        &path("no"),
        "--url",
        &served.url,
        "--token",
        "wrong",
    ]);
    assert!(text(&refused.stderr).contains("does not accept this token"));
    assert_eq!(served.stop(), Some(0));
    assert!(
        run(&["restore", &live, "--data", &path("live")])
            .status
            .success()
    );

    let exported = run(&["export", "--data", &data]);
    let row: Value = serde_json::from_str(text(&exported.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(
        (
            &row["name"],
            &row["properties"]["sign_up_id"],
            &row["user_id"]
        ),
        (&"signed_up".into(), &"s1".into(), &"u1".into())
    );

    let (backup, restored) = (path("copy.backup"), path("restored"));
    assert!(
        run(&["backup", "--data", &data, "--to", &backup])
            .status
            .success()
    );
    assert!(
        run(&["restore", &backup, "--data", &restored])
            .status
            .success()
    );
    assert_eq!(
        run(&["export", "--data", &restored]).stdout,
        exported.stdout
    );
    let again = run(&["restore", &backup, "--data", &restored]);
    assert!(text(&again.stderr).contains("nothing is overwritten"));
}

#[test]
fn a_folder_is_initialised_once_and_rotated_keys_are_new() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let first: Value =
        serde_json::from_slice(&run(&["init", "--data", &data, "--json"]).stdout).unwrap();
    let second = run(&["init", "--data", &data]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("tenure keys rotate"));
    let rotated: Value =
        serde_json::from_slice(&run(&["keys", "rotate", "--data", &data, "--json"]).stdout)
            .unwrap();
    assert_eq!(first["workspace_id"], rotated["workspace_id"]);
    assert_ne!(first["api_token"], rotated["api_token"]);
}

#[test]
fn a_broken_file_is_no_backup_and_leaves_no_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken");
    std::fs::write(&file, "not a database").unwrap();
    let data = folder.path().join("data");
    let result = run(&[
        "restore",
        file.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ]);
    assert_eq!(result.status.code(), Some(1));
    assert!(!data.join("tenure.db").exists());
}

#[test]
fn a_mistyped_setting_stops_the_server_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    run(&["init", "--data", &data]);
    let result = tenure(&["serve", "--data", &data])
        .env("TENURE_SMPT_URL", "smtp://mail.example.com")
        .output()
        .unwrap();
    assert_eq!(result.status.code(), Some(1));
    assert!(
        text(&result.stderr).contains("did you mean TENURE_SMTP_URL?"),
        "{}",
        text(&result.stderr)
    );
}

#[test]
fn the_first_owner_is_made_with_the_folder_or_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let password = folder.path().join("password.txt");
    let init = |words: &str| {
        std::fs::write(&password, words).unwrap();
        let (data, password) = (data.to_str().unwrap(), password.to_str().unwrap());
        run(&[
            "init",
            "--data",
            data,
            "--owner-email",
            "ana@example.com",
            "--owner-password-file",
            password,
        ])
    };
    let refused = init("short");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("at least 12 characters"));
    assert!(!data.exists());
    let made = init("correct horse battery\n");
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(!text(&made.stdout).contains("correct horse"));
    let served = Served::start(data.to_str().unwrap());
    let shown: Value = ureq::get(format!("{}/api/v1/setup", served.url))
        .call()
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap();
    assert_eq!(shown["needed"], false);
    let form = [
        ("email", "ana@example.com"),
        ("password", "correct horse battery"),
    ];
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .max_redirects(0)
        .build()
        .into();
    let signed = agent
        .post(format!("{}/login", served.url))
        .send_form(form)
        .unwrap();
    assert_eq!(signed.status(), 303);
    assert_eq!(served.stop(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_server_without_users_gives_its_setup_code_to_the_operator_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = initialised(folder.path());
    let served = Served::start(data.to_str().unwrap());
    let file = data.join("setup-code");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let code = std::fs::read_to_string(&file).unwrap();
    let body = serde_json::json!({
        "code": code, "email": "ana@example.com", "name": "Ana", "password": "correct horse battery",
    });
    let made = ureq::post(format!("{}/api/v1/setup", served.url))
        .send_json(&body)
        .unwrap();
    assert_eq!(made.status(), 201);
    assert!(!file.exists());
    assert_eq!(served.stop(), Some(0));
}

#[cfg(unix)]
#[test]
fn secrets_of_a_file_are_sealed_once_and_the_file_is_gone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = initialised(folder.path());
    let file = data.join("connectors.toml");
    std::fs::write(&file, "[crm]\ntoken = \"hush-hush\"\n").unwrap();
    let served = Served::start(data.to_str().unwrap());
    assert!(!file.exists());
    // It answers, so it hears the signal, too.
    ureq::get(format!("{}/healthz", served.url)).call().unwrap();
    let key = std::fs::metadata(data.join("secret-key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(served.stop(), Some(0));
    let listed = run(&["secrets", "list", "--data", data.to_str().unwrap()]);
    assert_eq!(text(&listed.stdout).trim(), "connector/crm");
    let grep = Command::new("grep")
        .args(["-rl", "hush-hush"])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!(text(&grep.stdout), "");
}

#[test]
fn wrong_definitions_are_shown_on_standard_error_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("a.yaml"),
        "segment: a\naudience: person\nwhen: plam ==\n",
    )
    .unwrap();
    let result = run(&["validate", folder.path().to_str().unwrap()]);
    assert_eq!(result.status.code(), Some(1));
    assert!(
        text(&result.stderr).contains("a.yaml:3:"),
        "{}",
        text(&result.stderr)
    );
    assert!(result.stdout.is_empty());
}

#[test]
fn a_server_that_is_not_there_is_said_with_the_remedy() {
    // Port 9 (discard) of this machine: nobody listens there.
    let result = run(&[
        "people",
        "list",
        "--url",
        "http://127.0.0.1:9",
        "--token",
        "t",
    ]);
    assert_eq!(result.status.code(), Some(1));
    assert!(text(&result.stderr).contains("tenure serve"));
    assert_eq!(run(&["people", "lst"]).status.code(), Some(2));
}

#[test]
fn every_mapping_that_comes_with_tenure_maps_a_row_of_its_layout() {
    let folder = tempfile::tempdir().unwrap();
    let mappings = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../programs/mappings/ravenstack"
    );
    let files = [
        (
            "accounts",
            "account_id,account_name,industry,country,signup_date,referral_source,plan_tier,seats,is_trial,churn_flag\nA-1,Acme,EdTech,US,2024-10-16,partner,Basic,9,False,False\n",
            2,
        ),
        (
            "subscriptions",
            "subscription_id,account_id,start_date,end_date,plan_tier,seats,mrr_amount,arr_amount,is_trial,upgrade_flag,downgrade_flag,churn_flag,billing_frequency,auto_renew_flag\nS-1,A-1,2023-12-23,2024-04-12,Pro,14,2786,33432,False,False,False,True,monthly,True\n",
            3,
        ),
        (
            "feature_usage",
            "usage_id,subscription_id,usage_date,feature_name,usage_count,usage_duration_secs,error_count,is_beta_feature\nU-1,S-1,2023-07-27,feature_20,9,5004,0,False\n",
            1,
        ),
        (
            "support_tickets",
            "ticket_id,account_id,submitted_at,closed_at,resolution_time_hours,priority,first_response_time_minutes,satisfaction_score,escalation_flag\nT-1,A-1,2023-07-27,2023-07-28 03:00,27,high,74,4.0,False\n",
            3,
        ),
        (
            "churn_events",
            "churn_event_id,account_id,churn_date,reason_code,refund_amount_usd,preceding_upgrade_flag,preceding_downgrade_flag,is_reactivation,feedback_text\nC-1,A-1,2024-10-27,pricing,4.03,False,False,False,too expensive\n",
            1,
        ),
    ];
    for (name, rows, _) in files {
        std::fs::write(folder.path().join(format!("ravenstack_{name}.csv")), rows).unwrap();
    }
    for (name, _, call_count) in files {
        let source = folder
            .path()
            .join(format!("ravenstack_{name}.csv"))
            .display()
            .to_string();
        let result = run(&[
            "import",
            &source,
            "--mapping",
            &format!("{mappings}/{name}.yaml"),
            "--dry-run",
        ]);
        assert!(result.status.success(), "{name}: {}", text(&result.stderr));
        assert_eq!(
            text(&result.stdout).lines().count(),
            call_count,
            "{name}: {}{}",
            text(&result.stdout),
            text(&result.stderr)
        );
    }
}

/// Asks until `found` says yes to what `ask` gives, for at most half a minute.
fn poll<T>(mut ask: impl FnMut() -> T, found: impl Fn(&T) -> bool) -> T {
    let begun = std::time::Instant::now();
    loop {
        let got = ask();
        if found(&got) || begun.elapsed().as_secs() > 30 {
            return got;
        }
        std::thread::yield_now();
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn metrics_tell_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let made = run(&["init", "--data", &data, "--json"]);
    let keys: Value = serde_json::from_slice(&made.stdout).unwrap();
    let served = Served::start(&data);
    let definitions = folder.path().join("all.yaml");
    let text = "policy: default\ntimezone: UTC\nfrom: \"Tenure <hello@example.com>\"\ntopics: [ { name: news, title: News, default: subscribed } ]\n---\nprogram: hello\naudience: person\ntopic: news\nenter: { event: signed_up }\nsteps:\n  - wait: 1s\n  - send: email\n    template: hello\n";
    std::fs::write(&definitions, text).unwrap();
    std::fs::write(
        folder.path().join("hello.mjml"),
        "---\nsubject: Hello\n---\n<mjml><mj-body></mj-body></mjml>",
    )
    .unwrap();
    let token = keys["api_token"].as_str().unwrap();
    let path = folder.path().display().to_string();
    let files = [
        definitions.display().to_string(),
        format!("{path}/hello.mjml"),
    ];
    let applied = run(&[
        "apply",
        "--url",
        &served.url,
        "--token",
        token,
        &files[0],
        &files[1],
    ]);
    assert!(applied.status.success(), "{}", text_of(&applied));
    let batch = serde_json::json!({"writeKey": keys["write_key"], "batch": [
        {"type": "identify", "userId": "u1", "traits": {"email": "u1@example.com"}},
        {"type": "track", "userId": "u1", "event": "signed_up"},
        {"type": "track", "userId": "u1"},
    ]});
    let sent = ureq::post(format!("{}/v1/batch", served.url)).send_json(&batch);
    assert_eq!(sent.unwrap().status(), 200);
    let metrics = || {
        let mut answer = ureq::get(format!("{}/metrics", served.url)).call().unwrap();
        answer.body_mut().read_to_string().unwrap()
    };
    let shown = poll(metrics, |text| text.contains("tenure_messages_total{"));
    let value = |name: &str| -> f64 {
        let line = shown
            .lines()
            .find(|line| line.split([' ', '{']).next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {shown}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    for name in [
        "tenure_ingest_accepted_total",
        "tenure_ingest_rejected_total",
        "tenure_log_entries_total",
        "tenure_wakes_total",
        "tenure_messages_total",
        "tenure_backfill_ratio",
        "tenure_disk_free_bytes",
        "tenure_commit_seconds_count",
        "tenure_apply_seconds_count",
        "tenure_dispatch_seconds_count",
    ] {
        assert!(value(name) > 0.0, "{name} in {shown}");
    }
    for name in [
        "tenure_ingest_duplicates_total",
        "tenure_commit_failures_total",
        "tenure_worker_failures_total",
        "tenure_dead_letters_total",
        "tenure_queue_jobs",
        "tenure_lag_entries",
        "tenure_reports_recorded_total",
        "tenure_reports_ignored_total",
    ] {
        assert!(value(name) >= 0.0, "{name}");
    }
    let doctor = run(&["doctor", "--url", &served.url, "--token", token]);
    assert!(text_of(&doctor).contains("disk: "), "{}", text_of(&doctor));
    assert!(doctor.status.success(), "{}", text_of(&doctor));
}

#[test]
fn templates_definitions_and_suppressions_are_steered_from_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let made = run(&["init", "--data", &data, "--json"]);
    let keys: Value = serde_json::from_slice(&made.stdout).unwrap();
    let served = Served::start(&data);
    let call = |words: &[&str]| {
        let token = keys["api_token"].as_str().unwrap();
        let made = run(&[words, &["--url", &served.url, "--token", token]].concat());
        assert!(made.status.success(), "{words:?}: {}", text_of(&made));
        text_of(&made)
    };
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(
        files.join("hi.mjml"),
        "---\nsubject: Hi {{ person.name }}\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>Dear {{ person.name }}</mj-text></mj-column></mj-section></mj-body></mjml>",
    )
    .unwrap();
    std::fs::write(
        files.join("a.yaml"),
        "segment: a\naudience: person\nwhen: count(\"x\") > 1\n---\npolicy: default\ntimezone: UTC\nfrom: \"Tenure <hello@example.com>\"\n",
    )
    .unwrap();
    let sample = folder.path().join("sample.json").display().to_string();
    std::fs::write(&sample, "{\"person\": {\"name\": \"Kim\"}}").unwrap();
    call(&["apply", &files.display().to_string()]);
    assert!(call(&["definitions", "list", "--kind", "segment"]).contains("a.yaml"));
    assert!(call(&["definitions", "show", "segment", "a"]).starts_with("segment: a\n"));
    assert!(call(&["templates", "list"]).contains("hi"));
    let shown = call(&["templates", "preview", "hi", "--data", &sample]);
    assert!(
        shown.contains("Subject: Hi Kim") && shown.contains("Dear Kim"),
        "{shown}"
    );
    call(&[
        "templates",
        "test",
        "hi",
        "--to",
        "team@example.com",
        "--data",
        &sample,
    ]);
    call(&["definitions", "remove", "segment", "a"]);
    assert!(call(&["definitions", "list", "--kind", "segment"]).contains("nothing is defined"));

    call(&["suppressions", "add", "a@example.com", "--reason", "asked"]);
    let listed: Value = serde_json::from_str(&call(&["suppressions", "list", "--json"])).unwrap();
    let id = listed["data"][0]["id"].as_str().unwrap();
    call(&["suppressions", "remove", id]);
    assert!(call(&["suppressions", "list"]).contains("no address is suppressed"));
}

fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[cfg(unix)]
#[test]
fn nobody_but_its_owner_can_look_into_a_new_data_folder() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let data = initialised(folder.path());
    let name = data.display().to_string();
    let open_to_others = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(open_to_others(&data), 0);
    assert_eq!(open_to_others(&data.join("tenure.db")), 0);

    let doctor = run(&["doctor", "--data", &name]);
    assert!(doctor.status.success(), "{}", text(&doctor.stdout));
    set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let doctor = run(&["doctor", "--data", &name]);
    assert!(!doctor.status.success());
    assert!(text(&doctor.stdout).contains("chmod 700"));
}
