//! The operations listener: `/livez`, `/readyz`, `/metrics`, and the signals.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};

use super::{Health, Stop};

/// The running listener's parts.
#[derive(Debug, Clone)]
pub struct Ops {
    /// What `/readyz` and `/livez` tell.
    pub health: Arc<Health>,
    /// Set at SIGTERM and SIGINT.
    pub stop: Arc<Stop>,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// Why it could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// The address is taken or not ours.
    #[error("cannot listen on OPS_ADDR {addr}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// No thread.
    #[error("cannot start the operations thread")]
    Thread(#[source] std::io::Error),
}

/// Starts the listener on a thread of its own, which also waits for SIGTERM and SIGINT.
///
/// # Errors
/// [`OpsError`].
pub fn start_ops(addr: SocketAddr, registry: prometheus::Registry) -> Result<Ops, OpsError> {
    let bind = |cause| OpsError::Bind { addr, cause };
    let listener = TcpListener::bind(addr).map_err(bind)?;
    let addr = listener.local_addr().map_err(bind)?;
    let ops = Ops {
        health: Arc::default(),
        stop: Arc::default(),
        addr,
    };
    let parts = ops.clone();
    std::thread::Builder::new()
        .name("ops".to_owned())
        .spawn(move || {
            let outcome = actix_web::rt::System::new().block_on(serve(listener, parts, registry));
            if let Err(error) = outcome {
                tracing::error!(%error, "the operations listener ended");
            }
        })
        .map_err(OpsError::Thread)?;
    Ok(ops)
}

async fn serve(
    listener: TcpListener,
    ops: Ops,
    registry: prometheus::Registry,
) -> std::io::Result<()> {
    let stop = Arc::clone(&ops.stop);
    let health = web::Data::from(Arc::clone(&ops.health));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(health.clone())
            .app_data(web::Data::new(registry.clone()))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)?
    .run();
    // It answers until the process ends, also while the service drains.
    let (served, _) = tokio::join!(server, stop.on_signal());
    served
}

async fn livez(health: web::Data<Health>) -> HttpResponse {
    let overdue = health.overdue();
    if overdue.is_empty() {
        HttpResponse::Ok().content_type("text/plain").body("ok\n")
    } else {
        HttpResponse::ServiceUnavailable()
            .content_type("text/plain")
            .body(format!("no sign of life from: {}\n", overdue.join(", ")))
    }
}

async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let unready = health.unready();
    if unready.is_empty() {
        HttpResponse::Ok()
            .content_type("text/plain")
            .body("ready\n")
    } else {
        HttpResponse::ServiceUnavailable()
            .content_type("text/plain")
            .body(format!("{}\n", unready.join("\n")))
    }
}

async fn metrics(registry: web::Data<prometheus::Registry>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(crate::telemetry::metrics_text(&registry))
}
