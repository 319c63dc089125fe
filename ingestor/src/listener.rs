//! The public listener: one route, bounded connections, nothing else there.
//!
//! Built on the framework's HTTP layer, without its router and extractors: for one route they
//! cost more than they give (docs/benchmarks.md).

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::{
    HttpService, KeepAlive, Method, Protocol, Request, Response, ResponseBuilder, StatusCode,
    header,
};
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service};
use actix_web::rt::net::TcpStream;
use shared::kafka::producer::EventLog;
use socket2::{Domain, Protocol as Transport, Socket, Type};

use crate::connection::{Bounds, LINGER, Progress, Timed};
use crate::metrics::Metrics;
use crate::webhook::{Parts, receive};

/// How long an answer may stay unread.
const UNREAD: Duration = Duration::from_secs(15);

/// Connections that may wait to be accepted. Above it the kernel drops the client's first packet,
/// which is sent again a second later; the standard library's 128 is less than one burst.
const BACKLOG: i32 = 1024;

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

/// Takes the address: connections may come, and wait until they are served.
///
/// # Errors
/// The socket's.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Transport::TCP),
    )?;
    // As the standard library: a restart must not wait for the connections of the process before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts to serve, on as many threads as there are processors.
///
/// # Errors
/// The socket's.
pub fn build<L: EventLog>(
    listener: TcpListener,
    parts: Arc<Parts<L>>,
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
        // Each thread's own: a count that all of them change travels between their processors.
        let parts = Rc::new(Arc::clone(&parts));
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(limits.head)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(move |stream: &Timed, extensions| {
                metrics.connection(1);
                extensions.insert(OpenConnection(metrics.clone()));
                extensions.insert(stream.progress());
            })
            .finish(move |request: Request| {
                let parts = Rc::clone(&parts);
                async move { Ok::<_, actix_http::Error>(route(&parts, request).await) }
            });
        fn_service(move |stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            // Answers are small and written at once.
            stream.set_nodelay(true)?;
            // Who never reads them is given up: the framework waits for a flush without end.
            socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD))?;
            Ok((Timed::new(stream, bounds), Protocol::Http1, peer))
        })
        .and_then(http)
    };
    Ok(builder.listen("webhooks", listener, service)?.run())
}

/// The only route, and what is said of every other.
async fn route<L: EventLog>(parts: &Parts<L>, mut request: Request) -> Response<BoxBody> {
    let payload = request.take_payload();
    match (request.path(), request.method()) {
        ("/webhooks/stripe", &Method::POST) => receive(parts, &request, payload).await,
        ("/webhooks/stripe", _) => {
            let mut response = Response::build(StatusCode::METHOD_NOT_ALLOWED);
            response.insert_header(("allow", "POST"));
            last(&request, response, "POST only\n")
        }
        (_, _) => last(
            &request,
            Response::build(StatusCode::NOT_FOUND),
            "nothing here\n",
        ),
    }
}

/// An answer that ends its connection.
fn last(request: &Request, mut response: ResponseBuilder, body: &'static str) -> Response<BoxBody> {
    if let Some(progress) = request.conn_data::<Rc<Progress>>() {
        progress.close();
    }
    response
        .insert_header((header::CONTENT_TYPE, "text/plain"))
        .force_close()
        .body(body)
        .map_into_boxed_body()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_burst_of_connections_waits_for_nobodys_second_packet() {
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts: whom the backlog has no room for would wait a second and be tried again.
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let burst: Vec<TcpStream> = (0..500).map(|_| connect().unwrap()).collect();
        assert_eq!(burst.len(), 500);
    }
}
