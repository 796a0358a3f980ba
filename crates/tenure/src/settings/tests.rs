use super::*;

fn environment(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn origin_of(settings: &Settings, name: &str) -> Origin {
    settings
        .iter()
        .find(|effective| effective.setting.name == name)
        .unwrap()
        .origin
        .clone()
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let flags = SettingFlags::default().or("listen", "127.0.0.1:1");
    let environment = environment(&[
        ("TENURE_LISTEN", "127.0.0.1:2"),
        ("TENURE_LOG_FORMAT", "json"),
    ]);
    let file = "listen = \"127.0.0.1:3\"\nlog_format = \"text\"\nsmtp_connections_max = 3\n";
    let settings = Settings::resolve(&flags, &environment, file).unwrap();
    assert_eq!(settings.text("listen"), Some("127.0.0.1:1"));
    assert_eq!(settings.text("log_format"), Some("json"));
    assert_eq!(settings.number("smtp_connections_max"), 3);
    assert_eq!(settings.number("batch_events_max"), 2500);
    assert_eq!(origin_of(&settings, "listen"), Origin::Flag);
    assert_eq!(
        origin_of(&settings, "log_format"),
        Origin::Environment("TENURE_LOG_FORMAT".to_owned())
    );
    assert_eq!(
        origin_of(&settings, "smtp_connections_max"),
        Origin::File("smtp_connections_max".to_owned())
    );
    assert_eq!(origin_of(&settings, "batch_events_max"), Origin::Default);
}

#[test]
fn a_mistyped_variable_or_key_is_refused_with_the_nearest_name() {
    let none = SettingFlags::default();
    let wrong = environment(&[("TENURE_SMPT_URL", "smtp://mail.example.com")]);
    let error = Settings::resolve(&none, &wrong, "")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "unknown environment variable TENURE_SMPT_URL; did you mean TENURE_SMTP_URL?"
    );
    let error = Settings::resolve(&none, &environment(&[]), "lisen = \"x\"")
        .unwrap_err()
        .to_string();
    assert_eq!(error, "unknown key `lisen`; did you mean listen?");
}

#[test]
fn a_secret_may_come_from_a_file_and_nothing_else_may() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtp-url");
    std::fs::write(&path, "smtp://user:hunter2@mail.example.com\n").unwrap();
    let path = path.to_str().unwrap();
    let none = SettingFlags::default();
    let settings =
        Settings::resolve(&none, &environment(&[("TENURE_SMTP_URL_FILE", path)]), "").unwrap();
    assert_eq!(
        settings.text("smtp_url"),
        Some("smtp://user:hunter2@mail.example.com")
    );
    let settings = Settings::resolve(
        &none,
        &environment(&[]),
        &format!("smtp_url_file = {path:?}"),
    )
    .unwrap();
    assert_eq!(
        settings.text("smtp_url"),
        Some("smtp://user:hunter2@mail.example.com")
    );
    assert!(Settings::resolve(&none, &environment(&[("TENURE_LISTEN_FILE", path)]), "").is_err());
}

#[test]
fn a_wrong_value_names_its_origin_and_what_it_must_be_but_not_the_value() {
    let wrong = environment(&[("TENURE_SMTP_COMMAND_TIMEOUT_MS", "hunter2")]);
    let error = Settings::resolve(&SettingFlags::default(), &wrong, "")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "`smtp_command_timeout_ms` from environment TENURE_SMTP_COMMAND_TIMEOUT_MS must be number, 1 to 86400000"
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let empty = environment(&[("TENURE_LOG_FORMAT", "")]);
    let settings = Settings::resolve(&SettingFlags::default(), &empty, "").unwrap();
    assert_eq!(settings.text("log_format"), Some("text"));
}
