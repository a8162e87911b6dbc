//! Groups of schedules. The default group is always there, with a row only once it has tags.

use super::schedule::{Address, DEFAULT_GROUP, SCHEDULES, Schedule};
use super::{Scheduler, errors, schedules};
use crate::storage::{Outcome, Rows};
use crate::tags::{self, Tag, Tags};
use aloft_base::{AccountId, Arn, Region, Timestamp};
use aloft_engine::Context;
use aloft_store::{Key, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Groups by account, region and name.
const GROUPS: &str = "scheduler.groups";

/// Where a group is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub name: String,
    pub tags: Tags,
    pub client_token: Option<String>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

impl Place {
    pub fn new(context: &Context, name: String) -> Self {
        Self { account: context.account.clone(), region: context.region.clone(), name }
    }

    /// The group that a schedule is in.
    pub fn of(address: &Address) -> Self {
        let Address { account, region, group, .. } = address.clone();
        Self { account, region, name: group }
    }

    /// From a group's ARN.
    pub fn of_arn(text: &str) -> Option<Self> {
        let arn: Arn = text.parse().ok().filter(|arn: &Arn| arn.service == "scheduler")?;
        let name = arn.resource.strip_prefix("schedule-group/")?.to_owned();
        Some(Self { account: AccountId::new(&arn.account)?, region: Region::new(&arn.region)?, name })
    }

    /// `arn:aws:scheduler:us-east-1:000000000000:schedule-group/name`
    pub fn arn(&self) -> String {
        let resource = format!("schedule-group/{}", self.name);
        Arn::new("scheduler", &self.region, &self.account, resource).to_string()
    }

    fn key(&self) -> Key {
        key([self.account.as_str(), self.region.as_str(), &self.name])
    }

    /// The group, which must be there.
    pub fn find(&self, rows: &impl Rows) -> Outcome<Group> {
        match rows.row(GROUPS, self.key().as_ref())? {
            Some(group) => Ok(group),
            None if self.name == DEFAULT_GROUP => Ok(Group::new(DEFAULT_GROUP.to_owned(), Timestamp(0))),
            None => Err(errors::no_group(&self.name).into()),
        }
    }

    /// Writes the row.
    pub fn save(&self, transaction: &mut Transaction<'_>, group: &Group) -> Result<(), StoreError> {
        transaction.put_json(GROUPS, self.key(), group)
    }

    fn tell(&self, group: &Group) -> Value {
        json!({
            "Arn": self.arn(),
            "Name": group.name,
            "State": "ACTIVE",
            "CreationDate": group.created.as_seconds_f64(),
            "LastModificationDate": group.modified.as_seconds_f64(),
        })
    }
}

impl Group {
    fn new(name: String, now: Timestamp) -> Self {
        Self { name, tags: Tags::new(), client_token: None, created: now, modified: now }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    client_token: Option<String>,
}

/// `CreateScheduleGroup`: the same request again, by its token, changes nothing.
pub(super) async fn create(_: &Scheduler, context: &Context, input: Create) -> Outcome<Value> {
    let (now, place) = (context.now(), Place::new(context, input.name));
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Value> {
        let found: Option<Group> = transaction.get_json(GROUPS, place.key())?;
        let again = found
            .as_ref()
            .is_some_and(|group| group.client_token.is_some() && group.client_token == input.client_token);
        if !again && (found.is_some() || place.name == DEFAULT_GROUP) {
            return Err(errors::conflict(format!("Schedule group {} already exists.", place.name)).into());
        }
        let group = Group {
            tags: tags::map(input.tags),
            client_token: input.client_token,
            ..Group::new(place.name.clone(), now)
        };
        if !again {
            place.save(transaction, &group)?;
        }
        Ok(json!({ "ScheduleGroupArn": place.arn() }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    name: String,
}

/// `GetScheduleGroup`
pub(super) async fn get(_: &Scheduler, context: &Context, input: Named) -> Outcome<Value> {
    let place = Place::new(context, input.name);
    let group = place.find(&context.store().read()?)?;
    Ok(place.tell(&group))
}

/// `DeleteScheduleGroup`: with all of its schedules, and at once, where AWS takes its time.
pub(super) async fn delete(_: &Scheduler, context: &Context, input: Named) -> Outcome<()> {
    let place = Place::new(context, input.name);
    if place.name == DEFAULT_GROUP {
        return Err(errors::invalid("The default schedule group cannot be deleted.").into());
    }
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        place.find(transaction)?;
        for (_, schedule) in transaction.scan_json::<Schedule>(SCHEDULES, place.key(), usize::MAX)? {
            schedules::remove(transaction, &schedule.address)?;
        }
        transaction.delete(GROUPS, place.key());
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    name_prefix: Option<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// `ListScheduleGroups`
pub(super) async fn list(_: &Scheduler, context: &Context, input: List) -> Outcome<Value> {
    let snapshot = context.store().read()?;
    let here = key([context.account.as_str(), context.region.as_str()]);
    let rows = snapshot.scan_json::<Group>(GROUPS, here, usize::MAX)?;
    let mut groups: Vec<Group> = rows.into_iter().map(|(_, group)| group).collect();
    if !groups.iter().any(|group| group.name == DEFAULT_GROUP) {
        groups.push(Group::new(DEFAULT_GROUP.to_owned(), Timestamp(0)));
    }
    groups.retain(|group| input.name_prefix.as_ref().is_none_or(|prefix| group.name.starts_with(prefix)));
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    let told = groups.iter().map(|group| Place::new(context, group.name.clone()).tell(group)).collect();
    let (page, next) = crate::page::of(told, input.max_results.unwrap_or(100), input.next_token.as_deref());
    Ok(json!({ "ScheduleGroups": page, "NextToken": next }))
}
