//! What an operator tells a connector.

use std::collections::BTreeMap;

use thiserror::Error;

use super::secret::Secret;

/// One setting that a connector knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Whether it is kept secret.
    pub is_secret: bool,
    /// Whether the connector does without.
    pub need: Need,
    /// What it is, in a sentence.
    pub about: &'static str,
}

/// Whether a setting must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// This is taken when it is left out.
    Default(&'static str),
}

impl Setting {
    /// A setting that is no secret.
    pub const fn plain(name: &'static str, need: Need, about: &'static str) -> Self {
        Self {
            name,
            is_secret: false,
            need,
            about,
        }
    }

    /// A setting that is kept secret.
    pub const fn secret(name: &'static str, need: Need, about: &'static str) -> Self {
        Self {
            name,
            is_secret: true,
            need,
            about,
        }
    }
}

/// A connector cannot be opened as it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetupError {
    /// There is no such kind of connector.
    #[error("there is no connector `{kind}`; there is {known}")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// What there is.
        known: String,
    },
    /// A setting is missing, unknown or of no use. Says nothing about a secret's content.
    #[error("setting `{name}`: {reason}")]
    Setting {
        /// Which.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The mapping file is wrong.
    #[error(transparent)]
    Mapping(#[from] super::mapping::MappingError),
}

impl SetupError {
    /// A setting of no use.
    pub(super) fn setting(name: &str, reason: impl Into<String>) -> Self {
        Self::Setting {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Checked settings of one connector.
#[derive(Debug, Clone)]
pub struct Settings {
    plain: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, Secret>,
}

impl Settings {
    /// Checks what was given against what the connector knows.
    pub fn check(
        given: &BTreeMap<String, String>,
        known: &'static [Setting],
    ) -> Result<Self, SetupError> {
        if let Some(name) = given
            .keys()
            .find(|name| known.iter().all(|setting| setting.name != name.as_str()))
        {
            let names: Vec<&str> = known.iter().map(|setting| setting.name).collect();
            let reason = format!(
                "this connector does not know it; it knows {}",
                names.join(", ")
            );
            return Err(SetupError::setting(name, reason));
        }
        let mut settings = Self {
            plain: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        for setting in known {
            let value = given
                .get(setting.name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty());
            let value = match (value, setting.need) {
                (Some(value), _) | (None, Need::Default(value)) => value,
                (None, Need::Optional) => continue,
                (None, Need::Required) => {
                    let reason = format!("it is missing; it is {}", setting.about);
                    return Err(SetupError::setting(setting.name, reason));
                }
            };
            if value.contains(|c: char| c.is_control()) {
                let reason = "it must be one line without control characters";
                return Err(SetupError::setting(setting.name, reason));
            }
            if setting.is_secret {
                settings.secrets.insert(setting.name, Secret::new(value));
            } else {
                settings.plain.insert(setting.name, value.to_owned());
            }
        }
        Ok(settings)
    }

    /// A setting that is no secret.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.plain.get(name).map(String::as_str)
    }

    /// A setting that must be there, since the check saw it.
    pub fn need(&self, name: &str) -> Result<&str, SetupError> {
        self.text(name)
            .ok_or_else(|| SetupError::setting(name, "it is missing"))
    }

    /// A secret, where it was given.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    /// A secret that must be there.
    pub fn need_secret(&self, name: &str) -> Result<Secret, SetupError> {
        self.secret(name)
            .cloned()
            .ok_or_else(|| SetupError::setting(name, "it is missing"))
    }

    /// All secrets, to be kept out of reasons.
    pub fn secrets(&self) -> Vec<Secret> {
        self.secrets.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static KNOWN: [Setting; 3] = [
        Setting::secret("token", Need::Required, "an access token"),
        Setting::plain(
            "base_url",
            Need::Default("https://api.example.com"),
            "where",
        ),
        Setting::plain("list", Need::Optional, "a list"),
    ];

    fn check(given: &[(&str, &str)]) -> Result<Settings, SetupError> {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::check(&given, &KNOWN)
    }

    #[test]
    fn settings_are_checked_by_name_and_secrets_are_not_printed() {
        let settings = check(&[("token", " hush-hush ")]).unwrap();
        assert_eq!(
            settings.need("base_url").unwrap(),
            "https://api.example.com"
        );
        assert_eq!(settings.need_secret("token").unwrap().reveal(), "hush-hush");
        assert_eq!(settings.text("list"), None);
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn what_is_missing_unknown_or_broken_is_named() {
        for (given, words) in [
            (
                &[("list", "1")][..],
                "setting `token`: it is missing; it is an access token",
            ),
            (
                &[("token", "t"), ("tokn", "t")][..],
                "setting `tokn`: this connector does not know it",
            ),
            (
                &[("token", "a\r\nb")][..],
                "setting `token`: it must be one line",
            ),
        ] {
            let error = check(given).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
