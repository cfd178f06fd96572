// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the examples share.
#![forbid(unsafe_code)]

/// Fills in an example form of `examples/mandates`: its dates, its identifier and the version of the rules.
///
/// A mandate is dated and short-lived, so an example with fixed dates would have expired before anybody
/// tried it.
///
/// ```
/// let form = "issued_at = @yesterday\nrules_version = \"@rules\"\nmandate_id = \"@uuid\"";
/// let filled = gst_privacy_examples::fill(form, jiff::civil::date(2026, 11, 21), "fr-2026.1", "0-1");
/// assert_eq!(filled, "issued_at = 2026-11-20\nrules_version = \"fr-2026.1\"\nmandate_id = \"0-1\"");
/// ```
pub fn fill(form: &str, today: jiff::civil::Date, rules_version: &str, id: &str) -> String {
    use jiff::ToSpan as _;
    let day = |span: jiff::Span| today.saturating_add(span).to_string();
    form.replace("@yesterday", &day(-1.day()))
        .replace("@tomorrow", &day(1.day()))
        .replace("@today", &today.to_string())
        .replace("@last-month", &day(-30.days()))
        .replace("@next-year", &day(365.days()))
        .replace("@rules", rules_version)
        .replace("@uuid", id)
}
