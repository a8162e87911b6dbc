//! JWT authorizers, with a small issuer of tokens.

use super::super::ApiGatewayV2;
use super::{api, gateway, id, route};
use crate::gateway::testing::Does;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A key that signs nothing but the tokens of these tests, as PKCS #8.
const KEY: &[&str] = &[
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCZNcI0tXRGozYYg4z9/IYk60z6GHWlD+IeEzdaiRf4nFf5GhnLRWLjzGPPshdAXyKo",
    "gxMTLgtT216/QR0+DnvDHQp7kvKVYk0Krn6WMkQ7T3qIO44NNh6tEPPV3CBOC0cBH1JDSbqEZfbbr3lDVwF46mcDqJRLLiEF2v+LjOEmm9v+zCWpKwyL",
    "+Uf/cuC6oKni1dMB6jnPIcunriO8GpPj3QTASO4RzA8kBPZUK35YTwBLDhAHVG8V5QFov+KWgltl8p02NrfxF5nHYUggouPJo5/5KDWRmTZz7B6JGobu",
    "9aM6qCDSaHa9QcE9f54Unt+zJ19HChW4TVqORAR727EXAgMBAAECggEAEQ+3A6FMrwxq2u+qCk4ORDCTNGtNN+dHvNCoAo7aGrHnwWeXhWxB1xtXkXVZ",
    "eIN/pmNeWELxjlI+FVnzdInZXMDa/ig+7RrIIznhApSGG6gTUvYgMLbHqL8xYC3wx7Aiz+xZ1VYcYrUWI0sXBm7lzOjRivXsJF52h/fmKvddIAGMMSkU",
    "5b8Yt5UdWMoHdhywm9laRjYBCBlwLBx+Ikt06cxp9i78M09AXHtu9Xsv4pNQGu+uczwW5lHbtoH3JQtQzGrVicy/sIlMoBvZp2Knj1xVNl0IDr+SzfjP",
    "mF7fPcDjeZB/5ndyCuNU40FNEwMoR4WDA/lIla4pQ4KG0KmHMQKBgQDIn7CjLfpAbZCFyDNJFQJv7kNS7ARwc1J1j2VpeJJh5nWB0c1tN+qbkYGVjZUU",
    "6KcYlMBieILFhW9wCGEken7AIff4i1gL3Ddiz3KAKUS7Wjyl5iTIJchbZcFQLVb7rcNUEL68lBr2k7cZT3txJ29wGEraYce/QYk363YNy0mlhwKBgQDD",
    "f8E8eRMSEv3Z8vCQ7Lhl42i8if5j/8eiFo29SzL2OgqhGzg0q58JzNqci2swixLTezekRuu7VYmx/EnNTaxZ9IM8XcKEZix5EyvOcQRKtIUeDQSv5/2h",
    "SAvrDRkp6qaBqL2L0s1T7gaUi+eBeyWOq9ob81sGNtRC2TSBrsl78QKBgQCzVsy3keoandaLQKNXuQgstnhIL+LoAq67mCu3VKjGCxUPr1RLRaja1/9W",
    "iPGzdyWnu5EedUuw9c7f/x2XVkjnx3W7IBTcxUZddcOM/VcLg2ajhk9q+xtXWGauHVmcMYBiLXXTbTGNKg6K+ZoHVJExSwXeoXnFZfgbnMgzHH4BEQKB",
    "gQC17R4qo1T+3dODTZNWmiNjFYOy6AtmjXD+QlS2UdNj1VFs6QKd6RN/sDXDte4S52imiqSV6DWYSBpyGh+nwN9heqvhsjLAuMAsD44Vd5CR4Hl8JIs3",
    "EwEwY/ZLTw4atrUqNZfmFU5kCz3uYF8YXDvwD7ZRil4rYzyV1MEK6VewUQKBgARbONmsBTGcX3+uE6Lrnq2HS6+if8EvtWyW5q5fMI0/rCwWgqyV2wxe",
    "FvkLAVlHO59far+c8oB9rsHF4xnqSscJgt+d+r7Xypar7fB+PFeHq7ToIMc2bqbjib5L9jXvak+rS3PbDClAhq9JYeMV3cNcj/Kc2FX4YGWhovwT/JYH",
];

/// An issuer of tokens: its address, its keys, and how often it was asked for them.
struct Issuer {
    url: String,
    rsa: RsaKeyPair,
    elliptic: EcdsaKeyPair,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start() -> Self {
        let key = STANDARD.decode(KEY.concat()).expect("base64");
        let rsa = RsaKeyPair::from_pkcs8(&key).expect("a key");
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let elliptic = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random);
        let elliptic = elliptic.expect("a key");
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public: RsaPublicKeyComponents<Vec<u8>> = rsa.public().into();
        let point = elliptic.public_key().as_ref();
        let keys = json!({ "keys": [
            { "kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": encode(&public.n), "e": encode(&public.e) },
            { "kty": "EC", "kid": "e", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "oct", "kid": "o", "k": "AAAA" },
        ] });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let length = stream.read(&mut head).await.unwrap_or(0);
                let is_keys = head[..length].starts_with(b"GET /keys ");
                count.fetch_add(usize::from(is_keys), Ordering::SeqCst);
                let body = if is_keys { &keys } else { &discovery }.to_string();
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { url, rsa, elliptic, asked }
    }

    /// A token with these claims over those of a good one.
    fn token(&self, key: &str, claims: Value) -> String {
        let mut all = json!({ "iss": self.url, "aud": "shop", "sub": "ann", "exp": 1_795_406_706 + 60 });
        all.as_object_mut().expect("a map").extend(claims.as_object().expect("a map").clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let algorithm = match key {
            "r" => "RS256",
            "e" => "ES256",
            _ => "none",
        };
        let signed = format!("{}.{}", part(&json!({ "alg": algorithm, "kid": key })), part(&all));
        let random = SystemRandom::new();
        let signature = match key {
            "r" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("signed");
                signature
            }
            "e" => self.elliptic.sign(&random, signed.as_bytes()).expect("signed").as_ref().to_vec(),
            _ => Vec::new(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn tokens_of_the_issuer_open_routes_and_others_do_not() {
    let (gateway, issuer) = (gateway().await, Issuer::start().await);
    let api = api(&gateway, json!({})).await;
    gateway.function("f", Does::Give(json!({ "statusCode": 200, "body": "hi" })));
    let settings = |issuer: &str| {
        json!({
            "ApiId": api, "Name": "a", "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"],
            "JwtConfiguration": { "Issuer": issuer, "Audience": ["shop", "office"] },
        })
    };
    let refused = json!("BadRequestException: Invalid issuer: http://example.com.*");
    gateway.check_operation("CreateAuthorizer", settings("http://example.com"), refused).await;
    let authorizer = id(&gateway.make("CreateAuthorizer", settings(&issuer.url)).await, "AuthorizerId");
    let by = |scopes: Value| json!({ "AuthorizationType": "JWT", "AuthorizerId": authorizer, "AuthorizationScopes": scopes });
    route(&gateway, &api, "GET /open", "f", "2.0", by(json!([]))).await;
    route(&gateway, &api, "GET /first", "f", "1.0", by(json!([]))).await;
    route(&gateway, &api, "GET /write", "f", "2.0", by(json!(["write", "admin"]))).await;
    let ask = |path: &str, token: &str| format!("GET /_aws/execute-api/{api}/{path}\nAuthorization: {token}");
    let good = |key: &str, claims: Value| format!("Bearer {}", issuer.token(key, claims));

    let unauthorized = r#"{"message":"Unauthorized"}"#;
    let bare = format!("GET /_aws/execute-api/{api}/open");
    gateway.check(&bare, 401, json!({ "www-authenticate": "Bearer" }), unauthorized).await;
    gateway.check(&ask("open", "Bearer x"), 401, json!({}), unauthorized).await;
    let elsewhere = good("r", json!({ "iss": "http://127.0.0.1:9" }));
    gateway.check(&ask("open", &elsewhere), 401, json!({}), unauthorized).await;
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 0, "garbage made the cloud ask the issuer");

    let claims = json!({ "roles": ["a", "b"], "admin": true, "scope": "read write" });
    gateway.check(&ask("open", &good("r", claims)), 200, json!({}), "hi").await;
    gateway.check_event(json!({ "requestContext": { "authorizer": { "jwt": {
        "claims": { "iss": issuer.url, "sub": "ann", "exp": "1795406766", "roles": "[a b]", "admin": "true", "scope": "read write" },
        "scopes": null,
    } } } }));
    gateway.check(&ask("first", &issuer.token("e", json!({}))), 200, json!({}), "hi").await;
    gateway.check_event(json!({ "requestContext": { "authorizer": { "claims": { "sub": "ann" } } } }));
    let scoped = |scope: &str| good("r", json!({ "scope": scope }));
    gateway.check(&ask("write", &scoped("read write")), 200, json!({}), "hi").await;
    gateway.check_event(
        json!({ "requestContext": { "authorizer": { "jwt": { "scopes": ["read", "write"] } } } }),
    );
    let forbidden = r#"{"message":"Forbidden"}"#;
    let challenge =
        json!({ "www-authenticate": "Bearer scope=\"write admin\" error=\"insufficient_scope\"" });
    gateway.check(&ask("write", &scoped("read")), 403, challenge, forbidden).await;
    gateway.check(&ask("write", &good("r", json!({}))), 403, json!({}), forbidden).await;

    let forged = {
        let token = issuer.token("r", json!({}));
        let (head, rest) = token.split_once('.').expect("a head");
        let (_, signature) = rest.split_once('.').expect("a signature");
        let claims = json!({ "iss": issuer.url, "aud": "shop", "sub": "eve", "exp": 1_795_406_766 });
        format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
    };
    for (token, reason) in [
        (forged, "the signature is invalid"),
        (good("o", json!({})), "the key of the token is unknown"),
        (good("unknown", json!({})), "the key of the token is unknown"),
        (good("r", json!({ "aud": "others" })), "the audience is not the expected one"),
        (good("r", json!({ "exp": 1_795_406_706 })), "the token has expired"),
        (good("r", json!({ "nbf": 1_795_406_707 })), "the token is not valid yet"),
    ] {
        let challenge = format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{reason}\"");
        gateway
            .check(&ask("open", &token), 401, json!({ "www-authenticate": challenge }), unauthorized)
            .await;
    }
    assert_eq!(
        issuer.asked.load(Ordering::SeqCst),
        1,
        "keys are kept, and unknown ones not asked for at once"
    );
    // Where a key was unknown the issuer is asked again, but not soon; and a token that was good is so until it expires.
    gateway.cloud.advance(11);
    gateway.check(&ask("open", &good("unknown", json!({}))), 401, json!({}), unauthorized).await;
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    gateway.check(&ask("open", &good("r", json!({}))), 200, json!({}), "hi").await;
    gateway.cloud.advance(60);
    gateway.check(&ask("open", &good("r", json!({}))), 401, json!({}), unauthorized).await;
    // A restart forgets the keys, and fetches them again.
    let gateway = gateway.restart(vec![Arc::new(ApiGatewayV2::default())]).await;
    gateway.check(&ask("open", &good("r", json!({ "exp": 2_000_000_000 }))), 200, json!({}), "hi").await;
    gateway.stop().await;
}
