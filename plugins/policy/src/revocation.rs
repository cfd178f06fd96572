// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mandates that were withdrawn, and orders that suspend: a file of a site, read beside the rules.
//!
//! ```toml
//! version = 1
//!
//! [[revoked]]                     # this block of a mandate, and every mandate made by narrowing it
//! id = "5f0c…"                    # a revocation id, as `privacyctl mandate inspect` prints it
//! mandate_id = "2b6b…"            # for readers, and enough by itself where it is the whole mandate
//! date = 2026-11-22T10:00:00+01:00
//! by = "DGS"
//! reason = "The work was called off."
//!
//! [[suspended]]                   # exactly one of purpose, camera, id, or all = true
//! purpose = "vp.live_view.public_road"
//! order = "Arrêté préfectoral 38-2026-0412 du 20 novembre 2026"
//! from = 2026-11-20               # optional; at once when absent
//! until = 2026-12-20              # optional, that day included; until the entry is taken out when absent
//! by = "DGS"
//! reason = "Suspension of the authorisation."
//! ```
//!
//! The prefect may suspend or withdraw an authorisation (CSI L.252-6, L.253-4), the CNIL may order a
//! processing to stop (RGPD 58(2)(f)), and a controller may take a mandate back at any time. A mandate
//! itself cannot be changed once it is signed, so this list is where that is said.

use std::{collections::BTreeMap, ops::Range};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    mandate::Mandate,
    refusal::{Refusal, local, refuse},
    time,
};

/// Version of the file's form.
const VERSION: u32 = 1;

/// What was withdrawn or suspended. The default is an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revocations {
    by_id: BTreeMap<String, Revoked>,
    by_mandate: BTreeMap<String, Revoked>,
    suspended: Vec<Suspension>,
}

/// One withdrawal. It counts from the moment it stands in the list, whatever its date says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Revocation id of a block, in hex. At least one of `id` and `mandate_id` is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The mandate's own identifier: withdraws every token that was ever signed under it. Left out when only
    /// a narrowed copy is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate_id: Option<String>,
    /// When it was withdrawn.
    #[serde(deserialize_with = "time::from")]
    pub date: Timestamp,
    /// Who withdrew it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// One order that suspends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Suspension {
    /// Only this purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Only this camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Only mandates with this block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Reference of the order.
    pub order: String,
    /// First instant; at once when absent.
    #[serde(
        default,
        deserialize_with = "time::opt_from",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<Timestamp>,
    /// First instant after it; without end when absent.
    #[serde(
        default,
        deserialize_with = "time::opt_until",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<Timestamp>,
    /// Who entered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Why a revocation file could not be used. Such a file refuses everything: nobody can tell what it withdrew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RevocationError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    #[serde(default)]
    revoked: Vec<Spanned<Revoked>>,
    #[serde(default)]
    suspended: Vec<Spanned<Suspension>>,
}

impl Revocations {
    /// A list without any entry.
    pub fn none() -> &'static Self {
        static NONE: Revocations = Revocations {
            by_id: BTreeMap::new(),
            by_mandate: BTreeMap::new(),
            suspended: Vec::new(),
        };
        &NONE
    }

    /// Reads and checks a revocation file.
    pub fn parse(text: &str) -> Result<Self, RevocationError> {
        let fault = |span: Range<usize>, message: String| fault(text, span, message);
        let file: File = toml::from_str(text)
            .map_err(|e| fault(e.span().unwrap_or(0..0), e.message().trim().to_owned()))?;
        if *file.version.get_ref() != VERSION {
            return Err(fault(
                file.version.span(),
                format!("version is {VERSION} and no other"),
            ));
        }
        let mut list = Self::default();
        for entry in file.revoked {
            let span = entry.span();
            let mut entry = entry.into_inner();
            entry.check().map_err(|m| fault(span.clone(), m))?;
            entry.id.make_ascii_lowercase();
            if let Some(id) = &entry.mandate_id {
                list.by_mandate.insert(id.clone(), entry.clone());
            }
            if !entry.id.is_empty() {
                list.by_id.insert(entry.id.clone(), entry);
            }
        }
        for entry in file.suspended {
            let span = entry.span();
            let mut entry = entry.into_inner();
            entry.check().map_err(|m| fault(span.clone(), m))?;
            if let Some(id) = &mut entry.id {
                id.make_ascii_lowercase();
            }
            list.suspended.push(entry);
        }
        Ok(list)
    }

    /// The text of an empty file.
    pub fn empty_file() -> String {
        format!(
            "# Withdrawn mandates and suspending orders / Mandats révoqués et ordres de suspension\nversion = {VERSION}\n"
        )
    }

    /// Whether nothing was withdrawn or suspended.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.by_mandate.is_empty() && self.suspended.is_empty()
    }

    /// The entry that withdraws a mandate with these blocks, if any: one revoked block is enough, and the
    /// first block is part of every mandate made by narrowing it.
    pub fn of(&self, revocation_ids: &[String], mandate_id: &str) -> Option<&Revoked> {
        revocation_ids
            .iter()
            .find_map(|id| self.by_id.get(id))
            .or_else(|| self.by_mandate.get(mandate_id))
    }

    /// The order that suspends this at `now`, if any.
    pub fn suspension(
        &self,
        revocation_ids: &[String],
        purpose: &str,
        camera: &str,
        now: Timestamp,
    ) -> Option<&Suspension> {
        self.suspended.iter().find(|s| {
            let named = s.all
                || s.purpose.as_deref() == Some(purpose)
                || s.camera.as_deref() == Some(camera)
                || s.id
                    .as_ref()
                    .is_some_and(|id| revocation_ids.iter().any(|own| own == id));
            named
                && s.from.is_none_or(|from| from <= now)
                && s.until.is_none_or(|until| now < until)
        })
    }

    /// Whether the mandate may still be used for this purpose and this camera at `now`.
    pub fn check(
        &self,
        mandate: &Mandate,
        purpose: &str,
        camera: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_ids(
            &mandate.revocation_ids,
            &mandate.form.mandate_id,
            purpose,
            camera,
            now,
        )
    }

    /// As [`Self::check`], for a mandate known by its identifiers.
    pub(crate) fn check_ids(
        &self,
        revocation_ids: &[String],
        mandate_id: &str,
        purpose: &str,
        camera: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(revoked) = self.of(revocation_ids, mandate_id) {
            return Err(revoked.refusal());
        }
        self.suspension(revocation_ids, purpose, camera, now)
            .map_or(Ok(()), |s| Err(s.refusal()))
    }
}

impl Revoked {
    /// The entry as it is written at the end of a file.
    pub fn to_toml(&self) -> String {
        written("revoked", self)
    }

    fn check(&self) -> Result<(), String> {
        let named = self
            .mandate_id
            .as_ref()
            .is_some_and(|id| !id.trim().is_empty());
        if self.id.is_empty() && !named {
            return Err("revoked: it needs an id or a mandate_id".into());
        }
        if !self.id.is_empty() {
            block_id(&self.id)?;
        }
        texts("revoked", &[("by", &self.by), ("reason", &self.reason)])
    }

    fn refusal(&self) -> Refusal {
        refuse(
            "REVOKED_MANDATE",
            (
                format!(
                    "This mandate was revoked on {} (Paris time) by {}: {}.",
                    local(self.date),
                    self.by,
                    self.reason.trim_end_matches('.')
                ),
                format!(
                    "Ce mandat a été révoqué le {} (heure de Paris) par {} : {}.",
                    local(self.date),
                    self.by,
                    self.reason.trim_end_matches('.')
                ),
            ),
            (
                "Nothing reopens a revoked mandate: have a new one signed if it is lawful to go on.",
                "Rien ne rouvre un mandat révoqué : faites-en signer un nouveau s'il est licite de poursuivre.",
            ),
            "CSI R.253-3 ; RGPD art. 24",
        )
    }
}

impl Suspension {
    /// The entry as it is written at the end of a file.
    pub fn to_toml(&self) -> String {
        written("suspended", self)
    }

    fn check(&self) -> Result<(), String> {
        let scopes = [
            self.purpose.as_ref(),
            self.camera.as_ref(),
            self.id.as_ref(),
        ];
        let named = scopes.iter().flatten().count();
        if named + usize::from(self.all) != 1 {
            return Err("suspended: exactly one of purpose, camera, id and all = true".into());
        }
        if scopes.iter().flatten().any(|text| text.trim().is_empty()) {
            return Err(
                "suspended: an empty name suspends nothing; write all = true to suspend all".into(),
            );
        }
        if let Some(id) = &self.id {
            block_id(id)?;
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err("suspended: until lies after from".into());
        }
        texts(
            "suspended",
            &[
                ("order", &self.order),
                ("by", &self.by),
                ("reason", &self.reason),
            ],
        )
    }

    fn refusal(&self) -> Refusal {
        let (en, fr) = match (&self.purpose, &self.camera) {
            (Some(purpose), _) => (
                format!("The purpose {purpose} is"),
                format!("La finalité {purpose} est"),
            ),
            (_, Some(camera)) => (
                format!("Camera {camera} is"),
                format!("La caméra {camera} est"),
            ),
            _ if self.all => ("Everything is".to_owned(), "Tout est".to_owned()),
            _ => ("This mandate is".to_owned(), "Ce mandat est".to_owned()),
        };
        let suspended_fr = match (&self.purpose, &self.camera) {
            (None, None) => "suspendu",
            _ => "suspendue",
        };
        let (until_en, until_fr) = self.until.map_or_else(Default::default, |until| {
            (
                format!(" until {} (Paris time)", local(until)),
                format!(" jusqu'au {} (heure de Paris)", local(until)),
            )
        });
        refuse(
            "SUSPENDED_MANDATE",
            (
                format!(
                    "{en} suspended{until_en} by {}: {}.",
                    self.order,
                    self.reason.trim_end_matches('.')
                ),
                format!(
                    "{fr} {suspended_fr}{until_fr} par {} : {}.",
                    self.order,
                    self.reason.trim_end_matches('.')
                ),
            ),
            (
                "Wait for the end of the suspension, or for the order that lifts it.",
                "Attendez la fin de la suspension, ou l'acte qui la lève.",
            ),
            "RGPD art. 58(2) ; CSI L.253-4",
        )
    }
}

fn written(table: &str, entry: &impl Serialize) -> String {
    // A struct of texts and times has a form in TOML, so this cannot fail.
    let text = toml::to_string(entry).expect("texts and times only");
    format!("\n[[{table}]]\n{text}")
}

/// The hex digits of a signature: 64 bytes for Ed25519.
fn block_id(id: &str) -> Result<(), String> {
    if id.len() == 128 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(format!(
        "\"{id}\" is not a revocation id: 128 hex digits, as privacyctl mandate inspect prints them"
    ))
}

fn texts(table: &str, texts: &[(&str, &String)]) -> Result<(), String> {
    for (name, text) in texts {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err(format!("{table}.{name}: one line of text"));
        }
    }
    Ok(())
}

fn fault(text: &str, span: Range<usize>, message: String) -> RevocationError {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    RevocationError {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ids(letters: &str) -> Vec<String> {
        letters.chars().map(|c| c.to_string().repeat(128)).collect()
    }

    fn file(entries: &str) -> String {
        format!("version = 1\n{entries}")
    }

    fn revoked(id: &str) -> String {
        format!(
            "[[revoked]]\nid = \"{id}\"\ndate = 2026-11-22\nby = \"DGS\"\nreason = \"called off\"\n"
        )
    }

    #[test]
    fn one_revoked_block_is_enough() {
        let list = Revocations::parse(&file(&revoked(&"A".repeat(128)))).unwrap();
        let check = |own: &str| {
            list.check_ids(&ids(own), "m", "p", "c", at("2026-11-22T12:00:00Z"))
                .map_err(|r| r.code.clone())
        };
        assert_eq!(check("a"), Err("REVOKED_MANDATE".into()));
        assert_eq!(check("ab"), Err("REVOKED_MANDATE".into()), "a child of it");
        assert_eq!(check("ba"), Err("REVOKED_MANDATE".into()));
        assert_eq!(check("bc"), Ok(()));
        // It counts before its date as well.
        assert!(
            list.check_ids(&ids("a"), "m", "p", "c", at("2020-01-01T00:00:00Z"))
                .is_err()
        );
    }

    #[test]
    fn a_mandate_can_be_withdrawn_by_its_own_identifier() {
        let text = "[[revoked]]\nmandate_id = \"m\"\ndate = 2026-11-22\nby = \"DGS\"\nreason = \"called off\"\n";
        let list = Revocations::parse(&file(text)).unwrap();
        assert!(list.of(&ids("z"), "m").is_some());
        assert!(list.of(&ids("z"), "n").is_none());
    }

    #[test]
    fn h16_an_order_suspends_a_purpose_a_camera_a_block_or_all() {
        let order = |scope: &str| {
            file(&format!(
                "[[suspended]]\n{scope}\norder = \"Arrêté 12\"\nfrom = 2026-11-20\nuntil = 2026-11-25\nby = \"DGS\"\nreason = \"r\"\n"
            ))
        };
        for (scope, purpose, camera, own, expected) in [
            ("purpose = \"p\"", "p", "c", "a", true),
            ("purpose = \"p\"", "q", "c", "a", false),
            ("camera = \"c\"", "q", "c", "a", true),
            ("camera = \"c\"", "q", "d", "a", false),
            ("all = true", "q", "d", "a", true),
            (
                &format!("id = \"{}\"", "a".repeat(128)),
                "q",
                "d",
                "ba",
                true,
            ),
            (
                &format!("id = \"{}\"", "a".repeat(128)),
                "q",
                "d",
                "b",
                false,
            ),
        ] {
            let list = Revocations::parse(&order(scope)).unwrap();
            for (now, in_time) in [
                ("2026-11-19T22:59:59Z", false),
                ("2026-11-19T23:00:00Z", true),
                ("2026-11-25T22:59:59Z", true),
                ("2026-11-25T23:00:00Z", false),
            ] {
                let outcome = list.check_ids(&ids(own), "m", purpose, camera, at(now));
                assert_eq!(outcome.is_err(), expected && in_time, "{scope} {now}");
                if let Err(refusal) = outcome {
                    assert_eq!(refusal.code, "SUSPENDED_MANDATE");
                    assert!(refusal.message_fr.contains("Arrêté 12"), "{refusal}");
                }
            }
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let good = revoked(&"a".repeat(128));
        for (text, line, says) in [
            ("".to_owned(), 1, "version"),
            ("version = 2\n".to_owned(), 1, "version is 1"),
            (file("more = 1\n"), 2, "unknown field"),
            (file(&good.replace("by =", "who =")), 5, "unknown field"),
            (
                file(&good.replace("by = \"DGS\"", "by = \"\"")),
                2,
                "revoked.by",
            ),
            (
                file(&good.replace("called off", "a\\nb")),
                2,
                "revoked.reason",
            ),
            (file(&good.replace("aaaa", "zz")), 2, "revocation id"),
            (
                file("[[revoked]]\ndate = 2026-11-22\nby = \"a\"\nreason = \"b\"\n"),
                2,
                "mandate_id",
            ),
            (
                file("[[suspended]]\norder = \"o\"\nby = \"a\"\nreason = \"b\"\n"),
                2,
                "exactly one",
            ),
            (
                file(
                    "[[suspended]]\nall = true\ncamera = \"c\"\norder = \"o\"\nby = \"a\"\nreason = \"b\"\n",
                ),
                2,
                "exactly one",
            ),
            (
                file("[[suspended]]\ncamera = \" \"\norder = \"o\"\nby = \"a\"\nreason = \"b\"\n"),
                2,
                "empty name",
            ),
            (
                file(
                    "[[suspended]]\nall = true\nfrom = 2026-11-22\nuntil = 2026-11-20\norder = \"o\"\nby = \"a\"\nreason = \"b\"\n",
                ),
                2,
                "after from",
            ),
        ] {
            let error = Revocations::parse(&text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let revoked = Revoked {
            id: "0f".repeat(64),
            mandate_id: Some("m\"\n[[suspended]]".into()),
            date: at("2026-11-22T12:00:00Z"),
            by: "DGS".into(),
            reason: "l'objet \"a\" a disparu".into(),
        };
        let suspension = Suspension {
            purpose: None,
            camera: Some("cam-12".into()),
            id: None,
            all: false,
            order: "CNIL MED-2026-1".into(),
            from: None,
            until: Some(at("2026-12-22T12:00:00Z")),
            by: "DPO".into(),
            reason: "mise en demeure".into(),
        };
        let text = Revocations::empty_file() + &revoked.to_toml() + &suspension.to_toml();
        let list = Revocations::parse(&text).unwrap();
        assert_eq!(list.by_id.values().next(), Some(&revoked));
        assert_eq!(list.suspended, [suspension]);
        assert!(
            Revocations::parse(&Revocations::empty_file())
                .unwrap()
                .is_empty()
        );
        assert!(Revocations::none().is_empty());
    }
}
