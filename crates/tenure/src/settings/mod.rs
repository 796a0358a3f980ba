//! Settings: flag, then environment, then the file in the data folder, then default.

mod nearest;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

pub(crate) use nearest::nearest;
use table::{OTHER_VARIABLES, SETTINGS, Setting};

/// Name of the settings file in the data folder.
pub(crate) const FILE_NAME: &str = "tenure.toml";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment(String),
    /// The settings file, under this key.
    File(String),
    /// The table.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(key) => write!(f, "{FILE_NAME}, {key}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value with its origin; no value when nobody gave one and there is no default.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    /// Of which setting.
    pub(crate) setting: &'static Setting,
    /// The value.
    pub(crate) value: Option<String>,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// All settings as they are in force.
#[derive(Debug, Clone)]
pub(crate) struct Settings(Vec<Effective>);

/// The flags of all settings, for commands that start a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingFlags(BTreeMap<&'static str, String>);

impl SettingFlags {
    /// Sets a flag unless the command line has it.
    pub(crate) fn or(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.entry(name).or_insert_with(|| value.into());
        self
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| {
            let flag = if setting.is_secret {
                format!("{}-file", setting.flag())
            } else {
                setting.flag()
            };
            let about = if setting.is_secret {
                format!("File that holds: {}", setting.about)
            } else {
                setting.about.to_owned()
            };
            let help = setting.default.map_or(about.clone(), |default| {
                format!("{about} [default: {default}]")
            });
            command.arg(
                Arg::new(setting.name)
                    .long(flag)
                    .value_name(setting.name.to_uppercase())
                    .help(help)
                    .help_heading("Settings"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &Setting| matches.get_one::<String>(setting.name).cloned();
        Ok(Self(
            SETTINGS
                .iter()
                .filter_map(|setting| Some((setting.name, given(setting)?)))
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Settings {
    /// Settings of a data folder from this process's environment.
    pub(crate) fn load(data: &Path, flags: &SettingFlags) -> Result<Self> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("TENURE_"))
            .collect();
        let path = data.join(FILE_NAME);
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Self::resolve(flags, &environment, &file).with_context(|| {
            format!(
                "settings (see `tenure settings --help`, file {})",
                path.display()
            )
        })
    }

    fn resolve(
        flags: &SettingFlags,
        environment: &BTreeMap<String, String>,
        file: &str,
    ) -> Result<Self> {
        check_variables(environment)?;
        let file = parse_file(file)?;
        SETTINGS
            .iter()
            .map(|setting| effective(setting, flags, environment, &file))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The same with one setting not set.
    pub(crate) fn without(mut self, name: &str) -> Self {
        for effective in self
            .0
            .iter_mut()
            .filter(|effective| effective.setting.name == name)
        {
            effective.value = None;
        }
        self
    }

    /// All of them in the order of the reference.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Effective> {
        self.0.iter()
    }

    /// The value of a setting, if it has one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|effective| effective.setting.name == name);
        debug_assert!(found.is_some(), "no setting `{name}`");
        found?.value.as_deref()
    }

    /// The value of a setting that is a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The value of a number, which has a default and was checked.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.text(name) == Some("on")
    }
}

fn check_variables(environment: &BTreeMap<String, String>) -> Result<()> {
    let mut known: Vec<String> = OTHER_VARIABLES
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    for setting in SETTINGS {
        known.push(setting.variable());
        if setting.is_secret {
            known.push(format!("{}_FILE", setting.variable()));
        }
    }
    if let Some(name) = environment.keys().find(|name| !known.contains(name)) {
        let hint = nearest(name, known.iter().map(String::as_str));
        bail!("unknown environment variable {name}{}", hint_text(hint));
    }
    Ok(())
}

fn parse_file(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse().context("the file is not valid TOML")?;
    let mut known: Vec<String> = SETTINGS
        .iter()
        .map(|setting| setting.name.to_owned())
        .collect();
    known.extend(
        SETTINGS
            .iter()
            .filter(|setting| setting.is_secret)
            .map(|setting| format!("{}_file", setting.name)),
    );
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !known.contains(&key) {
            bail!(
                "unknown key `{key}`{}",
                hint_text(nearest(&key, known.iter().map(String::as_str)))
            );
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => if flag { "on" } else { "off" }.to_owned(),
            _ => bail!("`{key}` must be a text, a whole number or true/false"),
        };
        values.insert(key, value);
    }
    Ok(values)
}

fn hint_text(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; `tenure settings` lists the known ones".to_owned(),
        |nearest| format!("; did you mean {nearest}?"),
    )
}

fn effective(
    setting: &'static Setting,
    flags: &SettingFlags,
    environment: &BTreeMap<String, String>,
    file: &BTreeMap<String, String>,
) -> Result<Effective> {
    let variable = setting.variable();
    let file_variable = format!("{variable}_FILE");
    let file_key = format!("{}_file", setting.name);
    // A variable set to nothing is as good as not set: that is how compose files leave things out.
    let from_environment = |name: &String| environment.get(name).filter(|value| !value.is_empty());
    let (value, origin) = if let Some(value) = flags.0.get(setting.name) {
        let value = if setting.is_secret {
            read_secret(value)?
        } else {
            value.clone()
        };
        (Some(value), Origin::Flag)
    } else if let Some(value) = from_environment(&variable) {
        (Some(value.clone()), Origin::Environment(variable))
    } else if let Some(path) = from_environment(&file_variable).filter(|_| setting.is_secret) {
        (Some(read_secret(path)?), Origin::Environment(file_variable))
    } else if let Some(value) = file.get(setting.name) {
        (Some(value.clone()), Origin::File(setting.name.to_owned()))
    } else if let Some(path) = file.get(&file_key) {
        (Some(read_secret(path)?), Origin::File(file_key))
    } else {
        (setting.default.map(str::to_owned), Origin::Default)
    };
    if let Some(problem) = value
        .as_deref()
        .and_then(|value| setting.check(value).err())
    {
        bail!("`{}` from {origin} {problem}", setting.name);
    }
    Ok(Effective {
        setting,
        value,
        origin,
    })
}

/// Reads a secret from the file that holds it; the line break that editors add is not part of it.
fn read_secret(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the secret file {path}"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests;
