//! The types of HTTP APIs.

use crate::gateway::resources::Handler;
use aloft_engine::ResourceType;

/// The types, by name.
pub static RESOURCES: &[ResourceType] = &[
    ResourceType {
        name: "AWS::ApiGatewayV2::Api",
        handler: &Handler {
            service: "apigatewayv2",
            kind: "Api",
            id: "ApiId",
            parents: &[],
            fixed: &["ProtocolType"],
            only_create: &["ProtocolType"],
            attributes: &["ApiEndpoint"],
        },
    },
    ResourceType {
        name: "AWS::ApiGatewayV2::Authorizer",
        handler: &Handler {
            service: "apigatewayv2",
            kind: "Authorizer",
            id: "AuthorizerId",
            parents: &["ApiId"],
            fixed: &[],
            only_create: &[],
            attributes: &[],
        },
    },
    ResourceType {
        name: "AWS::ApiGatewayV2::Deployment",
        handler: &Handler {
            service: "apigatewayv2",
            kind: "Deployment",
            id: "DeploymentId",
            parents: &["ApiId"],
            fixed: &["StageName"],
            only_create: &["StageName"],
            attributes: &[],
        },
    },
    ResourceType {
        name: "AWS::ApiGatewayV2::Integration",
        handler: &Handler {
            service: "apigatewayv2",
            kind: "Integration",
            id: "IntegrationId",
            parents: &["ApiId"],
            fixed: &[],
            only_create: &[],
            attributes: &[],
        },
    },
    ResourceType {
        name: "AWS::ApiGatewayV2::Route",
        handler: &Handler {
            service: "apigatewayv2",
            kind: "Route",
            id: "RouteId",
            parents: &["ApiId"],
            fixed: &[],
            only_create: &[],
            attributes: &[],
        },
    },
    ResourceType {
        name: "AWS::ApiGatewayV2::Stage",
        handler: &Handler {
            service: "apigatewayv2",
            kind: "Stage",
            id: "StageName",
            parents: &["ApiId"],
            fixed: &["StageName"],
            only_create: &[],
            attributes: &[],
        },
    },
];
