// SPDX-License-Identifier: MIT OR Apache-2.0
//! The register as a spreadsheet (CSV, RFC 4180), and as it stands (JSON).
//!
//! Both have one row or record per entry. The JSON is an array of
//! `{"index": 12, "leaf_hash": "…", "state": "present", "record": {…}}`: the record is the entry's own JSON,
//! in which only characters that would move a terminal are written as `\uXXXX`; `leaf_hash` is the RFC 6962
//! hash of the bytes in the register, SHA-256(0x00 ‖ bytes), in hex. Of an entry that was erased after its time
//! (`"state": "erased"`) or cannot be read (`"unreadable"`) the record is null.

use std::{error::Error, io::Write};

use privacy_register::Record;
use privacy_verify::terminal::plain;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{filter, row};

/// Columns: English heading, French heading.
const COLUMNS: [(&str, &str); 45] = [
    ("index", "nº"),
    ("state", "état"),
    ("time_utc", "date_utc"),
    ("time_paris", "date_paris"),
    ("operation", "opération"),
    ("phase", "phase"),
    ("completes", "complète"),
    ("interrupted", "interrompue"),
    ("session", "session"),
    ("purpose_id", "finalité_id"),
    ("purpose", "finalité"),
    ("reason", "motif"),
    ("agent", "agent"),
    ("agent_capacity", "agent_qualité"),
    ("agent_habilitation", "agent_habilitation"),
    ("recipient_name", "destinataire_nom"),
    ("recipient_service", "destinataire_service"),
    ("recipient_capacity", "destinataire_qualité"),
    ("cameras", "caméras"),
    ("footage_from", "images_du"),
    ("footage_to", "images_au"),
    ("mode", "mode"),
    ("requisition", "réquisition"),
    ("legal_basis", "fondement"),
    ("mandate_id", "mandat_id"),
    ("mandate_sha256", "mandat_sha256"),
    ("rules_version", "règles_version"),
    ("sink_class", "destination"),
    ("file", "fichier"),
    ("media_type", "type_de_média"),
    ("sha256", "sha256"),
    ("bytes", "octets"),
    ("mask_required", "masque_exigé"),
    ("mask_applied", "masque_posé"),
    ("frames_in", "images_entrées"),
    ("frames_out", "images_sorties"),
    ("frames_whole_masked", "images_entièrement_masquées"),
    ("mask_failures", "images_retenues"),
    ("frames_outside", "images_hors_période"),
    ("frames_late", "images_après_la_fin"),
    ("proof_root", "racine_de_preuve"),
    ("refusal_code", "refus_code"),
    ("particulars", "précisions"),
    ("host", "hôte"),
    ("leaf_hash", "empreinte"),
];

/// Writes rows of CSV.
pub struct Csv<W: Write> {
    out: csv::Writer<W>,
    french: bool,
}

impl<W: Write> Csv<W> {
    /// Begins with the headings.
    pub fn new(out: W, french: bool) -> Result<Self, Box<dyn Error>> {
        let mut out = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(out);
        out.write_record(COLUMNS.map(|(en, fr)| row::pick(french, en, fr)))?;
        Ok(Self { out, french })
    }

    /// Adds an entry.
    pub fn add(
        &mut self,
        index: u64,
        body: &[u8],
        record: Option<&Record>,
    ) -> Result<(), Box<dyn Error>> {
        let cells = cells(index, body, record, self.french);
        Ok(self.out.write_record(cells.iter().map(|text| cell(text)))?)
    }

    /// Hands on what is left.
    pub fn finish(mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.out.flush()?)
    }
}

/// A cell that no spreadsheet takes for a formula: `=`, `+`, `-`, `@`, a tab or a carriage return at its
/// beginning get a `'` before them (also where they are written in full width, which some read alike).
fn cell(text: &str) -> String {
    let formula = text
        .trim_start_matches(' ')
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = plain(text);
    if formula { format!("'{text}") } else { text }
}

fn cells(index: u64, body: &[u8], record: Option<&Record>, french: bool) -> Vec<String> {
    let mut cells = vec![index.to_string(), state(body, record, french).to_owned()];
    if let Some(record) = record {
        let entry = &record.entry;
        let number = |n: u64| n.to_string();
        let more = |name: &str| match entry.more.get(name) {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        };
        let agent = entry.agent.clone().unwrap_or_default();
        let [name, service, capacity] = match entry.destinataire.clone() {
            None => Default::default(),
            Some(privacy_register::Recipient::Nobody(_)) => {
                ["aucun".into(), String::new(), String::new()]
            }
            Some(privacy_register::Recipient::Somebody {
                name,
                service,
                capacity,
            }) => [name, service, capacity],
        };
        let phase = entry
            .phase
            .and_then(|phase| serde_json::to_value(phase).ok());
        let output = entry.output.clone().unwrap_or_default();
        let masked = entry.anonymisation.as_ref();
        let count = |of: fn(&privacy_register::Anonymisation) -> u64| {
            masked.map(of).map(number).unwrap_or_default()
        };
        let word = |of: fn(&privacy_register::Anonymisation) -> &String| {
            masked.map(of).cloned().unwrap_or_default()
        };
        let hashed = !output.sha256.is_empty();
        cells.extend([
            record.timestamp.to_string(),
            paris(record),
            entry.operation.nick().to_owned(),
            phase
                .as_ref()
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            entry.prior_entry_seq.map(number).unwrap_or_default(),
            if entry.interrupted {
                row::pick(french, "yes", "oui").to_owned()
            } else {
                String::new()
            },
            entry.session.clone(),
            entry.purpose_id.clone(),
            row::purpose(entry, french),
            entry.motif.clone(),
            agent.id,
            agent.capacity,
            agent.habilitation_ref,
            name,
            service,
            capacity,
            entry.cameras.join("; "),
            more("footage_from"),
            more("footage_to"),
            more("mode"),
            filter::requisition(entry).unwrap_or_default().to_owned(),
            row::legal_basis(entry, french),
            entry.mandate_id.clone(),
            entry.mandate_digest.clone(),
            entry.rules_version.clone(),
            output.sink_class,
            output.media_id,
            output.media_type,
            output.sha256,
            if hashed {
                number(output.bytes)
            } else {
                String::new()
            },
            word(|m| &m.required),
            word(|m| &m.applied),
            count(|m| m.frames_in),
            count(|m| m.frames_total),
            count(|m| m.frames_whole_masked),
            count(|m| m.mask_failures),
            count(|m| m.frames_outside),
            count(|m| m.frames_late),
            word(|m| &m.proof_root),
            entry
                .refusal
                .as_ref()
                .map(|r| r.code.clone())
                .unwrap_or_default(),
            row::particulars(entry, french),
            entry.host_id.clone(),
        ]);
    }
    cells.resize(COLUMNS.len() - 1, String::new());
    cells.push(leaf_hash(body).unwrap_or_default());
    cells
}

/// With its offset, since the hour from two to three comes twice in October.
fn paris(record: &Record) -> String {
    let local = record.timestamp.to_zoned(privacy_policy::time::paris());
    local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn state(body: &[u8], record: Option<&Record>, french: bool) -> &'static str {
    match (record, body.is_empty()) {
        (Some(_), _) => row::pick(french, "present", "présente"),
        (None, true) => row::pick(french, "erased", "effacée"),
        (None, false) => row::pick(french, "unreadable", "illisible"),
    }
}

/// The RFC 6962 leaf hash of an entry, in hex; `None` once its bytes are erased.
fn leaf_hash(body: &[u8]) -> Option<String> {
    let hash = Sha256::new()
        .chain_update([0])
        .chain_update(body)
        .finalize();
    (!body.is_empty()).then(|| hex::encode(hash))
}

/// Writes the records of an array of JSON.
pub struct Json<W: Write> {
    out: W,
    empty: bool,
}

impl<W: Write> Json<W> {
    /// Begins the array.
    pub fn new(mut out: W) -> Result<Self, Box<dyn Error>> {
        out.write_all(b"[")?;
        Ok(Self { out, empty: true })
    }

    /// Adds an entry.
    pub fn add(
        &mut self,
        index: u64,
        body: &[u8],
        record: Option<&Record>,
    ) -> Result<(), Box<dyn Error>> {
        let state = state(body, record, false);
        let hash = leaf_hash(body).map_or("null".to_owned(), |hash| format!("\"{hash}\""));
        // As it stands, also where it has fields that this version does not know.
        let text = match record {
            Some(_) => quiet(&String::from_utf8_lossy(body)),
            None => "null".to_owned(),
        };
        let comma = if self.empty { "" } else { "," };
        self.empty = false;
        write!(
            self.out,
            "{comma}\n{{\"index\":{index},\"leaf_hash\":{hash},\"state\":\"{state}\",\"record\":{text}}}"
        )?;
        Ok(())
    }

    /// Ends the array.
    pub fn finish(mut self) -> Result<(), Box<dyn Error>> {
        self.out.write_all(b"\n]\n")?;
        Ok(self.out.flush()?)
    }
}

/// JSON in which nothing moves a cursor or turns the direction of writing. It says the same: within strings
/// such a character is written as its code, and JSON allows none of them elsewhere, but for line breaks and tabs.
fn quiet(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        let mut buffer = [0; 4];
        let text = c.encode_utf8(&mut buffer);
        if matches!(c, '\n' | '\r' | '\t') {
            out.push(' ');
        } else if plain(text) == *text {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                out += &format!("\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(motif: &str) -> Vec<u8> {
        let body = serde_json::json!({
            "schema": privacy_register::SCHEMA, "seq": 0, "timestamp": "2026-10-25T00:30:00Z", "salt": "0",
            "operation": "extract", "purpose_id": "judicial.requisition_extract", "motif": motif,
            "agent": {"id": "a-0417"}, "legal_refs": {"requisition": "PV 1"},
        });
        serde_json::to_vec(&body).unwrap()
    }

    fn csv(bodies: &[Vec<u8>]) -> String {
        let mut bytes = Vec::new();
        let mut out = Csv::new(&mut bytes, false).unwrap();
        for (index, body) in (0..).zip(bodies) {
            out.add(index, body, Record::from_bytes(body).ok().as_ref())
                .unwrap();
        }
        out.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_cell_is_a_formula() {
        for bad in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1",
        ] {
            assert!(cell(bad).starts_with('\''), "{bad:?}");
        }
        for good in ["a=1", "1-1", "", "réquisition", "'=1"] {
            assert_eq!(cell(good), good);
        }
        let text = csv(&[body("=HYPERLINK(\"http://x\",\"y\")")]);
        assert!(
            text.contains(r#","'=HYPERLINK(""http://x"",""y"")","#),
            "{text}"
        );
    }

    #[test]
    fn every_row_reads_back_with_all_its_columns() {
        let nasty = "a,\"b\"\r\nc;\u{202e}d\u{1b}[2J";
        let text = csv(&[
            body(nasty),
            Vec::new(),
            b"{".to_vec(),
            body(&"é".repeat(30_000)),
        ]);
        assert!(text.contains("\r\n") && !text.contains('\u{1b}') && !text.contains('\u{202e}'));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headings = reader.headers().unwrap().clone();
        let at = |name: &str| headings.iter().position(|heading| heading == name).unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(
            &rows[0][at("reason")],
            "a,\"b\"\u{fffd}\u{fffd}c;\u{fffd}d\u{fffd}[2J"
        );
        assert_eq!(&rows[0][at("time_paris")], "2026-10-25T02:30:00+02:00");
        assert_eq!(&rows[0][at("requisition")], "PV 1");
        assert_eq!(&rows[0][at("legal_basis")], "requisition PV 1");
        assert_eq!(&rows[0][at("bytes")], "");
        assert_eq!(rows[0][at("leaf_hash")].len(), 64);
        assert_eq!(
            (&rows[1][at("state")], &rows[1][at("leaf_hash")]),
            ("erased", "")
        );
        assert_eq!(&rows[2][at("state")], "unreadable");
        assert_eq!(rows[3][at("reason")].chars().count(), 30_000);
    }

    #[test]
    fn headings_are_unique_in_both_languages() {
        for of in [
            |c: &(&'static str, &'static str)| c.0,
            |c: &(&'static str, &'static str)| c.1,
        ] {
            let mut names: Vec<&str> = COLUMNS.iter().map(of).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), COLUMNS.len());
        }
    }

    #[test]
    fn json_holds_the_records_as_they_stand() {
        let bodies = [
            body("b\u{202e}\u{9b}\u{7f}\"\\\u{1b}"),
            Vec::new(),
            b"{\"a\"".to_vec(),
        ];
        let mut bytes = Vec::new();
        let mut out = Json::new(&mut bytes).unwrap();
        for (index, body) in (0..).zip(&bodies) {
            out.add(index, body, Record::from_bytes(body).ok().as_ref())
                .unwrap();
        }
        out.finish().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(plain(&text.replace('\n', " ")), text.replace('\n', " "));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value[0]["record"],
            serde_json::from_slice::<Value>(&bodies[0]).unwrap()
        );
        assert_eq!(
            value[0]["leaf_hash"].as_str(),
            leaf_hash(&bodies[0]).as_deref()
        );
        // SHA-256 of 0x00 0x61, computed elsewhere.
        assert_eq!(
            leaf_hash(b"a").as_deref(),
            Some("022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c")
        );
        assert_eq!(
            value[1],
            serde_json::json!({"index":1,"leaf_hash":null,"state":"erased","record":null})
        );
        assert_eq!(value[2]["state"], "unreadable");
        let mut none = Vec::new();
        Json::new(&mut none).unwrap().finish().unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&none).unwrap(),
            serde_json::json!([])
        );
    }
}
