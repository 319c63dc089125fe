//! One object in the shape of an API version: the newest, or the one before basil.
//!
//! Source: <https://docs.stripe.com/changelog/basil>: a subscription's current period moved to
//! its items, an invoice's subscription below `parent`; an invoice, its intent and its charge no
//! longer name each other.

use serde_json::{Map, Value, json};

use super::super::model::text;

/// The first version with the new shape.
const BASIL: &str = "2025-03-31";

/// Fields that only versions before basil show, beside the object they belong to.
pub(crate) type Ties = Map<String, Value>;

/// The event in the shape of `version`. `ties` are its object's.
pub(super) fn shaped(mut event: Value, version: &str, ties: &Ties) -> Value {
    if version < BASIL
        && let Some(data) = event.get_mut("data").and_then(Value::as_object_mut)
    {
        let kind = data
            .get("object")
            .map(|object| text(object, "object").to_owned())
            .unwrap_or_default();
        if let Some(object) = data.get_mut("object") {
            *object = old(&kind, object.take());
            for (field, value) in ties {
                put(object, field, Some(value.clone()));
            }
        }
        if let Some(previous) = data.get_mut("previous_attributes") {
            *previous = old(&kind, previous.take());
        }
    }
    if let Some(event) = event.as_object_mut() {
        event.insert("api_version".to_owned(), version.into());
    }
    event
}

fn old(kind: &str, mut object: Value) -> Value {
    match kind {
        "subscription" => {
            for field in ["current_period_start", "current_period_end"] {
                let item = object.pointer_mut("/items/data/0");
                let moved = item.and_then(|item| item.as_object_mut()?.remove(field));
                put(&mut object, field, moved);
            }
        }
        "invoice" => {
            let details = object.pointer("/parent/subscription_details").cloned();
            let details = details.unwrap_or_default();
            put(
                &mut object,
                "subscription",
                details.get("subscription").cloned(),
            );
            let metadata = details.get("metadata").cloned();
            let metadata = metadata.map(|metadata| json!({ "metadata": metadata }));
            put(&mut object, "subscription_details", metadata);
            if let Some(fields) = object.as_object_mut() {
                fields.remove("parent");
            }
            let lines = object.pointer_mut("/lines/data");
            for line in lines.and_then(Value::as_array_mut).into_iter().flatten() {
                old_line(line);
            }
        }
        _ => {}
    }
    object
}

fn old_line(line: &mut Value) {
    let of = |path: &str| line.pointer(path).cloned().unwrap_or_default();
    let invoice_item = of("/parent/invoice_item_details/invoice_item");
    let subscription = of("/parent/subscription_item_details/subscription");
    let subscription_item = of("/parent/subscription_item_details/subscription_item");
    let price = json!({"id": of("/pricing/price_details/price"), "object": "price",
        "product": of("/pricing/price_details/product")});
    let kind = if subscription.is_null() {
        "invoiceitem"
    } else {
        "subscription"
    };
    put(line, "type", Some(kind.into()));
    put(line, "price", Some(price));
    put(line, "proration", Some(false.into()));
    put(line, "subscription", Some(subscription));
    if kind == "invoiceitem" {
        put(line, "invoice_item", Some(invoice_item));
    } else {
        put(line, "subscription_item", Some(subscription_item));
    }
    if let Some(fields) = line.as_object_mut() {
        fields.remove("parent");
        fields.remove("pricing");
    }
}

fn put(object: &mut Value, field: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(field.to_owned(), value);
    }
}
