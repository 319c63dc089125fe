//! Kafka, as every service uses it: the only place where client options are set.
//!
//! Deliberately absent: Postgres, and every decision about what a record means.

pub mod headers;
mod options;
pub mod producer;
mod statistics;
pub mod topics;

pub use options::{
    KafkaSettings, MAX_RECORD_BYTES, OptionError, consumer, parse_extra, producer_options,
};
pub use statistics::ClientMetrics;
