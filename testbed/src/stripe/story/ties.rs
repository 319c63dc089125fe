//! The fields by which versions before basil tie an invoice, its intent and its charge.
//!
//! Source: <https://docs.stripe.com/changelog/basil>: removed from all three; since then
//! `amount_paid` of an invoice also counts what was paid outside Stripe.

use serde_json::{Value, json};

use super::super::model::{number, text};
use super::super::world::shapes::Ties;
use super::play::Stage;

impl Stage<'_> {
    pub(super) fn ties(&self, object: &Value) -> Ties {
        let ties = match text(object, "object") {
            "invoice" => self.invoice_ties(object),
            "payment_intent" => json!({"invoice": self.invoice_of(text(object, "id"))}),
            "charge" => json!({"invoice": self.invoice_of(text(object, "payment_intent"))}),
            _ => Value::Null,
        };
        match ties {
            Value::Object(ties) => ties,
            _ => Ties::new(),
        }
    }

    fn invoice_of(&self, intent: &str) -> Option<&str> {
        let bills = &mut self.play.bills.iter();
        bills
            .find(|billed| billed.intent.as_deref() == Some(intent))
            .map(|billed| billed.invoice.as_str())
    }

    fn invoice_ties(&self, invoice: &Value) -> Value {
        let id = text(invoice, "id");
        let billed = self.play.bills.iter().find(|billed| billed.invoice == id);
        let intent = billed.and_then(|billed| billed.intent.clone());
        let charge = intent
            .as_deref()
            .and_then(|intent| self.object(intent).get("latest_charge").cloned());
        let paid = text(invoice, "status") == "paid";
        let out_of_band = paid && billed.is_some_and(|billed| billed.out_of_band);
        let mut ties = json!({"payment_intent": intent, "charge": charge, "paid": paid,
            "paid_out_of_band": out_of_band, "quote": null, "discount": null, "tax": null});
        if out_of_band && let Some(ties) = ties.as_object_mut() {
            let due = number(invoice, "amount_due");
            ties.insert("amount_paid".to_owned(), json!(0));
            ties.insert("amount_remaining".to_owned(), json!(due));
        }
        ties
    }
}
