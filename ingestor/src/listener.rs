//! The public listener: one route, bounded connections, nothing else there.

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpRequest, HttpResponse, web};
use shared::kafka::producer::EventLog;

use crate::connection::{Bounds, Progress, Timed};
use crate::metrics::Metrics;
use crate::webhook::{Parts, receive};

/// Bounds of the public listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A head, from its first byte (a connection's first: from the opening) to its end.
    pub head: Duration,
    /// An idle connection; zero: closed after each answer.
    pub keep_alive: Duration,
    /// Open connections.
    pub connections: usize,
    /// Requests in flight when stopping.
    pub drain: Duration,
}

/// Counts an open connection for as long as it lives.
struct OpenConnection(Metrics);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connection(-1);
    }
}

/// Starts to serve, on as many threads as there are processors.
///
/// # Errors
/// The socket's.
pub fn build<L: EventLog>(
    listener: TcpListener,
    parts: web::Data<Parts<L>>,
    limits: Limits,
    metrics: Metrics,
) -> std::io::Result<Server> {
    let keep_alive = if limits.keep_alive.is_zero() {
        KeepAlive::Disabled
    } else {
        KeepAlive::Timeout(limits.keep_alive)
    };
    let bounds = Bounds {
        head: limits.head,
        idle: limits.keep_alive,
    };
    // The framework counts connections for each of its workers.
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(limits.connections.div_ceil(workers))
        .shutdown_timeout(limits.drain.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let service = move || {
        let (metrics, stopping) = (metrics.clone(), stopping.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(limits.head)
            .client_disconnect_timeout(Duration::from_secs(2))
            .on_connect_ext(move |stream: &Timed, extensions| {
                metrics.connection(1);
                extensions.insert(OpenConnection(metrics.clone()));
                extensions.insert(stream.progress());
            })
            .finish(map_config(app(parts.clone()), |_| AppConfig::default()));
        fn_service(move |stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            // Answers are small and written at once.
            stream.set_nodelay(true)?;
            Ok((Timed::new(stream, bounds), Protocol::Http1, peer))
        })
        .and_then(http)
    };
    Ok(builder.listen("webhooks", listener, service)?.run())
}

fn app<L: EventLog>(
    parts: web::Data<Parts<L>>,
) -> impl actix_service::ServiceFactory<
    actix_http::Request,
    Config = AppConfig,
    Response = actix_web::dev::ServiceResponse,
    Error = actix_web::Error,
    InitError = (),
> {
    use actix_service::IntoServiceFactory;
    App::new()
        .app_data(parts)
        .service(
            web::resource("/webhooks/stripe")
                .route(web::post().to(receive::<L>))
                .default_service(web::to(method_not_allowed)),
        )
        .default_service(web::to(not_found))
        .into_factory()
}

async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    close(&request);
    HttpResponse::MethodNotAllowed()
        .insert_header(("allow", "POST"))
        .force_close()
        .content_type("text/plain")
        .body("POST only\n")
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    close(&request);
    HttpResponse::NotFound()
        .force_close()
        .content_type("text/plain")
        .body("nothing here\n")
}

fn close(request: &HttpRequest) {
    if let Some(progress) = request.conn_data::<Rc<Progress>>() {
        progress.close();
    }
}
