//! The control API under `/_control/`: what the handle offers, for tests in other languages and
//! for people. It needs no key and belongs on loopback.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::conductor::Order;
use super::super::faults::{ApiFault, Faults};
use super::super::handle::{Control, NewObjectEvent};
use super::super::inner::Shared;
use super::respond;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roll {
    secret: String,
    /// How long the old secret goes on signing.
    overlap_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    url: Option<String>,
}

type App = web::Data<Shared>;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/bookings", web::post().to(create))
        .route("/bookings", web::get().to(bookings))
        .route("/play", web::post().to(play))
        .route("/events", web::post().to(add_event))
        .route("/faults", web::put().to(set_faults))
        .route("/api-faults", web::post().to(add_api_fault))
        .route("/secrets/roll", web::post().to(roll))
        .route("/advance", web::post().to(advance))
        .route("/target", web::put().to(target))
        .route("/truth", web::get().to(truth))
        .route("/stats", web::get().to(stats))
        .route("/deliveries", web::get().to(deliveries))
        .route("/send", web::post().to(send));
}

fn done(inner: &Shared, body: &impl serde::Serialize) -> HttpResponse {
    let body = serde_json::to_value(body).unwrap_or_default();
    respond(inner, 200, &body, &ApiFault::default())
}

async fn create(app: App, order: web::Json<Order>) -> HttpResponse {
    let bookings = Control::new(&app).create_bookings(&order);
    done(&app, &json!({ "bookings": bookings }))
}

async fn bookings(app: App) -> HttpResponse {
    done(&app, &json!({"bookings": Control::new(&app).bookings()}))
}

async fn play(app: App) -> HttpResponse {
    Control::new(&app).play();
    done(&app, &json!({}))
}

async fn add_event(app: App, event: web::Json<NewObjectEvent>) -> HttpResponse {
    let id = Control::new(&app).add_event(&event);
    done(&app, &json!({ "id": id }))
}

async fn set_faults(app: App, faults: web::Json<Faults>) -> HttpResponse {
    Control::new(&app).set_faults(faults.into_inner());
    done(&app, &json!({}))
}

async fn add_api_fault(app: App, fault: web::Json<ApiFault>) -> HttpResponse {
    Control::new(&app).add_api_fault(fault.into_inner());
    done(&app, &json!({}))
}

async fn roll(app: App, roll: web::Json<Roll>) -> HttpResponse {
    let roll = roll.into_inner();
    Control::new(&app).roll_secret(&roll.secret, Duration::from_millis(roll.overlap_ms));
    done(&app, &json!({}))
}

async fn advance(app: App, advance: web::Json<Advance>) -> HttpResponse {
    Control::new(&app).advance(Duration::from_millis(advance.ms));
    done(&app, &json!({"now_ms": app.clock.now_ms()}))
}

async fn target(app: App, target: web::Json<Target>) -> HttpResponse {
    Control::new(&app).set_target(target.into_inner().url);
    done(&app, &json!({}))
}

async fn truth(app: App) -> HttpResponse {
    done(&app, &app.truth())
}

async fn stats(app: App) -> HttpResponse {
    done(&app, &app.stats())
}

async fn deliveries(app: App) -> HttpResponse {
    let all: Vec<Value> = Control::new(&app)
        .deliveries()
        .iter()
        .filter_map(|delivery| serde_json::to_value(delivery).ok())
        .collect();
    done(&app, &json!({ "deliveries": all }))
}

/// The request's body, byte for byte, signed and sent to the target.
async fn send(app: App, body: web::Bytes) -> HttpResponse {
    let answer = Control::new(&app).send_raw(body.to_vec()).await;
    done(&app, &json!({"status": answer}))
}
