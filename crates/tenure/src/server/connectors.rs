//! Secrets of connectors that earlier versions kept in `connectors.toml` of the data folder, a table for each connector:
//! they are sealed in the store, once, and the file is removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tenure_app::access::secret::Seeded;
use tenure_app::node::Node;

use crate::commands::users::seed;

/// Name of the file in the data folder.
const FILE_NAME: &str = "connectors.toml";

type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// Lets connectors have the secrets that are sealed, after those of the file are.
pub(super) fn use_secrets(node: &Arc<Node>, data: &Path) -> Result<()> {
    let path = data.join(FILE_NAME);
    if path.exists() {
        let moved = move_file(node, &path)?;
        tracing::warn!(
            connector_count = moved,
            "the secrets of {FILE_NAME} are sealed in the store from now on, and the file is removed; change them with `tenure connectors secret`"
        );
    }
    node.use_sealed_secrets();
    Ok(())
}

fn move_file(node: &Node, path: &Path) -> Result<usize> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let tables = match parse(&text) {
        Ok(tables) => tables,
        Err(line) => bail!(
            "{}, line {line}: write `[connector]`, then a line `name = \"value\"` for each secret",
            path.display()
        ),
    };
    let count = tables.len();
    let random = Seeded::new(&seed()?);
    for (connector, secrets) in tables {
        node.take_connector_secrets(&connector, secrets, &random)?;
    }
    std::fs::remove_file(path).with_context(|| {
        format!(
            "the secrets of {} are sealed; remove the file",
            path.display()
        )
    })?;
    Ok(count)
}

/// The secrets; the line that is wrong otherwise, since the parser's own words quote the file.
fn parse(text: &str) -> Result<Tables, usize> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        1 + text[..text.floor_char_boundary(at)].matches('\n').count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connector_gets_its_own_table() {
        let text = "[crm]\ntoken = \"hush\"\n[mail]\napi_key = \"other\"\n";
        let tables = parse(text).unwrap();
        assert_eq!(
            tables["crm"],
            [("token".to_owned(), "hush".to_owned())].into()
        );
        assert_eq!(tables.len(), 2);
    }

    #[test]
    fn a_mistake_is_named_by_its_line_without_its_text() {
        assert_eq!(parse("[crm]\ntoken = hush\n"), Err(2));
    }
}
