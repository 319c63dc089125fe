//! The fake Stripe's webhook endpoints, as a person sees and changes them in the dashboard.

use reqwest::Method;
use serde_json::Value;
use testbed::stripe::FakeHandle;

/// One call below `/v1/webhook_endpoints`; the answer.
pub(crate) fn call(stripe: &FakeHandle, method: Method, path: &str, form: &'static str) -> Value {
    let url = format!("{}/v1/webhook_endpoints{path}", stripe.url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let body = runtime.block_on(async {
        let request = reqwest::Client::new()
            .request(method, url)
            .bearer_auth(stripe.api_key())
            .body(form);
        request.send().await.unwrap().bytes().await.unwrap()
    });
    serde_json::from_slice(&body).unwrap()
}

/// All that are listed.
pub(crate) fn listed(stripe: &FakeHandle) -> Vec<Value> {
    let list = call(stripe, Method::GET, "", "");
    list["data"].as_array().unwrap().clone()
}
