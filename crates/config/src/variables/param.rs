//! `${param:key}`: `--param key=value`, else `params.<stage>`, else `params.default`.

use super::{Found, Request, SourceError, text};
use serde_json::Value;

pub(super) fn resolve(request: &mut Request<'_, '_>) -> Result<Found, SourceError> {
    let key = request.address("param")?;
    let context = &request.resolver.context;
    let given = context.options.get("param");
    let given: Vec<&Value> = match given {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(item) => vec![item],
    };
    let mut value = None;
    for item in given {
        let item = text::coerce(item).unwrap_or_default();
        let pair = item.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty());
        let Some((name, text)) = pair else {
            return Err(SourceError::Text(format!(
                "Encountered invalid \"--param\" CLI option value: \"{item}\". Supported format: \"--param='<key>=<val>'\""
            )));
        };
        if name == key {
            value = Some(Value::String(text.trim_end().to_owned()));
        }
    }
    if value.is_none() {
        let config = &request.resolver.config;
        let stage =
            context.option("stage").or_else(|| config.pointer("/provider/stage").and_then(Value::as_str));
        let params =
            |stage: &str| config.get("params")?.get(stage)?.get(&key).filter(|value| !value.is_null());
        value = params(stage.unwrap_or("dev")).or_else(|| params("default")).cloned();
    }
    let missing = format!(
        "The param \"{key}\" cannot be resolved from CLI options or stage params. If you are using Serverless Framework \
         Compose, make sure to run commands via Compose so that all parameters can be resolved"
    );
    Ok(Found { value: value.unwrap_or_default(), is_pending: false, missing: Some(missing) })
}
