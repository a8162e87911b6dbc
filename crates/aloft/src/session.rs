//! What most commands begin with: the loaded service, and the cloud that it is for.

use crate::cli::{Cli, Common};
use crate::failure::{Mistakes, warn};
use crate::terminal::Terminal;
use crate::{cloud, variables};
use aloft_base::{Clock, Region};
use aloft_client::{Client, Credentials, CredentialsError, CredentialsRequest, Endpoint, find_credentials};
use aloft_config::{LoadRequest, Service};
use aloft_diag::{Diagnostic, SourceMap};
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;

/// A command's service and surroundings.
pub struct Session {
    /// The terminal.
    pub terminal: &'static Terminal,
    /// The loaded service.
    pub service: Service,
    /// Options of every command.
    pub common: Common,
    /// The environment, with what `.env` files add.
    pub environment: HashMap<String, String>,
    /// The clock.
    pub clock: Clock,
    /// What the service uses that will be taken away one day.
    pub deprecations: Vec<Diagnostic>,
    client: Option<Client>,
}

impl Session {
    /// Loads the service of the working directory.
    pub async fn load(cli: &Cli, terminal: &'static Terminal) -> anyhow::Result<Self> {
        let environment: HashMap<String, String> = std::env::vars().collect();
        let clock = Clock::system();
        let directory = std::env::current_dir()?;
        if cli.common.local {
            // No cloud is started for a folder without a service.
            let found = aloft_config::find(&directory, cli.common.config.as_deref());
            found.map_err(|diagnostic| Mistakes::one(diagnostic, &SourceMap::default()))?;
            cloud::ensure_running(terminal).await?;
        }
        let request_environment = environment.clone();
        let variables = variables::Cloud::new(cli.common.clone(), environment, clock.clone());
        let (options, config, command) = (cli.options(), cli.common.config.clone(), cli.command_name());
        let load_clock = clock.clone();
        // In this thread: what another one allocates and frees, this one could not use again.
        let loaded = tokio::task::block_in_place(|| {
            aloft_config::load(LoadRequest {
                directory,
                config,
                options,
                environment: request_environment,
                cloud: Some(&variables),
                command,
                clock: load_clock,
            })
        })
        .map_err(Mistakes::from)?;
        let provider = loaded.service.provider().get("name").and_then(Value::as_str).unwrap_or("aws");
        if !aloft_compile::PROVIDERS.contains(&provider) {
            let message = format!("provider `{provider}` is not built yet");
            let span = loaded.service.span("provider.name");
            let known = aloft_compile::PROVIDERS.join(", ");
            let diagnostic = Diagnostic::error("UNSUPPORTED_PROVIDER", message)
                .at_opt(span, "")
                .help(format!("providers that are: {known}"));
            return Err(Mistakes::one(diagnostic, &loaded.service.sources));
        }
        warn(terminal, &loaded.warnings, &loaded.service.sources);
        let (service, environment, deprecations) = (loaded.service, loaded.environment, loaded.deprecations);
        warn(terminal, plugins_left_out(&service).as_slice(), &service.sources);
        let common = cli.common.clone();
        Ok(Self { terminal, service, common, environment, clock, deprecations, client: None })
    }

    /// A client of the service's cloud: the local one, the one at `AWS_ENDPOINT_URL` or `provider.endpoint`, or AWS.
    pub fn client(&mut self) -> anyhow::Result<Client> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let provider = self.service.provider();
        let text = |name: &str| provider.get(name).and_then(Value::as_str).map(str::to_owned);
        let client = connect(
            &self.common,
            &self.environment,
            &self.service.stage,
            &self.service.region,
            (text("profile"), text("endpoint")),
            &self.clock,
        )?;
        Ok(self.client.insert(client).clone())
    }

    /// `.serverless`, or the directory that `--package` names.
    pub fn package_directory(&self, named: Option<&PathBuf>) -> PathBuf {
        match named {
            Some(path) => self.service.directory.join(path),
            None => self.service.directory.join(".serverless"),
        }
    }

    /// Where a package lies that `deploy` is to take: `--package`, else `package.path`.
    pub fn given_package(&self, named: Option<&PathBuf>) -> Option<PathBuf> {
        let configured = || self.service.config.get("package")?.get("path")?.as_str().map(PathBuf::from);
        named.cloned().or_else(|| configured().filter(|path| !path.as_os_str().is_empty()))
    }

    /// `provider.stackName`, else `<service>-<stage>`.
    pub fn stack_name(&self) -> String {
        let named = self.service.provider().get("stackName").and_then(Value::as_str);
        named.map_or_else(|| format!("{}-{}", self.service.name, self.service.stage), str::to_owned)
    }

    /// The deployed name of a function, or the error for one that the service does not have.
    pub fn function_name(&self, key: &str) -> anyhow::Result<String> {
        let function = self.service.functions().get(key);
        let name =
            function.and_then(|function| function.get("name")).and_then(Value::as_str).map(str::to_owned);
        name.ok_or_else(|| {
            let keys: Vec<&str> = self.service.functions().keys().map(String::as_str).collect();
            let message = format!("Function \"{key}\" doesn't exist in this Service");
            let help = if keys.is_empty() {
                "the service has no functions".to_owned()
            } else {
                format!("functions: {}", keys.join(", "))
            };
            Mistakes::plain("FUNCTION_MISSING_IN_SERVICE", message, help)
        })
    }
}

/// Says which plugins are listed, since none is loaded: what a service needs of them is missing from what is deployed.
fn plugins_left_out(service: &Service) -> Option<Diagnostic> {
    let section = service.at(&["plugins"])?;
    let list = section.get("modules").unwrap_or(section).as_array()?;
    let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    let message = format!("plugins are not loaded, and what they do is not done: {}", names.join(", "));
    let help = "docs/deploy.md says what takes the place of common ones";
    let span = service.span("plugins");
    (!names.is_empty())
        .then(|| Diagnostic::warning("PLUGINS_NOT_LOADED", message).at_opt(span, "").help(help))
}

/// A client of the cloud that options and environment name.
pub fn connect(
    common: &Common,
    environment: &HashMap<String, String>,
    stage: &str,
    region: &str,
    (profile, endpoint): (Option<String>, Option<String>),
    clock: &Clock,
) -> anyhow::Result<Client> {
    let region = Region::new(region).ok_or_else(|| {
        Mistakes::plain("INVALID_REGION", format!("`{region}` is no region"), "regions look like us-east-1")
    })?;
    let local = common.local.then(cloud::running).flatten();
    let address = local
        .map(|cloud| cloud.endpoint)
        .or_else(|| environment.get("AWS_ENDPOINT_URL").cloned())
        .or(endpoint);
    let endpoint = Endpoint::new(address.as_deref());
    let request = CredentialsRequest {
        profile_option: common.aws_profile.clone(),
        provider_profile: profile,
        stage: stage.to_owned(),
        environment: environment.clone(),
        endpoint: endpoint.clone(),
        region: region.clone(),
        clock: clock.clone(),
    };
    let anybody = || Credentials {
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
    };
    if common.local {
        return Ok(Client::new(endpoint, region, anybody(), clock.clone()));
    }
    let search = find_credentials(&request);
    let found = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(search));
    let credentials = match found {
        Err(CredentialsError::NotFound) if !endpoint.is_aws() => anybody(),
        Err(error) => {
            let help = "see `aws configure`, or add --local";
            return Err(Mistakes::plain(error.code(), error.to_string(), help));
        }
        Ok(credentials) => credentials,
    };
    Ok(Client::new(endpoint, region, credentials, clock.clone()))
}
