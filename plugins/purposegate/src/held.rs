// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a frame is held back, in the words of the register and of its readers.

use privacy_policy::{Refusal, RefusalText};

use crate::{exit::Held, footage::Outside};

/// Why one frame does not leave while others may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing proves the mask that the purpose demands.
    Mask(Held),
    /// The mandate does not ask for what was filmed then.
    Outside(Outside),
}

impl Why {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Outside(Outside::Unknown) => "FOOTAGE_TIME_UNKNOWN",
            Self::Outside(Outside::Time) => "OUTSIDE_REQUISITION_TIME",
            Self::Outside(Outside::Fresh) => "RECORDING_TOO_FRESH",
            Self::Outside(Outside::Stale) => "DEFERRED_SOURCE",
            Self::Outside(Outside::Kept) => "OVER_RETENTION",
            Self::Mask(held) => match held {
                Held::NoPurpose => "HELD_NO_PURPOSE",
                Held::Ended => "HELD_SESSION_ENDED",
                Held::NoVideo(_) => "HELD_NO_VIDEO",
                Held::NotMasked => "HELD_NOT_MASKED",
                Held::Copied => "HELD_STAMP_COPIED",
                Held::NotScanned => "HELD_NOT_SCANNED",
                Held::Overflow => "HELD_OVERFLOW",
                Held::Stale => "HELD_STALE_SCAN",
                Held::Class(_) => "HELD_CLASS",
                Held::Method(_) => "HELD_METHOD",
                Held::NotSolid(_) => "HELD_NOT_SOLID",
                Held::TooFine(_) => "HELD_TOO_FINE",
                Held::LeftClear { .. } => "HELD_LEFT_CLEAR",
                Held::NotWhole => "HELD_NOT_WHOLE",
            },
        }
    }

    /// The reason in English, without a full stop.
    pub fn english(&self) -> String {
        match self {
            Self::Mask(held) => held.to_string(),
            Self::Outside(outside) => outside.to_string(),
        }
    }

    /// The same in French.
    pub fn french(&self) -> String {
        match self {
            Self::Outside(Outside::Unknown) => {
                "rien n'indique quand l'image a été filmée, or le mandat désigne une période ; indiquez footage-start".into()
            }
            Self::Outside(Outside::Time) => {
                "l'image a été filmée en dehors de la période que désigne le mandat".into()
            }
            Self::Outside(Outside::Fresh) => {
                "l'image a été filmée il y a trop peu de temps pour être un enregistrement".into()
            }
            Self::Outside(Outside::Stale) => {
                "l'image a été filmée il y a trop longtemps pour être en direct".into()
            }
            Self::Outside(Outside::Kept) => {
                "l'image a été filmée il y a plus longtemps que les enregistrements ne se conservent".into()
            }
            Self::Mask(held) => french(held),
        }
    }

    /// The refusal that stands for the frames held back for this reason.
    pub fn refusal(&self) -> Refusal {
        RefusalText {
            code: self.code().to_owned(),
            message_en: format!("Frames are held back: {}.", self.english()),
            message_fr: format!("Des images sont retenues : {}.", self.french()),
            remedy_en: String::new(),
            remedy_fr: String::new(),
            legal_ref: match self {
                Self::Mask(Held::NoPurpose | Held::Ended) => "RGPD art. 5(1)(b)",
                Self::Mask(_) => "RGPD art. 25",
                Self::Outside(Outside::Kept) => "CSI L.252-5, R.253-4",
                Self::Outside(Outside::Fresh | Outside::Stale) => "CNIL 5 décembre 2024",
                Self::Outside(_) => "CPP 60-1, 77-1-1, 99-3",
            }
            .to_owned(),
        }
        .into()
    }
}

fn french(held: &Held) -> String {
    match held {
        Held::NoPurpose => {
            "aucune finalité n'a été déclarée en amont ; placez un purposegate stage=entry après la source".into()
        }
        Held::Ended => "le purposegate stage=entry qui a laissé entrer l'image a été arrêté".into(),
        Held::NoVideo(purpose) => format!(
            "la finalité « {purpose} » ne laisse sortir aucune image ; utilisez countaggregator, qui donne des comptages"
        ),
        Held::NotMasked => {
            "l'image ne porte aucune marque de masquage ; placez wgpublur avant cette porte".into()
        }
        Held::Copied => "la marque de masquage a été écrite pour une autre image".into(),
        Held::NotScanned => {
            "l'image ne porte aucune marque d'analyse ; placez onnxdetector avant wgpublur".into()
        }
        Held::Overflow => "le détecteur a vu plus d'objets qu'il n'a pu en signaler".into(),
        Held::Stale => "le détecteur a analysé un autre instant que celui de l'image".into(),
        Held::Class(class) => {
            format!("la classe « {class} » doit être masquée et n'a été ni cherchée ni masquée")
        }
        Held::Method(method) => format!(
            "le masque a été fait par la méthode « {method} », qui ne cache personne à coup sûr ; réglez mode=pixelate, blur, solid ou image sur wgpublur"
        ),
        Held::NotSolid(method) => format!(
            "la finalité exige un masque uni et celui-ci a été fait par la méthode « {method} » ; réglez mode=solid sur wgpublur"
        ),
        Held::TooFine(cells) => format!(
            "le masque laisse {cells} cases en travers d'un objet, ce qui est trop fin ; réduisez cells sur wgpublur"
        ),
        Held::LeftClear {
            clear,
            allowed,
            purpose,
        } => format!(
            "{clear} objet(s) ont été laissés en clair et la finalité « {purpose} » en permet {allowed} ; réglez clear-track=0 et invert=false sur wgpublur"
        ),
        Held::NotWhole => "la finalité exige que toute l'image soit masquée".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_every_reason_has_a_code_of_its_own_both_languages_and_the_law() {
        let all = [
            Why::Outside(Outside::Unknown),
            Why::Outside(Outside::Time),
            Why::Outside(Outside::Fresh),
            Why::Outside(Outside::Stale),
            Why::Outside(Outside::Kept),
            Why::Mask(Held::NoPurpose),
            Why::Mask(Held::Ended),
            Why::Mask(Held::NoVideo("p".into())),
            Why::Mask(Held::NotMasked),
            Why::Mask(Held::Copied),
            Why::Mask(Held::NotScanned),
            Why::Mask(Held::Overflow),
            Why::Mask(Held::Stale),
            Why::Mask(Held::Class("car".into())),
            Why::Mask(Held::Method("m".into())),
            Why::Mask(Held::NotSolid("m".into())),
            Why::Mask(Held::TooFine(9)),
            Why::Mask(Held::LeftClear {
                clear: 2,
                allowed: 1,
                purpose: "p".into(),
            }),
            Why::Mask(Held::NotWhole),
        ];
        let codes: std::collections::BTreeSet<_> = all.iter().map(Why::code).collect();
        assert_eq!(codes.len(), all.len());
        for why in all {
            let refusal = why.refusal();
            assert_ne!(why.english(), why.french(), "{why:?}");
            assert!(refusal.message_en.ends_with('.') && refusal.message_fr.ends_with('.'));
            assert!(!refusal.legal_ref.is_empty());
        }
    }
}
