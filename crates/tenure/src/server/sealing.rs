//! The key that seals secrets: the operator's, or one that is made once and kept in the data folder.

use std::path::Path;

use anyhow::{Context, Result};
use tenure_app::access::seal::SealingKey;
use tenure_app::access::secret::{Seeded, secret};

use super::private::write_private;
use crate::commands::users::seed;
use crate::settings::Settings;

/// Name of the file in the data folder. It is no part of a backup.
const FILE_NAME: &str = "secret-key";

/// The key of the setting `secret_key`; without it, that of the data folder.
pub(super) fn key(settings: &Settings, data: &Path) -> Result<SealingKey> {
    if let Some(text) = settings.text("secret_key") {
        return SealingKey::derive(text).with_context(|| {
            format!(
                "`secret_key` needs at least {} random characters",
                SealingKey::TEXT_CHARS_MIN
            )
        });
    }
    let path = data.join(FILE_NAME);
    if !path.exists() {
        let made = secret("", &Seeded::new(&seed()?));
        write_private(&path, &made).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    SealingKey::derive(&text).with_context(|| {
        format!(
            "{} is damaged: put the key back that it held, or name it in `secret_key`",
            path.display()
        )
    })
}
