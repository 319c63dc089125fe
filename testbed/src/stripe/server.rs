//! Starts and stops a fake: one thread with its own runtime, so that it can be used from
//! asynchronous and from plain code alike.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use actix_web::{App, HttpServer, web};
use tokio::sync::{Semaphore, oneshot};

use super::api::{self, idempotency::Answered};
use super::clock::Clock;
use super::config::FakeConfig;
use super::endpoints::Endpoints;
use super::faults::ApiFaults;
use super::handle::Control;
use super::history::History;
use super::inner::{Inner, Shared};
use super::signing::Secrets;
use super::world::World;

/// A raw body sent through the control API may be as large as a test likes, up to this (bytes).
const MAX_CONTROL_BODY: usize = 16 << 20;

/// Why a fake did not start.
#[derive(Debug, thiserror::Error)]
pub enum FakeError {
    #[error("the fake Stripe can't listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the history file can't be opened")]
    History(#[source] io::Error),
    #[error("the HTTP client can't be built")]
    Client(#[source] reqwest::Error),
    #[error("the fake Stripe's thread did not start")]
    Thread(#[source] io::Error),
    #[error("the fake Stripe's thread ended at once")]
    Ended,
}

/// The constructor; see [`Fake::start`].
#[derive(Debug)]
pub struct Fake;

/// A running fake. Dropping it stops the server and every delivery.
#[derive(Debug)]
pub struct FakeHandle {
    control: Control,
    address: SocketAddr,
    api_key: String,
    secret: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    /// Starts a fake and returns once it accepts connections. Callable from anywhere; it blocks
    /// for a few milliseconds.
    ///
    /// # Errors
    /// When the address, the history file or a thread can't be had; nothing is left running.
    pub fn start(config: FakeConfig) -> Result<FakeHandle, FakeError> {
        let listen_failed = |source| FakeError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let history = History::open(config.history.as_deref()).map_err(FakeError::History)?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(FakeError::Client)?;
        let (api_key, secret) = (config.api_key.clone(), config.secret.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fake-stripe")
            .enable_all()
            .build()
            .map_err(FakeError::Thread)?;
        let inner = build(config, history, http, runtime.handle().clone());
        let control = Control::new(&inner);
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("fake-stripe".to_owned())
            .spawn(move || {
                runtime.block_on(serve(listener, inner, stopped, ready));
                runtime.shutdown_background();
            })
            .map_err(FakeError::Thread)?;
        is_ready
            .recv()
            .or(Err(FakeError::Ended))?
            .map_err(listen_failed_at(address))?;
        Ok(FakeHandle {
            control,
            address,
            api_key,
            secret,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn listen_failed_at(address: SocketAddr) -> impl Fn(io::Error) -> FakeError {
    move |source| FakeError::Listen { address, source }
}

fn build(
    config: FakeConfig,
    history: History,
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
) -> Shared {
    Arc::new(Inner {
        clock: Clock::new(),
        world: Mutex::new(World::default()),
        faults: Mutex::new(config.faults.clone()),
        api_faults: Mutex::new(ApiFaults::default()),
        last_page: Mutex::new(None),
        secrets: Mutex::new(Secrets::new(config.secret.clone())),
        target: Mutex::new(config.target.clone()),
        endpoints: Mutex::new(Endpoints::default()),
        answered: Mutex::new(Answered::default()),
        deliveries: Mutex::new(BTreeMap::new()),
        held: Mutex::new(Vec::new()),
        history,
        http,
        permits: Semaphore::new(config.delivery.concurrency.max(1)),
        runtime,
        illegal_steps: AtomicU64::new(0),
        api_reads: AtomicU64::new(0),
        requests: AtomicU64::new(0),
        config,
    })
}

async fn serve(
    listener: TcpListener,
    inner: Shared,
    stopped: oneshot::Receiver<()>,
    ready: mpsc::SyncSender<io::Result<()>>,
) {
    let data = web::Data::new(inner);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(MAX_CONTROL_BODY))
            .app_data(web::JsonConfig::default().limit(MAX_CONTROL_BODY))
            .configure(api::routes)
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(0)
    .listen(listener);
    let server = match server {
        Ok(server) => server.run(),
        Err(error) => return drop(ready.send(Err(error))),
    };
    let handle = server.handle();
    let running = tokio::spawn(server);
    drop(ready.send(Ok(())));
    // An error means that the handle was dropped without a word: stop as well.
    drop(stopped.await);
    handle.stop(false).await;
    drop(running.await);
}

impl FakeHandle {
    /// `http://address`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The secret it was started with.
    pub fn first_secret(&self) -> &str {
        &self.secret
    }

    /// Everything that can be done to it, as a clone that can be moved to other threads.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Deref for FakeHandle {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for FakeHandle {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that it has stopped by itself.
            let _stopped_already = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
