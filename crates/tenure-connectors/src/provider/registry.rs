//! All kinds of connectors, and how one is opened.

use std::collections::BTreeMap;

use super::link::Network;
use super::mapping::Mapping;
use super::settings::{Settings, SetupError};
use super::{
    Connector, Description, hubspot, intercom, klaviyo, marketo, salesforce, segment,
    signed_webhook, slack, twilio, zendesk,
};

/// What a connector is opened with.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// Its name in the workspace; part of the ids of what it pulls.
    pub name: &'a str,
    /// Its settings, secrets among them.
    pub settings: &'a BTreeMap<String, String>,
    /// The mapping file; its kind's own when there is none.
    pub mapping: Option<&'a str>,
    /// What it may reach.
    pub network: Network,
}

/// A setup that was checked against a description.
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) mapping: Mapping,
    pub(super) network: Network,
}

type Opener = fn(&Checked) -> Result<Box<dyn Connector>, SetupError>;

const KINDS: &[(&Description, Opener)] = &[
    (&hubspot::DESCRIPTION, hubspot::open),
    (&intercom::DESCRIPTION, intercom::open),
    (&klaviyo::DESCRIPTION, klaviyo::open),
    (&marketo::DESCRIPTION, marketo::open),
    (&salesforce::DESCRIPTION, salesforce::open),
    (&segment::DESCRIPTION, segment::open),
    (&slack::DESCRIPTION, slack::open),
    (&twilio::DESCRIPTION, twilio::open),
    (&zendesk::DESCRIPTION, zendesk::open),
    (&signed_webhook::DESCRIPTION, signed_webhook::open),
];

/// All kinds of connectors.
pub fn kinds() -> impl Iterator<Item = &'static Description> {
    KINDS.iter().map(|(description, _)| *description)
}

/// What a kind of connector is and can do.
pub fn describe(kind: &str) -> Option<&'static Description> {
    kinds().find(|description| description.kind == kind)
}

/// Checks a setup and opens the connector. Connects to nothing yet.
pub fn open(kind: &str, setup: Setup<'_>) -> Result<Box<dyn Connector>, SetupError> {
    let found = KINDS
        .iter()
        .find(|(description, _)| description.kind == kind);
    let Some((description, opener)) = found else {
        let known: Vec<&str> = kinds().map(|description| description.kind).collect();
        return Err(SetupError::UnknownKind {
            kind: kind.to_owned(),
            known: known.join(", "),
        });
    };
    let mapping = setup.mapping.unwrap_or(description.mapping);
    opener(&Checked {
        name: setup.name.to_owned(),
        settings: Settings::check(setup.settings, description.settings)?,
        mapping: Mapping::parse(mapping, description.streams)?,
        network: setup.network,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kinds_own_mapping_is_valid_and_names_are_unique() {
        let mut names: Vec<&str> = kinds().map(|description| description.kind).collect();
        for description in kinds() {
            Mapping::parse(description.mapping, description.streams).unwrap();
            for setting in description.settings {
                assert!(!setting.about.is_empty(), "{}", setting.name);
            }
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
