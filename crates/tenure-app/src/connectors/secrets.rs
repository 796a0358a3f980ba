//! Secrets of connectors: sealed in the store, one record a connector, set one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use serde_json::json;
use tenure_connectors::provider::describe;

use super::ConnectorSecrets;
use crate::access::Actor;
use crate::access::secret::Random;
use crate::error::AppError;
use crate::node::Node;

/// Under which name the secrets of a connector are sealed.
pub(super) fn sealed_name(connector: &str) -> String {
    format!("connector/{connector}")
}

/// The secrets that a node keeps.
struct Sealed(Weak<Node>);

impl ConnectorSecrets for Sealed {
    fn of(&self, connector: &str) -> Result<BTreeMap<String, String>, String> {
        let Some(node) = self.0.upgrade() else {
            return Ok(BTreeMap::new());
        };
        let found = node.connector_secrets(connector);
        found.map_err(|error| error.to_string())
    }
}

impl Node {
    /// Lets connectors have the secrets that this node keeps sealed.
    pub fn use_sealed_secrets(self: &Arc<Self>) {
        let sealed = Arc::new(Sealed(Arc::downgrade(self)));
        self.connectors().use_secrets(sealed);
    }

    fn connector_secrets(&self, connector: &str) -> Result<BTreeMap<String, String>, AppError> {
        let name = sealed_name(connector);
        let Some(bytes) = self.secret(&name)? else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_slice(&bytes)
            // The parser's own words quote what it read.
            .map_err(|_| AppError::Conflict(format!("the secret `{name}` is damaged; set it anew")))
    }

    /// Sets a secret setting of a connector, or forgets it.
    pub fn set_connector_secret(
        &self,
        (connector, setting): (&str, &str),
        value: Option<String>,
        random: &dyn Random,
        by: &Actor,
    ) -> Result<(), AppError> {
        let kind = self.connectors().config(connector)?.kind;
        let is_secret = describe(&kind).is_some_and(|kind| {
            let mut settings = kind.settings.iter();
            settings.any(|known| known.is_secret && known.name == setting)
        });
        if !is_secret {
            return Err(AppError::Invalid {
                field: "setting".into(),
                message: format!(
                    "`{kind}` has no secret of this name; `tenure connectors kinds --json` lists them"
                ),
            });
        }
        self.change_secrets(connector, random, by, |secrets| match value {
            Some(value) => drop(secrets.insert(setting.to_owned(), value)),
            None => drop(secrets.remove(setting)),
        })
    }

    /// Takes secrets over that were kept elsewhere; those that were set here meanwhile stay.
    pub fn take_connector_secrets(
        &self,
        connector: &str,
        found: BTreeMap<String, String>,
        random: &dyn Random,
    ) -> Result<(), AppError> {
        self.change_secrets(connector, random, &Actor::command(), |secrets| {
            for (setting, value) in found {
                secrets.entry(setting).or_insert(value);
            }
        })
    }

    fn change_secrets(
        &self,
        connector: &str,
        random: &dyn Random,
        by: &Actor,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), AppError> {
        let connectors = self.connectors();
        let _changing = connectors.changing.lock();
        let mut secrets = self.connector_secrets(connector)?;
        change(&mut secrets);
        let bytes = json!(secrets).to_string().into_bytes();
        self.keep_secret(&sealed_name(connector), &bytes, random, by)?;
        connectors.opened.lock().remove(connector);
        Ok(())
    }
}
