//! Secrets of connectors: `connectors.toml` in the data folder, a table for each connector.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tenure_app::connectors::ConnectorSecrets;

/// Name of the file in the data folder.
const FILE_NAME: &str = "connectors.toml";

/// The file. It is read whenever a connector is opened, so a change needs no restart of a connector that fails.
pub(crate) struct SecretsFile(PathBuf);

impl SecretsFile {
    /// The file of a data folder.
    pub(crate) fn new(data: &Path) -> Self {
        Self(data.join(FILE_NAME))
    }
}

impl ConnectorSecrets for SecretsFile {
    fn of(&self, connector: &str) -> Result<BTreeMap<String, String>, String> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(format!("cannot read {}: {error}", self.0.display())),
        };
        check_owner(&self.0)?;
        parse(&text, connector).map_err(|line| {
            format!(
                "{}, line {line}: write `[{connector}]`, then a line `name = \"value\"` for each secret",
                self.0.display()
            )
        })
    }
}

/// The secrets of one connector; the line that is wrong otherwise, since the parser's own words quote the file.
fn parse(text: &str, connector: &str) -> Result<BTreeMap<String, String>, usize> {
    let tables: Result<BTreeMap<String, BTreeMap<String, String>>, _> = toml::from_str(text);
    match tables {
        Ok(mut tables) => Ok(tables.remove(connector).unwrap_or_default()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            Err(1 + text[..text.floor_char_boundary(at)].matches('\n').count())
        }
    }
}

/// Nobody but the server may read secrets.
#[cfg(unix)]
fn check_owner(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "{} can be read by others; run `chmod 600 {}`",
            path.display(),
            path.display()
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_path: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connector_gets_its_own_table() {
        let text = "[crm]\ntoken = \"hush\"\n[mail]\napi_key = \"other\"\n";
        let secrets = parse(text, "crm").unwrap();
        assert_eq!(secrets, [("token".to_owned(), "hush".to_owned())].into());
        assert!(parse(text, "chat").unwrap().is_empty());
    }

    #[test]
    fn a_mistake_is_named_by_its_line_without_its_text() {
        assert_eq!(parse("[crm]\ntoken = hush\n", "crm"), Err(2));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = SecretsFile::new(folder.path());
        assert_eq!(file.of("crm"), Ok(BTreeMap::new()));
        std::fs::write(&file.0, "[crm]\ntoken = \"hush\"\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&file.0, PermissionsExt::from_mode(mode));
        mode(0o644).unwrap();
        let refusal = file.of("crm").unwrap_err();
        assert!(refusal.contains("chmod 600") && !refusal.contains("hush"));
        mode(0o600).unwrap();
        assert_eq!(file.of("crm").unwrap()["token"], "hush");
    }
}
