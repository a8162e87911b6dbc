//! The engine: what is shared by everything in a running cloud, its start and its end.

use crate::http::Listener;
use crate::metering::Metering;
use crate::{Context, FunctionLimits, Input, Reply, Service, ServiceError, identity, timers};
use aloft_base::{AccountId, Clock, Ids, Region};
use aloft_sandbox::{Destination, Isolation};
use aloft_store::{Store, StoreError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long requests that are under way may take when the cloud stops.
const DRAIN: Duration = Duration::from_secs(5);

/// How a cloud is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub host: IpAddr,
    /// The port; 0 has the system choose.
    pub port: u16,
    /// The account of callers that name none.
    pub account: AccountId,
    /// The region of callers that name none.
    pub region: Region,
    /// Where services may keep what can be made again: unpacked code, sockets.
    pub scratch: PathBuf,
    /// Where the libraries are that Lambda's own runtimes bring along: `nodejs/node_modules` and `python` in it.
    pub runtimes: PathBuf,
    /// Whether only known access keys with right signatures are let in. Always so beyond loopback.
    pub require_credentials: bool,
    /// The most bytes a request's body may have.
    pub max_body: usize,
    /// The most connections at once.
    pub max_connections: usize,
    /// How long after a function's last request a warm execution environment of it may be there. Nothing: as the times of
    /// its requests suggest.
    pub environment_idle: Option<Duration>,
    /// The most execution environments at once.
    pub max_environments: usize,
    /// The most memory of execution environments together, in MB; nothing for half of the machine's.
    pub memory_budget_mb: Option<u64>,
    /// What functions may use.
    pub limits: FunctionLimits,
    /// How functions are kept apart.
    pub isolation: Isolation,
    /// What functions may reach besides this cloud and public addresses.
    pub allowed: Vec<Destination>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 4566,
            account: AccountId::local(),
            region: Region::us_east_1(),
            scratch: std::env::temp_dir().join("aloft"),
            runtimes: std::env::temp_dir().join("aloft").join("runtimes"),
            require_credentials: false,
            max_body: 256 * 1024 * 1024,
            max_connections: 2048,
            environment_idle: None,
            max_environments: 200,
            memory_budget_mb: None,
            limits: FunctionLimits::default(),
            isolation: Isolation::BestEffort,
            allowed: Vec::new(),
        }
    }
}

/// Why a cloud did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or may not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it wanted to listen.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A directory could not be made.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A service could not take up its work.
    #[error("{service} did not start: {error}")]
    Service {
        /// The service.
        service: &'static str,
        /// What it said.
        error: ServiceError,
    },
}

/// A running cloud. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    options: Options,
    address: SocketAddr,
    clock: Clock,
    ids: Ids,
    store: Store,
    metering: Arc<Metering>,
    services: Vec<Arc<dyn Service>>,
    stopping: watch::Sender<bool>,
    tasks: Mutex<tokio::task::JoinSet<()>>,
}

impl Engine {
    /// Starts a cloud of these services: listens, lets each service take up its work, fires timers, answers requests.
    pub async fn start(
        options: Options,
        clock: Clock,
        ids: Ids,
        store: Store,
        services: Vec<Arc<dyn Service>>,
    ) -> Result<Self, StartError> {
        let directory = |source| StartError::Directory { path: options.scratch.clone(), source };
        std::fs::create_dir_all(&options.scratch).map_err(directory)?;
        let listener = Listener::bind(SocketAddr::new(options.host, options.port)).await?;
        let address = listener.address();
        let metering = Metering::open(&store, &clock)?;
        let stopping = watch::channel(false).0;
        let tasks = Mutex::default();
        let engine = Self(Arc::new(Inner {
            options,
            address,
            clock,
            ids,
            store,
            metering,
            services,
            stopping,
            tasks,
        }));
        for service in &engine.0.services {
            let failed = |error| StartError::Service { service: service.name(), error };
            service.start(&engine).await.map_err(failed)?;
        }
        for service in &engine.0.services {
            let failed = |error| StartError::Service { service: service.name(), error };
            service.take_up(&engine).await.map_err(failed)?;
        }
        engine.spawn(timers::run(engine.clone()));
        engine.spawn(engine.metering().clone().run(engine.stopped()));
        engine.spawn(listener.serve(engine.clone()));
        Ok(engine)
    }

    /// Stops: no new requests, a few seconds for those under way, then the services.
    pub async fn stop(&self) {
        self.0.stopping.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let drained = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("requests under way were cut off");
            tasks.abort_all();
        }
        for service in &self.0.services {
            service.stop().await;
        }
        if let Err(error) = self.metering().flush().await {
            tracing::error!(%error, "the ledger could not be written; the next start will");
        }
    }

    /// Forgets all state, as if the cloud were new.
    pub async fn reset(&self) -> Result<(), StoreError> {
        self.metering().forget()?;
        self.0.store.reset().await?;
        self.metering().forget()?;
        for service in &self.0.services {
            service.reset(self).await;
        }
        Ok(())
    }

    /// Runs a background task that is waited for, then cut off, when the engine stops. It ends by itself on [`Engine::stopped`].
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends when the engine stops.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.0.stopping.subscribe();
        async move {
            drop(stopping.wait_for(|stop| *stop).await);
        }
    }

    /// Does an operation: the one door for calls from outside, from functions and between services.
    pub async fn call(
        &self,
        context: &Context,
        service: &str,
        operation: &str,
        input: Input,
    ) -> Result<Reply, ServiceError> {
        let found = match self.service(service) {
            Some(found) => {
                self.metering().called(&context.principal, found.name(), operation);
                found.call(context, operation, input).await
            }
            None => None,
        };
        found.unwrap_or_else(|| {
            let message = format!("the local cloud has not built {service}:{operation}");
            Err(ServiceError::new("NotImplemented", 501, message))
        })
    }

    /// The service of that name.
    pub fn service(&self, name: &str) -> Option<&Arc<dyn Service>> {
        self.0.services.iter().find(|service| service.name() == name)
    }

    /// All services.
    pub fn services(&self) -> &[Arc<dyn Service>] {
        &self.0.services
    }

    /// How it is run.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The address for clients on this machine: `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> String {
        let ip = self.0.address.ip();
        let ip = if ip.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
        format!("http://{}", SocketAddr::new(ip, self.0.address.port()))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The ledger.
    pub fn metering(&self) -> &Arc<Metering> {
        &self.0.metering
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The source of identifiers.
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// A context for the account's root, as the cloud's own commands use it.
    pub fn root_context(&self) -> Context {
        self.context(crate::Principal::Root, self.ids().uuid())
    }

    /// A context in the cloud's own account and region.
    pub(crate) fn context(&self, principal: crate::Principal, request_id: String) -> Context {
        Context {
            engine: self.clone(),
            account: self.options().account.clone(),
            region: self.options().region.clone(),
            principal,
            request_id: request_id.into(),
            trace_id: None,
            source: None,
        }
    }

    /// The access key of that id, if the cloud gave it out.
    pub fn access_key(&self, id: &str) -> Result<Option<identity::AccessKey>, StoreError> {
        identity::find(self, id)
    }
}
