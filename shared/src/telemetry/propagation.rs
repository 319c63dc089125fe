//! W3C Trace Context, as it travels in a record's headers.

use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// `traceparent` of the current span: `00-<32 hex>-<16 hex>-<2 hex>`; none outside a span.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        )
    })
}

/// A `traceparent` that begins a trace, without a span: for what is too frequent to be recorded
/// and must be found again all the same.
#[must_use]
pub fn fresh_traceparent() -> String {
    let ids = RandomIdGenerator::default();
    format!("00-{}-{}-01", ids.new_trace_id(), ids.new_span_id())
}

/// Trace id of the current span, 32 hex digits.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    current_traceparent().as_deref().and_then(trace_id_of)
}

/// Trace id in a `traceparent`; none if it is not one (or names the invalid trace of zeroes).
///
/// Source: W3C Trace Context, section 3.2.
#[must_use]
pub fn trace_id_of(traceparent: &str) -> Option<String> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let valid =
        hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    (valid && trace.bytes().any(|b| b != b'0')).then(|| trace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_trace_is_well_formed_and_no_two_are_the_same() {
        let (one, two) = (fresh_traceparent(), fresh_traceparent());
        assert!(trace_id_of(&one).is_some() && trace_id_of(&two).is_some());
        assert_ne!(trace_id_of(&one), trace_id_of(&two));
    }

    #[test]
    fn a_trace_id_is_taken_only_from_a_well_formed_traceparent() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            trace_id_of(good).as_deref(),
            Some("0af7651916cd43dd8448eb211c80319c")
        );
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(trace_id_of(bad), None, "{bad}");
        }
    }
}
