//! Resource policies: who may invoke a function. They are kept here, and judged where calls are authorised.

use super::Lambda;
use super::errors::{conflict, invalid, not_found, wrong_revision};
use super::functions::Named;
use super::name::Name;
use super::rows::{POLICIES, Version};
use crate::storage::Fault;
use aloft_engine::{Context, ServiceError};
use aloft_store::{Key, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most bytes of a policy.
const LIMIT: usize = 20_480;

/// A policy as it is stored, for functions and for layers.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Policy {
    pub revision_id: String,
    pub statements: Vec<Value>,
}

impl Policy {
    /// As the API tells it: a document as text.
    pub fn tell(&self) -> Value {
        let document = json!({ "Version": "2012-10-17", "Id": "default", "Statement": self.statements });
        json!({ "Policy": document.to_string(), "RevisionId": self.revision_id })
    }

    pub fn add(&mut self, statement: Value, revision_id: String) -> Result<(), ServiceError> {
        let id = statement["Sid"].as_str().unwrap_or_default();
        if self.statements.iter().any(|it| it["Sid"] == id) {
            return Err(conflict(format!(
                "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing statement."
            )));
        }
        self.statements.push(statement);
        self.revision_id = revision_id;
        let length = self.tell()["Policy"].as_str().unwrap_or_default().len();
        if length > LIMIT {
            let message = format!("The final policy size ({length}) is bigger than the limit ({LIMIT}).");
            return Err(ServiceError::new("PolicyLengthExceededException", 400, message));
        }
        Ok(())
    }

    pub fn remove(&mut self, id: &str, revision_id: String) -> Result<(), ServiceError> {
        let before = self.statements.len();
        self.statements.retain(|it| it["Sid"] != id);
        self.revision_id = revision_id;
        if self.statements.len() == before {
            return Err(not_found(format!("Statement {id} is not found in resource policy.")));
        }
        Ok(())
    }

    pub fn check_revision(&self, asked: Option<&str>) -> Result<(), ServiceError> {
        match asked {
            Some(asked) if asked != self.revision_id => Err(wrong_revision()),
            _ => Ok(()),
        }
    }
}

fn key(name: &Name) -> Key {
    name.function.key().text(name.qualifier.as_deref().unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Add {
    function_name: String,
    qualifier: Option<String>,
    statement_id: String,
    action: String,
    principal: String,
    source_arn: Option<String>,
    source_account: Option<String>,
    event_source_token: Option<String>,
    function_url_auth_type: Option<String>,
    invoked_via_function_url: Option<bool>,
    #[serde(rename = "PrincipalOrgID")]
    principal_org_id: Option<String>,
    revision_id: Option<String>,
}

impl Add {
    fn statement(&self, arn: &str) -> Value {
        let principal = match self.principal.as_str() {
            "*" => json!("*"),
            account if account.len() == 12 && account.bytes().all(|it| it.is_ascii_digit()) => {
                json!({ "AWS": format!("arn:aws:iam::{account}:root") })
            }
            arn if arn.starts_with("arn:") => json!({ "AWS": arn }),
            service => json!({ "Service": service }),
        };
        let mut statement = json!({
            "Sid": self.statement_id,
            "Effect": "Allow",
            "Principal": principal,
            "Action": self.action,
            "Resource": arn,
        });
        for (operator, name, value) in [
            ("StringEquals", "lambda:EventSourceToken", self.event_source_token.clone()),
            ("StringEquals", "AWS:SourceAccount", self.source_account.clone()),
            ("StringEquals", "lambda:FunctionUrlAuthType", self.function_url_auth_type.clone()),
            ("StringEquals", "aws:PrincipalOrgID", self.principal_org_id.clone()),
            ("Bool", "lambda:InvokedViaFunctionUrl", self.invoked_via_function_url.map(|it| it.to_string())),
            ("ArnLike", "AWS:SourceArn", self.source_arn.clone()),
        ] {
            if let Some(value) = value {
                statement["Condition"][operator][name] = value.into();
            }
        }
        statement
    }
}

/// `AddPermission`
pub(super) async fn add(_: &Lambda, context: &Context, input: Add) -> Result<Value, Fault> {
    let name = Name::parse(context, &input.function_name, input.qualifier.as_deref())?;
    if name.qualifier.as_deref() == Some(super::name::LATEST) {
        return Err(invalid("We currently do not support adding policies for $LATEST.").into());
    }
    let revision_id = context.ids().uuid();
    let write = move |transaction: &mut Transaction<'_>| -> Result<Value, Fault> {
        Version::named(transaction, &name)?;
        let statement = input.statement(&name.arn());
        let mut policy: Policy = transaction.get_json(POLICIES, key(&name))?.unwrap_or_default();
        policy.check_revision(input.revision_id.as_deref())?;
        policy.add(statement.clone(), revision_id)?;
        transaction.put_json(POLICIES, key(&name), &policy)?;
        Ok(json!({ "Statement": statement.to_string() }))
    };
    context.store().write(write).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Remove {
    function_name: String,
    qualifier: Option<String>,
    statement_id: String,
    revision_id: Option<String>,
}

/// `RemovePermission`
pub(super) async fn remove(_: &Lambda, context: &Context, input: Remove) -> Result<(), Fault> {
    let name = Name::parse(context, &input.function_name, input.qualifier.as_deref())?;
    let revision_id = context.ids().uuid();
    let write = move |transaction: &mut Transaction<'_>| -> Result<(), Fault> {
        Version::named(transaction, &name)?;
        let none = || not_found("No policy is associated with the given resource.");
        let mut policy: Policy = transaction.get_json(POLICIES, key(&name))?.ok_or_else(none)?;
        policy.check_revision(input.revision_id.as_deref())?;
        policy.remove(&input.statement_id, revision_id)?;
        if policy.statements.is_empty() {
            transaction.delete(POLICIES, key(&name));
        } else {
            transaction.put_json(POLICIES, key(&name), &policy)?;
        }
        Ok(())
    };
    context.store().write(write).await
}

/// `GetPolicy`
pub(super) async fn get(_: &Lambda, context: &Context, input: Named) -> Result<Value, Fault> {
    let name = input.name(context)?;
    let snapshot = context.store().read()?;
    Version::named(&snapshot, &name)?;
    let policy: Option<Policy> = snapshot.get_json(POLICIES, key(&name))?;
    Ok(policy.ok_or_else(super::errors::nothing_there)?.tell())
}
