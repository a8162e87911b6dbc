//! Places of credentials, over files in a temporary home and a server that plays STS, single sign-on and metadata.

use super::{CredentialsError, CredentialsRequest, find};
use crate::Endpoint;
use aloft_base::{Clock, Region};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// What each path answers. A call of STS answers with a key that is named after the operation and the caller's key.
const PAGES: &[(&str, &str)] = &[
    ("/latest/api/token", "TOKEN"),
    (
        "/latest/meta-data/iam/security-credentials/web",
        r#"{"AccessKeyId":"INSTANCE","SecretAccessKey":"s","Token":"t"}"#,
    ),
    ("/latest/meta-data/iam/security-credentials/", "web\n"),
    ("/container", r#"{"AccessKeyId":"CONTAINER","SecretAccessKey":"s","Token":"t"}"#),
    (
        "/federation/credentials?role_name=Dev&account_id=123456789012",
        r#"{"roleCredentials":{"accessKeyId":"SSO","secretAccessKey":"s","sessionToken":"t","expiration":1}}"#,
    ),
];

/// A server that answers from [`PAGES`], and what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        // Ends with the test's process: it waits for connections and holds nothing.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut connection = connection;
                let request = read(&mut connection);
                let answer = answer(&request);
                seen.lock().expect("no panic").push(request);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                let _ = connection.write_all(format!("{head}{answer}").as_bytes());
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> String {
        self.asked.lock().expect("no panic").join("\n")
    }
}

fn read(connection: &mut impl Read) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let count = connection.read(&mut buffer).unwrap_or(0);
        text += &String::from_utf8_lossy(&buffer[..count]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn answer(request: &str) -> String {
    let path = request.split(' ').nth(1).unwrap_or_default();
    if let Some((_, answer)) = PAGES.iter().find(|(page, _)| *page == path) {
        return (*answer).to_owned();
    }
    let operation =
        ["AssumeRoleWithWebIdentity", "AssumeRole"].into_iter().find(|name| request.contains(name));
    let operation = operation.unwrap_or("Unknown");
    let signer =
        request.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("nobody");
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>{operation}-by-{signer}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></{operation}Result></{operation}Response>"
    )
}

const CREDENTIALS: &str = "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=s\n\
    [work]\naws_access_key_id=WORK\naws_secret_access_key=s\n\
    [process]\ncredential_process = echo '{\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}'\n\
    [self]\naws_access_key_id=SELF\naws_secret_access_key=s\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=self\n";
const CONFIG: &str = "[profile role]\nrole_arn = arn:aws:iam::1:role/deploy\nsource_profile = work\nexternal_id = e1\n\
    role_session_name = ci\n\
    [profile chain]\nrole_arn = arn:aws:iam::2:role/far\nsource_profile = role\n\
    [profile circle]\nrole_arn = arn:aws:iam::2:role/a\nsource_profile = round\n\
    [profile round]\nrole_arn = arn:aws:iam::2:role/b\nsource_profile = circle\n\
    [profile lost]\nrole_arn = arn:aws:iam::2:role/b\nsource_profile = nowhere\n\
    [profile of-env]\nrole_arn = arn:aws:iam::2:role/b\ncredential_source = Environment\n\
    [profile of-container]\nrole_arn = arn:aws:iam::2:role/b\ncredential_source = EcsContainer\n\
    [profile of-instance]\nrole_arn = arn:aws:iam::2:role/b\ncredential_source = Ec2InstanceMetadata\n\
    [profile web]\nrole_arn = arn:aws:iam::2:role/b\nweb_identity_token_file = HOME/token\n\
    [profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
    [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n\
    [profile old-sso]\nsso_start_url = https://old.awsapps.com/start\nsso_region = eu-west-1\n\
    sso_account_id = 123456789012\nsso_role_name = Dev\n\
    [profile no-sso]\nsso_start_url = https://none.awsapps.com/start\nsso_region = eu-west-1\n\
    sso_account_id = 123456789012\nsso_role_name = Dev\n";
/// SHA-1 of `corp` and of the old profile's start page: how the AWS CLI names the tokens it leaves.
const TOKENS: [(&str, &str); 2] = [
    ("ee0bfd2552fbd840c02cc48b6e823320543c450f", "2030-01-01T00:00:00Z"),
    ("33d5ca4bf3b1a62edb96b47f7c203034a43ac435", "2020-01-01T00:00:00UTC"),
];

/// Finds credentials with these variables over the files; gives the access key's id or the error, and what was asked.
async fn run(variables: &[(&str, &str)], option: Option<&str>, provider: Option<&str>) -> (String, String) {
    let (server, directory) = (Server::start(), tempfile::tempdir().expect("a directory"));
    let home = directory.path().display().to_string();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text.replace("HOME", &home)).expect("written");
    };
    write(".aws/credentials", CREDENTIALS);
    write(".aws/config", CONFIG);
    write("token", "IDENTITY\n");
    for (name, expires) in TOKENS {
        let text = format!("{{\"accessToken\":\"PASS\",\"expiresAt\":\"{expires}\"}}");
        write(&format!(".aws/sso/cache/{name}.json"), &text);
    }
    let mut environment: HashMap<String, String> = HashMap::new();
    environment.insert("HOME".to_owned(), home.clone());
    environment.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    environment.insert("AWS_ENDPOINT_URL_STS".to_owned(), server.address.clone());
    environment.insert("AWS_ENDPOINT_URL_SSO".to_owned(), server.address.clone());
    environment.insert("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), server.address.clone());
    for (name, value) in variables {
        let value = value.replace("SERVER", &server.address).replace("HOME", &home);
        environment.insert((*name).to_owned(), value);
    }
    let request = CredentialsRequest {
        profile_option: option.map(str::to_owned),
        provider_profile: provider.map(str::to_owned),
        stage: "dev".to_owned(),
        environment,
        endpoint: Endpoint::Aws,
        region: Region::new("us-east-1").expect("a region"),
        clock: Clock::system(),
    };
    let found = match find(&request).await {
        Ok(credentials) => credentials.access_key_id,
        Err(error) => error.to_string(),
    };
    (found, server.asked())
}

async fn check(variables: &[(&str, &str)], option: Option<&str>, provider: Option<&str>, expected: &str) {
    let (found, asked) = run(variables, option, provider).await;
    assert!(found.starts_with(expected), "{variables:?} {option:?} {provider:?}: {found}\n{asked}");
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s")];

#[tokio::test]
async fn the_last_place_wins() {
    let stage = [("AWS_DEV_ACCESS_KEY_ID", "STAGE"), ("AWS_DEV_SECRET_ACCESS_KEY", "s"), KEYS[0], KEYS[1]];
    check(&[], None, None, "DEFAULT").await;
    check(&[], None, Some("work"), "WORK").await;
    check(&KEYS, None, Some("work"), "ENV").await;
    check(&[KEYS[0], KEYS[1], ("AWS_PROFILE", "work")], None, None, "WORK").await;
    check(&stage, None, None, "STAGE").await;
    check(&stage, Some("work"), None, "WORK").await;
    check(&[], Some("process"), None, "PROCESS").await;
    check(&[], Some("nobody"), None, "AWS profile \"nobody\" doesn't seem to be configured").await;
}

#[tokio::test]
async fn roles_are_assumed_with_their_source() {
    let (found, asked) = run(&[], Some("role"), None).await;
    assert_eq!(found, "AssumeRole-by-WORK");
    for part in ["RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fdeploy", "ExternalId=e1", "RoleSessionName=ci"] {
        assert!(asked.contains(part), "{asked}");
    }
    check(&[], Some("chain"), None, "AssumeRole-by-AssumeRole-by-WORK").await;
    check(&[], Some("self"), None, "AssumeRole-by-SELF").await;
    check(&KEYS, Some("of-env"), None, "AssumeRole-by-ENV").await;
    check(&[], Some("of-env"), None, "AWS profile \"of-env\" cannot be used: the environment has no keys")
        .await;
    check(&[], Some("of-instance"), None, "AssumeRole-by-INSTANCE").await;
    let container = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "SERVER/container")];
    check(&container, Some("of-container"), None, "AssumeRole-by-CONTAINER").await;
    check(&[], Some("web"), None, "AssumeRoleWithWebIdentity-by-nobody").await;
    check(&[], Some("circle"), None, "AWS profile \"circle\" cannot be used: its source profiles lead back")
        .await;
    check(&[], Some("lost"), None, "AWS profile \"lost\" cannot be used: its source_profile \"nowhere\"")
        .await;
}

#[tokio::test]
async fn single_sign_on_exchanges_the_token_that_was_left() {
    let (found, asked) = run(&[], Some("sso"), None).await;
    assert_eq!(found, "SSO", "{asked}");
    assert!(asked.contains("x-amz-sso_bearer_token: PASS"), "{asked}");
    check(&[], Some("old-sso"), None, "AWS profile \"old-sso\" cannot be used: the login has expired").await;
    check(&[], Some("no-sso"), None, "AWS profile \"no-sso\" cannot be used: nobody is logged in").await;
}

#[tokio::test]
async fn the_surroundings_are_asked_when_nobody_is_named() {
    let nobody = ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere");
    let web =
        [nobody, ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "HOME/token")];
    let (found, asked) = run(&web, None, None).await;
    assert_eq!(found, "AssumeRoleWithWebIdentity-by-nobody");
    assert!(asked.contains("WebIdentityToken=IDENTITY") && !asked.contains("authorization"), "{asked}");
    let container = [
        nobody,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "SERVER/container"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "SESAME"),
    ];
    let (found, asked) = run(&container, None, None).await;
    assert_eq!(found, "CONTAINER");
    assert!(asked.contains("authorization: SESAME"), "{asked}");
    let far = [nobody, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/container")];
    check(
        &far,
        None,
        None,
        "the container gives no credentials: http://example.com/container has to begin with",
    )
    .await;
    let (found, asked) = run(&[nobody], None, None).await;
    assert_eq!(found, "INSTANCE");
    assert!(asked.contains("x-aws-ec2-metadata-token: TOKEN"), "{asked}");
    check(&[nobody, ("AWS_EC2_METADATA_DISABLED", "true")], None, None, "AWS provider credentials not found")
        .await;
    assert_eq!(CredentialsError::NotFound.code(), "AWS_CREDENTIALS_NOT_FOUND");
}
