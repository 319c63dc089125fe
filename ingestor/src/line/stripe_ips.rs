//! Where Stripe sends webhooks from.
//!
//! Source: "Domains and IP addresses", <https://docs.stripe.com/ips>, "webhook notifications", as
//! of November 2026. Stripe changes the list after a notice: `STRIPE_WEBHOOK_IPS` replaces it. A
//! foreign address is told, never refused: the signature decides.

use std::net::IpAddr;

/// The list as the setting has it: comma-separated.
pub const STRIPE_WEBHOOK_IPS: &str = "3.18.12.63,3.130.192.231,13.235.14.237,13.235.122.149,\
18.211.135.69,35.154.171.200,52.15.183.38,54.88.130.119,54.88.130.237,54.187.174.169,\
54.187.205.235,54.187.216.72";

/// Reads such a list.
///
/// # Errors
/// The first item that is no address.
pub fn parse(list: &str) -> Result<Vec<IpAddr>, String> {
    let items = list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items
        .map(|item| item.parse().map_err(|_odd| item.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_what_is_no_address_is_named() {
        assert_eq!(parse(STRIPE_WEBHOOK_IPS).unwrap().len(), 12);
        assert_eq!(parse("1.2.3.4, ::1").unwrap().len(), 2);
        assert_eq!(parse("1.2.3.4,nonsense"), Err("nonsense".to_owned()));
    }
}
