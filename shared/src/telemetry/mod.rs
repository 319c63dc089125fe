//! Logs, traces and metrics: started once, first thing.
//!
//! Invariant: every log line about an event can carry the W3C trace id that also stands in the
//! ledger. Exporters are not here yet: spans are made and propagated, metrics are read at
//! `/metrics`.

mod propagation;

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{CommonArgs, LogFormat};

pub use propagation::{current_trace_id, current_traceparent, fresh_traceparent, trace_id_of};

/// Keeps the providers alive; read its registry for `/metrics`.
#[derive(Debug)]
pub struct Telemetry {
    registry: prometheus::Registry,
    _meters: SdkMeterProvider,
    _tracers: SdkTracerProvider,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be parsed.
    #[error("RUST_LOG cannot be parsed")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The metrics reader refused.
    #[error("cannot collect metrics")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// Somebody else started it.
    #[error("logging was already started")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

impl Telemetry {
    /// The metrics as Prometheus reads them (text format 0.0.4).
    #[must_use]
    pub fn metrics_text(&self) -> String {
        metrics_text(&self.registry)
    }

    /// The registry, for the operations listener.
    #[must_use]
    pub fn registry(&self) -> prometheus::Registry {
        self.registry.clone()
    }
}

/// Renders a registry; an error of one metric leaves the others readable.
#[must_use]
pub fn metrics_text(registry: &prometheus::Registry) -> String {
    prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap_or_default()
}

/// Starts logging to standard error, tracing and metrics for `service`.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(service: &'static str, common: &CommonArgs) -> Result<Telemetry, TelemetryError> {
    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .without_target_info()
        .build()?;
    let meters = SdkMeterProvider::builder().with_reader(exporter).build();
    opentelemetry::global::set_meter_provider(meters.clone());
    let tracers = SdkTracerProvider::builder().build();

    let format = common.log_format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
        LogFormat::Text => lines.boxed(),
    };
    // The HTTP layer writes an error for each malformed request: a stranger's flood would be ours.
    let filter = format!("actix_http::h1::dispatcher=off,{}", common.rust_log);
    tracing_subscriber::registry()
        // The filter is for the lines only: a request has its trace however little is logged.
        .with(lines.with_filter(EnvFilter::try_new(filter)?))
        .with(
            tracing_opentelemetry::layer()
                .with_tracer(tracers.tracer(service))
                .with_filter(LevelFilter::INFO),
        )
        .try_init()?;
    Ok(Telemetry {
        registry,
        _meters: meters,
        _tracers: tracers,
    })
}
