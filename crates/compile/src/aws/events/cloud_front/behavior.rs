//! The cache behaviours of a distribution.

use super::origin::{self, Origins};
use super::policy_id;
use crate::aws::context::{Context, Event};
use crate::aws::values::{display, get, object, present, text};
use aloft_diag::Diagnostic;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// `Managed-CachingOptimized`, one of CloudFront's own policies.
const DEFAULT_POLICY: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/// All behaviours, one for each path and origin.
#[derive(Default)]
pub struct Behaviors {
    list: Vec<Map<String, Value>>,
}

impl Behaviors {
    /// Adds the behaviour of an event, or its function to the one of the same path and origin. Says the name of its cache policy.
    ///
    /// # Errors
    /// `UNRECOGNIZED_CLOUDFRONT_CACHE_POLICY`.
    pub fn add(
        &mut self,
        context: &Context<'_>,
        event: Event<'_>,
        origin: &str,
        version: &Option<String>,
        policies: &HashSet<String>,
    ) -> Result<Option<String>, Diagnostic> {
        let empty = Map::new();
        let settings = event.value.as_object().unwrap_or(&empty);
        let own = object(settings, "behavior");
        let mut behavior = Map::new();
        behavior.insert("ViewerProtocolPolicy".to_owned(), json!("allow-all"));
        behavior.extend(own.cloned().unwrap_or_default());
        let caches_itself = own.is_some_and(|own| {
            get(own, "CachePolicyId").is_some()
                || get(own, "ForwardedValues").is_some()
                || ["MaxTTL", "MinTTL", "DefaultTTL"].iter().any(|key| present(own, key).is_some())
        });
        let mut used = None;
        if let Some(policy) = object(settings, "cachePolicy") {
            let name = get(policy, "name").map(display);
            if let Some(name) = name.as_ref().filter(|name| !policies.contains(*name)) {
                let message = format!("Event references not configured cache policy '{name}'");
                return Err(context
                    .error(
                        "UNRECOGNIZED_CLOUDFRONT_CACHE_POLICY",
                        message,
                        &format!("{}.cachePolicy.name", event.path()),
                    )
                    .help("add it to `provider.cloudFront.cachePolicies`, or name one that is there"));
            }
            let id = get(policy, "id")
                .cloned()
                .unwrap_or_else(|| json!({ "Ref": policy_id(name.as_deref().unwrap_or("undefined")) }));
            behavior.insert("CachePolicyId".to_owned(), id);
            used = name;
        } else if !caches_itself {
            behavior.insert("CachePolicyId".to_owned(), json!(DEFAULT_POLICY));
        }
        let mut association =
            json!({ "EventType": event.get("eventType"), "LambdaFunctionARN": { "Ref": version } });
        if let Some(body) = event.get("includeBody") {
            association["IncludeBody"] = body.clone();
        }
        behavior.insert("TargetOriginId".to_owned(), json!(origin));
        behavior.insert("LambdaFunctionAssociations".to_owned(), json!([association]));
        if let Some(pattern) = text(settings, "pathPattern").filter(|pattern| !pattern.is_empty()) {
            behavior.insert("PathPattern".to_owned(), json!(pattern));
        }
        let same = |known: &&mut Map<String, Value>| {
            ["PathPattern", "TargetOriginId"].iter().all(|key| known.get(*key) == behavior.get(*key))
        };
        match self.list.iter_mut().find(same) {
            Some(known) => origin::extend(known, &behavior),
            None => self.list.push(behavior),
        }
        Ok(used)
    }

    /// All behaviours, the default first.
    ///
    /// # Errors
    /// `CLOUDFRONT_MULTIPLE_BEHAVIORS_FOR_SINGLE_PATH_PATTERN`, `CLOUDFRONT_EVENT_TYPE_NON_UNIQUE_CACHE_BEHAVIOR`,
    /// `CLOUDFRONT_MULTIPLE_DEFAULT_ORIGIN_EVENTS`.
    pub fn finish(
        mut self,
        context: &Context<'_>,
        origins: &Origins,
        first: Event<'_>,
    ) -> Result<Vec<Map<String, Value>>, Diagnostic> {
        self.list.sort_by_key(|behavior| behavior.contains_key("PathPattern"));
        let error = |code: &str, message: &str, help: &str| {
            Err(context.error(code, message, &first.path()).help(help.to_owned()))
        };
        let mut paths = HashSet::new();
        if !self.list.iter().all(|behavior| paths.insert(behavior.get("PathPattern").map(display))) {
            return error(
                "CLOUDFRONT_MULTIPLE_BEHAVIORS_FOR_SINGLE_PATH_PATTERN",
                "Found more than one behavior with the same PathPattern",
                "a path has one origin; give the events different `pathPattern`s",
            );
        }
        let repeats = |behavior: &Map<String, Value>| {
            let mut kinds = HashSet::new();
            let list = behavior.get("LambdaFunctionAssociations").and_then(Value::as_array);
            list.is_some_and(|list| {
                !list.iter().all(|association| kinds.insert(association.get("EventType").map(display)))
            })
        };
        if self.list.iter().any(repeats) {
            return error(
                "CLOUDFRONT_EVENT_TYPE_NON_UNIQUE_CACHE_BEHAVIOR",
                "The event type of a function association must be unique in the cache behavior",
                "give the functions of a path different `eventType`s",
            );
        }
        if let Some(first_behavior) =
            self.list.first().filter(|behavior| behavior.contains_key("PathPattern"))
        {
            let Some(origin) = origins.default_id() else {
                return error(
                    "CLOUDFRONT_MULTIPLE_DEFAULT_ORIGIN_EVENTS",
                    "Found more than one origin but none of the cloudfront event has \"isDefaultOrigin\" defined",
                    "add `isDefaultOrigin: true` to one of the events",
                );
            };
            let mut default = first_behavior.clone();
            default.shift_remove("PathPattern");
            default.shift_remove("LambdaFunctionAssociations");
            default.insert("TargetOriginId".to_owned(), json!(origin));
            self.list.insert(0, default);
        }
        Ok(self.list)
    }
}
