//! What an authorizer's function answers, how it is decided by, and how long it holds.
//!
//! Keeps true: the memory of answers is bounded, and an answer is used for no other API, authorizer or identity.

use super::proxy::scalar;
use aloft_base::Timestamp;
use aloft_lang::policy::{self, Decision, Policy, Principal};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many answers are remembered.
const MOST: usize = 10_000;

/// An authorizer's answer.
#[derive(Debug)]
pub(crate) struct Authorization {
    /// Who the caller is.
    pub principal: Option<String>,
    /// What the function is told about the caller.
    pub context: Map<String, Value>,
    /// The API key that the caller stands for.
    pub usage_key: Option<String>,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Simple(bool),
    Policy(Policy),
}

impl Authorization {
    /// Reads `{"isAuthorized": true, "context": {}}`.
    pub fn simple(payload: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(payload).ok()?;
        let allowed = answer.get("isAuthorized")?.as_bool()?;
        Some(Self {
            principal: None,
            context: context_of(&answer)?,
            usage_key: None,
            verdict: Verdict::Simple(allowed),
        })
    }

    /// Reads `{"principalId": "me", "policyDocument": {}, "context": {}}`.
    pub fn policy(payload: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(payload).ok()?;
        let policy = Policy::parse(answer.get("policyDocument")?).ok()?;
        Some(Self {
            principal: Some(scalar(answer.get("principalId")?)?),
            context: context_of(&answer)?,
            usage_key: answer.get("usageIdentifierKey").and_then(Value::as_str).map(str::to_owned),
            verdict: Verdict::Policy(policy),
        })
    }

    /// The context with all values as text, as REST APIs pass it on; nothing when a value is no scalar.
    pub fn with_text_context(mut self) -> Option<Self> {
        for value in self.context.values_mut() {
            *value = scalar(value)?.into();
        }
        Some(self)
    }

    /// Whether the method of that ARN may be called.
    pub fn decide(&self, arn: &str) -> Decision {
        match &self.verdict {
            Verdict::Simple(true) => Decision::Allow,
            Verdict::Simple(false) => Decision::ExplicitDeny,
            Verdict::Policy(policy) => policy::evaluate(
                [policy],
                &policy::Request {
                    principal: &Principal::anonymous(),
                    action: "execute-api:Invoke",
                    resource: arn,
                    context: &Map::new(),
                },
            ),
        }
    }
}

fn context_of(answer: &Map<String, Value>) -> Option<Map<String, Value>> {
    match answer.get("context") {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(context)) => Some(context.clone()),
        Some(_) => None,
    }
}

/// Answers that still hold.
#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<String, (Timestamp, Arc<Authorization>)>>);

impl Cache {
    /// The key of an answer: whose it is, and for which identity.
    pub fn key(api: &str, stage: &str, authorizer: &str, identity: &[String]) -> String {
        // Lengths keep `["a", "b"]` and `["a\nb"]` apart.
        let identity: String = identity.iter().map(|part| format!("\n{}:{part}", part.len())).collect();
        format!("{api}\n{stage}\n{authorizer}{identity}")
    }

    /// An answer that holds at that time.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Arc<Authorization>> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(until, _)| now < *until).map(|(_, answer)| answer.clone())
    }

    /// Remembers an answer for a while.
    pub fn put(&self, key: String, now: Timestamp, hold: Duration, answer: &Arc<Authorization>) {
        if hold.is_zero() {
            return;
        }
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (until, _)| now < *until);
        }
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(key, (now.add(hold), answer.clone()));
    }

    /// Forgets what an API's authorizers said in a stage; of all stages when none is named.
    pub fn forget(&self, api: &str, stage: Option<&str>) {
        let prefix = stage.map_or_else(|| format!("{api}\n"), |stage| format!("{api}\n{stage}\n"));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| !key.starts_with(&prefix));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
