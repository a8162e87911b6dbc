//! Logical ids and names.
//!
//! A user's live resources hang on them: one that differs from the original's replaces or removes a resource. Pure text,
//! without the service; what depends on the service takes the parts it needs.

use super::values::{alphanumeric, pascal_case, start_case, upper_first};
use md5::{Digest, Md5};

/// A key as a part of a logical id: `my-fn_1` is `MyDashfnUnderscore1`.
pub fn normalized(name: &str) -> String {
    upper_first(&name.replace('-', "Dash").replace('_', "Underscore"))
}

/// A name with nothing but letters and digits, the first a capital.
pub fn plain(name: &str) -> String {
    upper_first(&alphanumeric(name))
}

/// A path as a part of a logical id.
pub fn path(path: &str) -> String {
    path.split('/').map(path_part).collect()
}

/// One segment: small but for its first letter, `-` as `Dash`, `{x}` as `xVar`.
fn path_part(part: &str) -> String {
    let mut text = upper_first(&part.to_lowercase()).replace('-', "Dash");
    if let (Some(open), Some(close)) = (text.find('{'), text.rfind('}'))
        && open < close
    {
        text = format!("{}{}Var{}", &text[..open], &text[open + 1..close], &text[close + 1..]);
    }
    upper_first(&alphanumeric(&text))
}

/// `<function>LambdaFunction`
pub fn function(key: &str) -> String {
    format!("{}LambdaFunction", normalized(key))
}

/// `<function>LambdaVersion<hash>`
pub fn version(key: &str, hash: &str) -> String {
    format!("{}LambdaVersion{}", normalized(key), alphanumeric(hash))
}

/// `<function>LogGroup`
pub fn log_group(key: &str) -> String {
    format!("{}LogGroup", normalized(key))
}

/// `/aws/lambda/<name>`
pub fn log_group_name(function_name: &str) -> String {
    format!("/aws/lambda/{function_name}")
}

/// The default execution role.
pub const ROLE: &str = "IamRoleLambdaExecution";
/// The bucket of the artifacts.
pub const BUCKET: &str = "ServerlessDeploymentBucket";
/// Its policy.
pub const BUCKET_POLICY: &str = "ServerlessDeploymentBucketPolicy";
/// The REST API.
pub const REST_API: &str = "ApiGatewayRestApi";
/// The HTTP API.
pub const HTTP_API: &str = "HttpApi";
/// The WebSocket API.
pub const WEBSOCKETS_API: &str = "WebsocketsApi";
/// The role of the functions behind custom resources.
pub const CUSTOM_RESOURCES_ROLE: &str = "IamRoleCustomResourcesLambdaExecution";

/// `<function>LambdaPermission<what>`
pub fn permission(key: &str, what: &str) -> String {
    format!("{}LambdaPermission{what}", normalized(key))
}

/// `<function>EventSourceMapping<kind><source>`
pub fn event_source_mapping(key: &str, kind: &str, source: &str) -> String {
    format!("{}EventSourceMapping{kind}{source}", normalized(key))
}

/// At most so many characters.
pub fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// `ApiGatewayMethod<path><Method>`
pub fn rest_method(resource_name: &str, method: &str) -> String {
    format!("ApiGatewayMethod{resource_name}{}", upper_first(&method.to_lowercase()))
}

/// The model of one content type of one method.
pub fn endpoint_model(resource_name: &str, method: &str, content_type: &str) -> String {
    format!("{}{}Model", rest_method(resource_name, method), start_case(content_type))
}

/// A model of `provider.apiGateway.request.schemas`.
pub fn provider_model(key: &str) -> String {
    format!("ApiGateway{}Model", pascal_case(key))
}

/// `<authorizer>ApiGatewayAuthorizer`
pub fn rest_authorizer(name: &str) -> String {
    format!("{}ApiGatewayAuthorizer", normalized(name))
}

/// `HttpApiRoute<Method><path>`; `*` is the default route.
pub fn http_api_route(route_key: &str) -> String {
    if route_key == "*" {
        "HttpApiRouteDefault".to_owned()
    } else {
        format!("HttpApiRoute{}", path(route_key))
    }
}

/// The key of a WebSocket route as a part of a logical id.
pub fn websocket_route_key(route: &str) -> String {
    route
        .replace('$', "S")
        .replace('/', "Slash")
        .replace('-', "Dash")
        .replace('_', "Underscore")
        .replace('.', "Period")
}

/// Hexadecimal MD5, by which too long names are shortened.
pub fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_of_logical_ids() {
        assert_eq!(super::normalized("my-fn_1"), "MyDashfnUnderscore1");
        assert_eq!(super::path("users/{userId}/my-pets"), "UsersUseridVarMyDashpets");
        assert_eq!(super::path("{proxy+}"), "ProxyVar");
        assert_eq!(super::path("a/{b}-{c}"), "ABDashcVar");
        assert_eq!(super::http_api_route("GET /users/{id}"), "HttpApiRouteGetUsersIdVar");
        assert_eq!(super::websocket_route_key("$connect"), "Sconnect");
        assert_eq!(super::rest_method("Users", "GET"), "ApiGatewayMethodUsersGet");
    }
}
