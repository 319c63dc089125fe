//! What the ingestor is measured against: the least that a server can do.
//!
//! `answer` reads the body and answers; `hmac` checks the MAC too; `append` appends the body by a
//! bare `FutureProducer` and waits for its report as well. No bounds, no evidence, no counters: a
//! floor, not a service. `record` writes the promised record instead (`evidence.rs`): it tells
//! apart what the promise costs and what the ingestor does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use hmac::{Hmac, KeyInit, Mac};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use sha2::Sha256;

use super::evidence;
use super::requests::SECRET;

/// How much a floor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Reads the body, answers.
    Answer,
    /// … and checks the MAC.
    Hmac,
    /// … and appends to Kafka.
    Append,
    /// … the body as the record that the ingestor promises.
    Record,
}

/// Serves one of the benchmark's floors until killed.
#[derive(Clone, Debug, clap::Args)]
pub struct FloorArgs {
    /// How much it does.
    #[arg(long, value_enum)]
    what: What,
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// `append`, `record`: the brokers.
    #[arg(long, default_value = "")]
    brokers: String,
    /// `append`, `record`: the producer's `linger.ms`.
    #[arg(long, default_value = "0")]
    linger: String,
}

struct Parts {
    what: What,
    producer: Option<FutureProducer>,
    number: AtomicU64,
}

impl FloorArgs {
    /// Serves.
    ///
    /// # Errors
    /// The socket's, and the producer's.
    pub async fn run(self) -> anyhow::Result<()> {
        let producer = match self.what {
            What::Answer | What::Hmac => None,
            What::Append | What::Record => Some(self.producer()?),
        };
        let parts = Data::new(Parts {
            what: self.what,
            producer,
            number: AtomicU64::new(0),
        });
        HttpServer::new(move || {
            App::new()
                .app_data(parts.clone())
                .app_data(web::PayloadConfig::new(2 * 1024 * 1024))
                .route("/webhooks/stripe", web::post().to(receive))
        })
        .workers(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
        .bind(self.listen)
        .context("cannot listen")?
        .run()
        .await?;
        Ok(())
    }

    /// The ingestor's options as far as they bear on speed, whatever its batching.
    fn producer(&self) -> anyhow::Result<FutureProducer> {
        Ok(ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("queue.buffering.max.messages", "20000")
            .set("message.max.bytes", "4194304")
            .set("linger.ms", &self.linger)
            .create()?)
    }
}

async fn receive(parts: Data<Parts>, request: HttpRequest, body: Bytes) -> HttpResponse {
    if parts.what == What::Answer {
        return HttpResponse::Ok().finish();
    }
    let header = request.headers().get("stripe-signature");
    let Some(header) = header.and_then(|value| value.to_str().ok()) else {
        return HttpResponse::BadRequest().finish();
    };
    if !holds(header, &body) {
        return HttpResponse::BadRequest().finish();
    }
    let Some(producer) = &parts.producer else {
        return HttpResponse::Ok().finish();
    };
    let made = match parts.what {
        What::Record => evidence::of(header, &body).map(|(key, headers)| (key, Some(headers))),
        What::Answer | What::Hmac | What::Append => {
            let number = parts.number.fetch_add(1, Ordering::Relaxed);
            Some((number.to_string(), None))
        }
    };
    let Some((key, headers)) = made else {
        return HttpResponse::BadRequest().finish();
    };
    let mut record = FutureRecord::to("stripe.events").key(&key).payload(&*body);
    record.headers = headers;
    #[expect(clippy::disallowed_methods, reason = "the floor is the bare client")]
    let Ok(sent) = producer.send_result(record) else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    match sent.await {
        Ok(Ok(_)) => HttpResponse::Ok().finish(),
        Ok(Err(_)) | Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

fn holds(header: &str, body: &[u8]) -> bool {
    let item = |key| header.split(',').find_map(|item| item.strip_prefix(key));
    let (Some(time), Some(signature)) = (item("t="), item("v1=")) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else {
        return false;
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::decode(signature).is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
}
