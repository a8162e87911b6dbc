//! `AWS::IAM::AccessKey`.

use super::{call, gone_is_fine};
use crate::storage::Fault;
use aloft_engine::{
    Context, Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait, differs,
};
use serde_json::{Map, Value, json};

/// `AWS::IAM::AccessKey`
pub(super) struct AccessKeyHandler;

impl AccessKeyHandler {
    async fn set_status(context: &Context, id: &str, properties: &Value) -> Result<(), ServiceError> {
        let status = properties["Status"].as_str().unwrap_or("Active");
        let params = json!({ "UserName": properties["UserName"], "AccessKeyId": id, "Status": status });
        call(context, "UpdateAccessKey", params).await.map(drop)
    }
}

#[async_trait]
impl ResourceHandler for AccessKeyHandler {
    async fn create(&self, resource: &ResourceContext, properties: &Value) -> Result<Resource, ServiceError> {
        let created =
            call(&resource.context, "CreateAccessKey", json!({ "UserName": properties["UserName"] })).await?;
        let created = &created["AccessKey"];
        let id = created["AccessKeyId"].as_str().unwrap_or_default().to_owned();
        if properties["Status"] == "Inactive" {
            Self::set_status(&resource.context, &id, properties).await?;
        }
        let attributes = Map::from_iter([("SecretAccessKey".to_owned(), created["SecretAccessKey"].clone())]);
        Ok(Resource { physical_id: id, attributes })
    }

    async fn update(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Update, ServiceError> {
        if differs(old, new, &["UserName", "Serial"]) {
            return Ok(Update::Replace);
        }
        Self::set_status(&resource.context, physical_id, new).await?;
        let known = resource.context.engine.access_key(physical_id).map_err(Fault::from)?;
        let attributes =
            known.map(|known| ("SecretAccessKey".to_owned(), json!(known.secret))).into_iter().collect();
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes }))
    }

    async fn delete(
        &self,
        resource: &ResourceContext,
        physical_id: &str,
        properties: &Value,
    ) -> Result<(), ServiceError> {
        let params = json!({ "UserName": properties["UserName"], "AccessKeyId": physical_id });
        gone_is_fine(call(&resource.context, "DeleteAccessKey", params).await)
    }
}
