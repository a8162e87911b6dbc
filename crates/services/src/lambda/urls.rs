//! Function URLs: their settings. They are served by `url_http`.

use super::Lambda;
use super::errors::{conflict, invalid, not_found, nothing_there};
use super::functions::{Named, with_marker};
use super::name::{FunctionKey, Name};
use super::rows::Version;
use crate::page;
use crate::storage::{Fault, decode};
use aloft_base::Timestamp;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Keyspace, StoreError, Transaction, key};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// URLs by function and qualifier; the empty one is the function itself.
const URLS: Keyspace = "lambda.urls";
/// Names by the identifier in the URL.
const IDS: Keyspace = "lambda.url-ids";

/// The mode in which answers are passed on while they are written.
const STREAMED: &str = "RESPONSE_STREAM";

/// A function URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Url {
    pub id: String,
    pub auth_type: String,
    pub cors: Option<Cors>,
    #[serde(default)]
    pub is_streamed: bool,
    created: Timestamp,
    modified: Timestamp,
}

/// Who may call it from a browser.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Cors {
    pub allow_credentials: bool,
    pub allow_headers: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_origins: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age: u64,
}

impl Url {
    fn tell(&self, context: &Context, name: &Name) -> Value {
        let port = context.engine.address().port();
        let mut told = json!({
            "FunctionUrl": format!("http://{}.lambda-url.{}.localhost:{port}/", self.id, name.function.region),
            "FunctionArn": name.arn(),
            "AuthType": self.auth_type,
            "CreationTime": self.created.iso8601(),
            "LastModifiedTime": self.modified.iso8601(),
            "InvokeMode": if self.is_streamed { STREAMED } else { "BUFFERED" },
        });
        if let Some(cors) = &self.cors {
            told["Cors"] = json!(cors);
        }
        told
    }

    fn key(name: &Name) -> Key {
        name.function.key().text(name.qualifier.as_deref().unwrap_or_default())
    }
}

/// The function and the URL of an identifier.
pub(super) fn find(context: &Context, id: &str) -> Result<Option<(Name, Url)>, StoreError> {
    let snapshot = context.store().read()?;
    let Some(name) = snapshot.get_json::<Name>(IDS, key([id]))? else { return Ok(None) };
    let url = snapshot.get_json(URLS, Url::key(&name))?;
    Ok(url.map(|url| (name, url)))
}

/// Drops the URLs of a function.
pub(super) fn forget(transaction: &mut Transaction<'_>, function: &FunctionKey) -> Result<(), Fault> {
    for (place, row) in transaction.scan(URLS, function.key(), usize::MAX)? {
        let url: Url = decode(URLS, &row)?;
        transaction.delete(IDS, key([&url.id]));
        transaction.delete(URLS, place);
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    function_name: String,
    qualifier: Option<String>,
    auth_type: Option<String>,
    cors: Option<Cors>,
    invoke_mode: Option<String>,
}

impl Put {
    fn name(&self, context: &Context) -> Result<Name, ServiceError> {
        let name = Name::parse(context, &self.function_name, self.qualifier.as_deref())?;
        let is_version = |text: &str| text.starts_with('$') || text.bytes().all(|it| it.is_ascii_digit());
        match &name.qualifier {
            Some(text) if is_version(text) => {
                Err(invalid("Function URLs are for functions and their aliases, not for versions."))
            }
            _ => Ok(name),
        }
    }
}

/// `CreateFunctionUrlConfig`
pub(super) async fn create(_: &Lambda, context: &Context, input: Put) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let now = context.now();
    let url = Url {
        id: context.ids().lower(32),
        auth_type: input.auth_type.unwrap_or_else(|| "NONE".to_owned()),
        cors: input.cors,
        is_streamed: input.invoke_mode.as_deref() == Some(STREAMED),
        created: now,
        modified: now,
    };
    let told = url.tell(context, &name);
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        Version::named(transaction, &name)?;
        if transaction.get(URLS, Url::key(&name))?.is_some() {
            let message = format!(
                "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
                name.arn()
            );
            return Err(conflict(message).into());
        }
        transaction.put_json(IDS, key([&url.id]), &name)?;
        Ok(transaction.put_json(URLS, Url::key(&name), &url)?)
    };
    context.store().write(write).await?;
    Ok(told)
}

/// `UpdateFunctionUrlConfig`
pub(super) async fn update(_: &Lambda, context: &Context, input: Put) -> Result<Value, Fault> {
    let (name, now, context_) = (input.name(context)?, context.now(), context.clone());
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        let mut url: Url = transaction.get_json(URLS, Url::key(&name))?.ok_or_else(nothing_there)?;
        if let Some(auth_type) = input.auth_type {
            url.auth_type = auth_type;
        }
        url.cors = input.cors.or(url.cors);
        if let Some(mode) = input.invoke_mode {
            url.is_streamed = mode == STREAMED;
        }
        url.modified = now;
        transaction.put_json(URLS, Url::key(&name), &url)?;
        Ok(url.tell(&context_, &name))
    };
    context.store().write(write).await
}

/// `GetFunctionUrlConfig`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let url: Option<Url> = context.store().read()?.get_json(URLS, Url::key(&name))?;
    Ok(url.ok_or_else(nothing_there)?.tell(context, &name))
}

/// `DeleteFunctionUrlConfig`
pub(super) async fn delete(_: &Lambda, context: &Context, input: Named) -> Result<(), Fault> {
    let name = input.name(context)?;
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        let url: Url = transaction.get_json(URLS, Url::key(&name))?.ok_or_else(nothing_there)?;
        transaction.delete(IDS, key([&url.id]));
        transaction.delete(URLS, Url::key(&name));
        Ok(())
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    function_name: String,
    marker: Option<String>,
    max_items: Option<usize>,
}

/// `ListFunctionUrlConfigs`
pub(super) async fn list(_: &Lambda, context: &Context, input: List) -> Result<Value, Fault> {
    let function = Name::parse(context, &input.function_name, None)?.function;
    let snapshot = context.store().read()?;
    Version::latest(&snapshot, &function)
        .map_err(|_| not_found(format!("Function does not exist: {}", function.arn())))?;
    let mut told = Vec::new();
    for (place, row) in snapshot.scan(URLS, function.key(), usize::MAX)? {
        let qualifier = Key::texts(&place).pop().filter(|text| !text.is_empty());
        let name = Name { function: function.clone(), qualifier };
        told.push(decode::<Url>(URLS, &row)?.tell(context, &name));
    }
    let (page, next) = page::of(told, input.max_items.unwrap_or(50).min(50), input.marker.as_deref());
    Ok(with_marker(json!({ "FunctionUrlConfigs": page }), next))
}
