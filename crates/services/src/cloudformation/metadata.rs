//! `AWS::CDK::Metadata`: what the CDK tells of itself in every template. There is nothing to make.

use aloft_engine::{Resource, ResourceContext, ResourceHandler, ServiceError, Update, async_trait};
use serde_json::{Map, Value};

pub struct Metadata;

#[async_trait]
impl ResourceHandler for Metadata {
    async fn create(&self, resource: &ResourceContext, _: &Value) -> Result<Resource, ServiceError> {
        Ok(Resource { physical_id: resource.context.ids().uuid(), attributes: Map::new() })
    }

    async fn update(
        &self,
        _: &ResourceContext,
        physical_id: &str,
        _: &Value,
        _: &Value,
    ) -> Result<Update, ServiceError> {
        Ok(Update::InPlace(Resource { physical_id: physical_id.to_owned(), attributes: Map::new() }))
    }

    async fn delete(&self, _: &ResourceContext, _: &str, _: &Value) -> Result<(), ServiceError> {
        Ok(())
    }
}
