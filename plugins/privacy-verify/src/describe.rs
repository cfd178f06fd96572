// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an entry says, and what the stamps of a frame say, line by line.

use std::collections::BTreeMap;

use privacy_register::{Entry, Frame, Recipient, Record};
use serde_json::Value;

use crate::words::{Lines, local, operation_name};

/// Adds what an entry says: what was done, when, by whom, why and for whom.
pub fn entry(lines: &mut Lines, record: &Record) {
    let entry = &record.entry;
    let french = lines.pick(false, true);
    lines.add(
        "operation",
        "opération",
        operation_name(entry.operation, french),
    );
    lines.add(
        "date (Paris)",
        "date (Paris)",
        &format!("{} ({})", local(record.timestamp), record.timestamp),
    );
    who_and_why(lines, entry);
    if let Some(prior) = entry.prior_entry_seq {
        lines.add("completes", "complète", &prior.to_string());
    }
    if let Some(refusal) = &entry.refusal {
        let text = lines.pick(&refusal.message_en, &refusal.message_fr);
        lines.add("refused", "refusé", &format!("{}: {text}", refusal.code));
    }
    output(lines, entry);
}

/// Adds by whom something was done, why and for whom.
pub fn who_and_why(lines: &mut Lines, entry: &Entry) {
    let purpose = match lines.pick("", entry.purpose_label_fr.as_str()) {
        "" => entry.purpose_id.clone(),
        label => format!("{label} ({})", entry.purpose_id),
    };
    lines.add_if("purpose", "finalité", &purpose);
    lines.add_if("reason", "motif", &entry.motif);
    if let Some(agent) = &entry.agent {
        let parts = [&agent.id, &agent.capacity, &agent.habilitation_ref];
        lines.add_if("agent", "agent", &joined(parts));
    }
    match &entry.destinataire {
        None => {}
        Some(Recipient::Nobody(_)) => lines.add(
            "recipient",
            "destinataire",
            lines.pick("nobody (aucun)", "aucun"),
        ),
        Some(Recipient::Somebody {
            name,
            service,
            capacity,
        }) => lines.add(
            "recipient",
            "destinataire",
            &joined([name, service, capacity]),
        ),
    }
    lines.add_if("cameras", "caméras", &entry.cameras.join(", "));
    lines.add_if("mandate", "mandat", &entry.mandate_id);
    lines.add_if("session", "session", &entry.session);
}

/// Adds what was written, and how it was masked.
pub fn output(lines: &mut Lines, entry: &Entry) {
    if let Some(output) = &entry.output {
        lines.add_if("file", "fichier", &output.media_id);
        if !output.sha256.is_empty() {
            let bytes = lines.pick("bytes", "octets");
            lines.add("length", "longueur", &format!("{} {bytes}", output.bytes));
            lines.add("SHA-256", "SHA-256", &output.sha256);
        }
    }
    if let Some(plain) = plain_sha256(entry) {
        lines.add("decrypted", "déchiffré", &format!("SHA-256 {plain}"));
    }
    if let Some(masked) = &entry.anonymisation {
        lines.add_if("mask demanded", "masque exigé", &masked.required);
        lines.add_if("mask applied", "masque posé", &masked.applied);
        if masked.frames_total > 0 {
            let text = lines.pick(
                format!(
                    "{} let out, {} held back for want of a mask",
                    masked.frames_total, masked.mask_failures
                ),
                format!(
                    "{} sorties, {} retenues faute de masque",
                    masked.frames_total, masked.mask_failures
                ),
            );
            lines.add("frames", "images", &text);
        }
        for (en, fr, held) in [
            (
                "held for their time",
                "retenues, hors période",
                masked.frames_outside,
            ),
            (
                "held after the end",
                "retenues après la fin",
                masked.frames_late,
            ),
        ] {
            if held > 0 {
                lines.add(en, fr, &held.to_string());
            }
        }
        lines.add_if("frames' root", "racine images", &masked.proof_root);
    }
}

/// SHA-256 of an encrypted export before its encryption, in hex.
pub fn plain_sha256(entry: &Entry) -> Option<&str> {
    entry
        .more
        .get("encryption")?
        .get("plain_sha256")
        .and_then(Value::as_str)
}

/// Adds what is known of one frame that was let out.
pub fn frame(lines: &mut Lines, frame: &Frame) {
    let pts = match frame.pts {
        Some(pts) => format!("{}.{:09} s", pts / 1_000_000_000, pts % 1_000_000_000),
        None => lines.pick("none", "aucun").to_owned(),
    };
    lines.add("time (PTS)", "instant (PTS)", &pts);
    lines.add("BLAKE3", "BLAKE3", &frame.frame);
    let scan = stamp(&frame.scan);
    let of =
        |stamp: &BTreeMap<String, String>, name: &str| stamp.get(name).cloned().unwrap_or_default();
    if frame.scan.is_empty() {
        lines.add("detector", "détecteur", lines.pick("none", "aucun"));
    } else {
        lines.add("detector", "détecteur", &of(&scan, "detector"));
        lines.add_if("model", "modèle", &of(&scan, "model"));
        lines.add_if("found", "trouvés", &of(&scan, "found"));
    }
    let mask = stamp(&frame.mask);
    if frame.mask.is_empty() {
        lines.add("mask", "masque", lines.pick("none", "aucun"));
        return;
    }
    let whole = of(&mask, "whole-frame") == "true";
    let method = of(&mask, "method");
    lines.add(
        "mask",
        "masque",
        &match (whole, lines.pick(false, true)) {
            (false, _) => method,
            (true, false) => format!("{method}, whole frame {}", of(&mask, "reason")),
            (true, true) => format!("{method}, image entière {}", of(&mask, "reason")),
        },
    );
    lines.add_if("classes", "classes", &of(&mask, "classes"));
    lines.add_if("regions", "régions", &of(&mask, "regions"));
    lines.add_if("left clear", "laissés clairs", &of(&mask, "clear"));
    lines.add_if("share masked", "part masquée", &share(&of(&mask, "share")));
}

fn share(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(share) if share.is_finite() => format!("{:.1} %", 100.0 * share),
        _ => String::new(),
    }
}

fn joined(parts: [&String; 3]) -> String {
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Fields of a stamp in the text form of a `GstStructure`: `name, field=(type)value, …;`. What does not read so
/// is left out: the text is proven as it stands, and this is for showing it.
fn stamp(text: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut field = String::new();
    for c in text.chars().chain([',']) {
        match c {
            _ if escaped => {
                escaped = false;
                field.push(c);
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => {
                if let Some((name, value)) = field.split_once('=') {
                    let value = match value.strip_prefix('(').and_then(|v| v.split_once(')')) {
                        Some((_, value)) => value,
                        None => value,
                    };
                    fields.insert(name.trim().to_owned(), value.trim().to_owned());
                }
                field.clear();
            }
            _ => field.push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_gstreamer_writes_it() {
        let fields = stamp(
            r#"PrivacyMask, version=(uint)1, classes=(string)"person\,car", method=(string)pixelate, whole-frame=(boolean)false, reason=(string)"", share=(double)0.25;"#,
        );
        let get = |name: &str| fields.get(name).map(String::as_str);
        assert_eq!(get("classes"), Some("person,car"));
        assert_eq!(get("method"), Some("pixelate"));
        assert_eq!(get("reason"), Some(""));
        assert_eq!(share(get("share").unwrap()), "25.0 %");
        for broken in ["", "a", "a, =", "a, b=(", "a, b=\"c", "\\"] {
            stamp(broken);
        }
    }
}
