//! Fields that an object shows on request only, and fields that a filter names.
//!
//! Source: docs.stripe.com/expand, docs.stripe.com/api/invoices/object: `payments` is the one
//! expansion that the fake has; all others are accepted and without effect.

use serde_json::Value;

use super::super::model::text;
use super::page::list;
use super::read::Reader;

/// At most this many payments are inside an invoice; the rest is listed.
const NESTED: usize = 10;

impl Reader<'_> {
    /// The object, with its payments if they are asked for below `prefix`.
    pub(super) fn expanded(&self, object: &Value, expand: &[String], prefix: &str) -> Value {
        let mut object = object.clone();
        let wanted = expand
            .iter()
            .any(|path| path.strip_prefix(prefix) == Some("payments"));
        if wanted && text(&object, "object") == "invoice" {
            let payments = self.payments(text(&object, "id"));
            if let Some(fields) = object.as_object_mut() {
                fields.insert("payments".to_owned(), payments);
            }
        }
        object
    }

    fn payments(&self, invoice: &str) -> Value {
        let all = self.world.objects.of_kind(self.account, "invoice_payment");
        let mut all: Vec<_> = all
            .filter(|stored| text(&stored.value, "invoice") == invoice)
            .collect();
        all.sort_by_key(|stored| std::cmp::Reverse(stored.place));
        let more = all.len() > NESTED;
        let data = all.into_iter().take(NESTED);
        let data = data.map(|stored| stored.value.clone()).collect();
        list("/v1/invoice_payments", data, more)
    }
}

/// The values of `expand[]` and `expand[0]`.
pub(super) fn expansions(pairs: &[(String, String)]) -> Vec<String> {
    let expand = pairs
        .iter()
        .filter(|(name, _)| name == "expand" || name.starts_with("expand["));
    expand.map(|(_, value)| value.clone()).collect()
}

/// The field that a list's filter is about.
pub(super) fn field_of<'a>(object: &'a Value, filter: &str) -> Option<&'a str> {
    let path = match (text(object, "object"), filter) {
        ("invoice", "subscription") => "/parent/subscription_details/subscription".to_owned(),
        _ => format!("/{}", filter.replace('[', "/").replace(']', "")),
    };
    object.pointer(&path).and_then(Value::as_str)
}
