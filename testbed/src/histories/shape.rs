//! The shapes of API versions: fields that moved or went with 2025-03-31.basil.
//!
//! Source: <https://docs.stripe.com/changelog/basil>.

use serde_json::{Map, Value};

/// Fields that only the old shape has, kept beside the object's own.
pub(super) const OLD: &str = "~old";

/// The object in the newest shape.
pub(super) fn without_old(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.remove(OLD);
    }
    object
}

/// `previous_attributes` in the shape of the event's version: the old values of what differs
/// between the object as it was and as it is, both in that shape. A key that `metadata` did not
/// have before is null there.
pub(super) fn previous(shape: &dyn Fn(Value) -> Value, now: &Value, before: &Value) -> Value {
    let mut was = now.clone();
    for (name, old) in before.as_object().into_iter().flatten() {
        if let Some(was) = was.as_object_mut() {
            was.insert(name.clone(), old.clone());
        }
    }
    let (now, was) = (shape(now.clone()), shape(was));
    let changed = was.as_object().into_iter().flatten();
    changed
        .filter(|(name, old)| now.get(name) != Some(old))
        .map(|(name, old)| match (name.as_str(), now.get(name)) {
            ("metadata", Some(now)) => (name.clone(), previous_metadata(now, old)),
            _ => (name.clone(), old.clone()),
        })
        .collect::<Map<_, _>>()
        .into()
}

fn previous_metadata(now: &Value, old: &Value) -> Value {
    let mut before = old.as_object().cloned().unwrap_or_default();
    before.retain(|key, value| now.get(key) != Some(value));
    for key in now.as_object().into_iter().flat_map(Map::keys) {
        if old.get(key).is_none() {
            before.insert(key.clone(), Value::Null);
        }
    }
    before.into()
}

/// The shape of API versions before 2025-03-31.basil.
pub(super) fn before_basil(mut object: Value) -> Value {
    let kind = super::expected::text(&object, "object");
    let Some(fields) = object.as_object_mut() else {
        return object;
    };
    if let Some(Value::Object(old)) = fields.remove(OLD) {
        fields.extend(old);
    }
    match kind.as_str() {
        "subscription" => old_subscription(fields),
        "invoice" => old_invoice(fields),
        _ => {}
    }
    object
}

fn old_subscription(fields: &mut Map<String, Value>) {
    let list = fields.get("items").and_then(|list| list.get("data"));
    let item = list
        .and_then(|data| data.get(0))
        .cloned()
        .unwrap_or_default();
    for name in ["current_period_start", "current_period_end"] {
        let Some(value) = item.get(name) else {
            continue;
        };
        fields.insert(name.into(), value.clone());
        for item in list_in(fields, "items") {
            item.remove(name);
        }
    }
}

fn old_invoice(fields: &mut Map<String, Value>) {
    let parent = fields.remove("parent").unwrap_or_default();
    let details = parent.get("subscription_details").cloned();
    let of = |name: &str| {
        details
            .as_ref()
            .and_then(|details| details.get(name))
            .cloned()
    };
    fields.insert(
        "subscription".into(),
        of("subscription").unwrap_or_default(),
    );
    if let Some(metadata) = of("metadata") {
        let frozen = Map::from_iter([("metadata".to_owned(), metadata)]);
        fields.insert("subscription_details".into(), frozen.into());
    }
    for line in list_in(fields, "lines") {
        let parent = line.remove("parent").unwrap_or_default();
        let kind = match parent.get("type").and_then(Value::as_str) {
            Some("subscription_item_details") => "subscription",
            _ => "invoiceitem",
        };
        line.insert("type".into(), kind.into());
        let mut taxes = line.remove("taxes").unwrap_or_default();
        let each = taxes.as_array_mut().into_iter().flatten();
        for tax in each.filter_map(Value::as_object_mut) {
            let behavior = tax.remove("tax_behavior").unwrap_or_default();
            tax.insert("inclusive".into(), (behavior == "inclusive").into());
        }
        line.insert("tax_amounts".into(), taxes);
        let price = line.remove("pricing").unwrap_or_default();
        let price = price
            .pointer("/price_details/price")
            .cloned()
            .unwrap_or_default();
        line.insert(
            "price".into(),
            Map::from_iter([("id".to_owned(), price)]).into(),
        );
    }
}

fn list_in<'a>(
    fields: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let data = fields.get_mut(name).and_then(|list| list.get_mut("data"));
    let items = data.and_then(Value::as_array_mut).into_iter().flatten();
    items.filter_map(Value::as_object_mut)
}
