//! Repositories: what is stored of one, and how it is made, told and deleted.

use super::Ecr;
use crate::page;
use crate::storage::{Outcome, Rows, decode};
use crate::tags::{self, Tag, Tags};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Repositories by account, region and name.
const REPOSITORIES: Keyspace = "ecr.repositories";

/// What is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Repository {
    pub name: String,
    pub created: Timestamp,
    /// `MUTABLE`, `IMMUTABLE` and the forms with exclusions.
    pub mutability: String,
    /// What the form excludes, as it was given.
    pub exclusions: Option<Value>,
    pub scan_on_push: bool,
    /// As it was given; by default AES256.
    pub encryption: Value,
    pub lifecycle: Option<String>,
    pub policy: Option<String>,
    pub tags: Tags,
}

impl Repository {
    fn tell(&self, context: &Context) -> Value {
        let account = context.account.as_str();
        let mut told = json!({
            "repositoryArn": context.arn("ecr", format!("repository/{}", self.name)).to_string(),
            "registryId": account,
            "repositoryName": self.name,
            "repositoryUri": format!("{account}.dkr.ecr.{}.amazonaws.com/{}", context.region, self.name),
            "createdAt": self.created.as_seconds_f64(),
            "imageTagMutability": self.mutability,
            "imageScanningConfiguration": { "scanOnPush": self.scan_on_push },
            "encryptionConfiguration": self.encryption,
        });
        if let Some(exclusions) = &self.exclusions {
            told["imageTagMutabilityExclusionFilters"] = exclusions.clone();
        }
        told
    }
}

fn row(context: &Context, name: &str) -> Key {
    key([context.account.as_str(), context.region.as_str(), name])
}

/// The account's own registry is the only one there is.
pub(super) fn own_registry(context: &Context, registry: Option<&str>) -> Result<(), ServiceError> {
    match registry {
        Some(other) if other != context.account.as_str() => {
            let message = format!("The registry with id '{other}' does not exist");
            Err(ServiceError::new("InvalidParameterException", 400, message))
        }
        _ => Ok(()),
    }
}

pub(super) fn load(rows: &impl Rows, context: &Context, name: &str) -> Outcome<Repository> {
    let message = || {
        let account = &context.account;
        format!("The repository with name '{name}' does not exist in the registry with id '{account}'")
    };
    let missing = || ServiceError::new("RepositoryNotFoundException", 400, message());
    Ok(rows.row(REPOSITORIES, row(context, name).as_ref())?.ok_or_else(missing)?)
}

/// Changes one repository.
pub(super) async fn change<T: Send + 'static>(
    context: &Context,
    name: String,
    change: impl FnOnce(&mut Repository) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<T> {
        let mut repository = load(transaction, &of_write, &name)?;
        let answer = change(&mut repository)?;
        transaction.put_json(REPOSITORIES, row(&of_write, &name), &repository)?;
        Ok(answer)
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    registry_id: Option<String>,
    repository_name: String,
    #[serde(default)]
    tags: Vec<Tag>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Value>,
    image_scanning_configuration: Option<Scanning>,
    encryption_configuration: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Scanning {
    pub scan_on_push: bool,
}

/// `CreateRepository`
pub(super) async fn create(_: &Ecr, context: &Context, input: Create) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let repository = Repository {
        name: input.repository_name,
        created: context.now(),
        mutability: input.image_tag_mutability.unwrap_or_else(|| "MUTABLE".to_owned()),
        exclusions: input.image_tag_mutability_exclusion_filters,
        scan_on_push: input.image_scanning_configuration.unwrap_or_default().scan_on_push,
        encryption: input.encryption_configuration.unwrap_or_else(|| json!({ "encryptionType": "AES256" })),
        lifecycle: None,
        policy: None,
        tags: tags::map(input.tags),
    };
    let told = repository.tell(context);
    let of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<()> {
        let name = &repository.name;
        if load(transaction, &of_write, name).is_ok() {
            let account = &of_write.account;
            let message = format!(
                "The repository with name '{name}' already exists in the registry with id '{account}'"
            );
            return Err(ServiceError::new("RepositoryAlreadyExistsException", 400, message).into());
        }
        Ok(transaction.put_json(REPOSITORIES, row(&of_write, name), &repository)?)
    };
    context.store().write(write).await?;
    Ok(json!({ "repository": told }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    registry_id: Option<String>,
    repository_name: String,
}

/// `DeleteRepository`. There are no images that would have to be forced.
pub(super) async fn delete(_: &Ecr, context: &Context, input: Named) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let of_write = context.clone();
    let write = move |transaction: &mut Transaction<'_>| -> Outcome<Repository> {
        let repository = load(transaction, &of_write, &input.repository_name)?;
        transaction.delete(REPOSITORIES, row(&of_write, &repository.name));
        Ok(repository)
    };
    Ok(json!({ "repository": context.store().write(write).await?.tell(context) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    registry_id: Option<String>,
    #[serde(default)]
    repository_names: Vec<String>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// `DescribeRepositories`
pub(super) async fn describe(_: &Ecr, context: &Context, input: Describe) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    let snapshot = context.store().read()?;
    let mut found = Vec::new();
    for name in &input.repository_names {
        found.push(load(&snapshot, context, name)?.tell(context));
    }
    if input.repository_names.is_empty() {
        let prefix = key([context.account.as_str(), context.region.as_str()]);
        for (_, value) in snapshot.rows(REPOSITORIES, prefix.as_ref(), usize::MAX)? {
            found.push(decode::<Repository>(REPOSITORIES, &value)?.tell(context));
        }
    }
    let (page, next) = page::of(found, input.max_results.unwrap_or(100), input.next_token.as_deref());
    let mut told = json!({ "repositories": page });
    if let Some(next) = next {
        told["nextToken"] = next.into();
    }
    Ok(told)
}

/// `DescribeImages` and `ListImages`: of a repository that is there, none.
pub(super) async fn images(_: &Ecr, context: &Context, input: Named) -> Outcome<Value> {
    own_registry(context, input.registry_id.as_deref())?;
    load(&context.store().read()?, context, &input.repository_name)?;
    Ok(json!({ "imageDetails": [], "imageIds": [] }))
}
