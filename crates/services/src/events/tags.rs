//! The tags of rules and buses, which are known by their ARNs.

use super::bus::Address;
use super::rule::Rule;
use super::{Events, errors};
use crate::storage::Outcome;
use crate::tags::{Tag, Tags};

use aloft_base::{AccountId, Arn, Region};
use aloft_engine::{Context, ServiceError};
use aloft_store::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

/// What has tags.
enum Tagged {
    Bus(Address),
    Rule(Address, String),
}

impl Tagged {
    fn of_arn(text: &str) -> Result<Self, ServiceError> {
        let missing = || errors::not_found(format!("Resource {text} does not exist."));
        if let Some(bus) = Address::of_arn(text) {
            return Ok(Self::Bus(bus));
        }
        let arn: Arn = text.parse().map_err(|_| missing())?;
        let name =
            arn.resource.strip_prefix("rule/").filter(|_| arn.service == "events").ok_or_else(missing)?;
        let (bus, name) = name.rsplit_once('/').unwrap_or((super::bus::DEFAULT, name));
        let account = AccountId::new(&arn.account).ok_or_else(missing)?;
        let region = Region::new(&arn.region).ok_or_else(missing)?;
        Ok(Self::Rule(Address { account, region, name: bus.to_owned() }, name.to_owned()))
    }

    /// Changes the tags.
    fn change(&self, transaction: &mut Transaction<'_>, change: impl FnOnce(&mut Tags)) -> Outcome<()> {
        match self {
            Self::Bus(bus) => {
                let mut bus = bus.load(transaction)?;
                change(&mut bus.tags);
                Ok(bus.save(transaction)?)
            }
            Self::Rule(bus, name) => {
                let mut rule = Rule::load(transaction, bus, name)?;
                change(&mut rule.tags);
                Ok(rule.save(transaction)?)
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "ResourceARN")]
    arn: String,
}

/// `ListTagsForResource`
pub(super) async fn list(_: &Events, context: &Context, input: Named) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let tags = match Tagged::of_arn(&input.arn)? {
        Tagged::Bus(bus) => bus.find(&snapshot)?.tags,
        Tagged::Rule(bus, name) => Rule::find(&snapshot, &bus, &name)?.tags,
    };
    Ok(json!({ "Tags": crate::tags::list(&tags) }))
}

#[derive(Deserialize)]
pub(super) struct Add {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "Tags")]
    tags: Vec<Tag>,
}

/// `TagResource`
pub(super) async fn tag(_: &Events, context: &Context, input: Add) -> Outcome<()> {
    let (tagged, tags) = (Tagged::of_arn(&input.arn)?, crate::tags::map(input.tags));
    let write =
        move |transaction: &mut Transaction<'_>| tagged.change(transaction, |present| present.extend(tags));
    context.store().write(write).await
}

#[derive(Deserialize)]
pub(super) struct Remove {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "TagKeys")]
    keys: Vec<String>,
}

/// `UntagResource`
pub(super) async fn untag(_: &Events, context: &Context, input: Remove) -> Outcome<()> {
    let (tagged, keys) = (Tagged::of_arn(&input.arn)?, input.keys);
    let write = move |transaction: &mut Transaction<'_>| {
        tagged.change(transaction, |present| present.retain(|key, _| !keys.contains(key)))
    };
    context.store().write(write).await
}
