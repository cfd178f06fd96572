// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the codes of refusals mean, in the words of a public report. Only these words are ever printed: what an
//! entry holds is the writer's, and may name a camera or a requisition.

/// Code, English, French.
pub const REASONS: &[(&str, &str, &str)] = &[
    (
        "ABNORMAL_EVENT_DETECTION",
        "detection of “abnormal” events",
        "détection d'évènements « anormaux »",
    ),
    (
        "ACCESS_REFUSED",
        "access refused to the person filmed",
        "accès refusé à la personne filmée",
    ),
    (
        "ALREADY_USED",
        "a mandate for one use that was used already",
        "mandat à usage unique déjà utilisé",
    ),
    (
        "AUDIENCE_PROFILING",
        "profiling of an audience",
        "profilage d'audience",
    ),
    (
        "AUTHORISATION_EXPIRED",
        "the prefect's authorisation has ended",
        "autorisation préfectorale arrivée à son terme",
    ),
    (
        "AUTOMATED_DECISION",
        "automated decision about people",
        "décision automatisée sur des personnes",
    ),
    (
        "BAD_FIELD",
        "the mandate has an unusable field",
        "mandat comportant un champ inutilisable",
    ),
    (
        "BAD_FOOTAGE_START",
        "the time of the recording is unusable",
        "date de l'enregistrement inutilisable",
    ),
    (
        "BAD_MANDATE",
        "the mandate is not readable",
        "mandat illisible",
    ),
    (
        "BAD_RULES",
        "the rules of the site are unusable",
        "règles du site inutilisables",
    ),
    (
        "BAD_SIGNATURE",
        "the mandate was altered, or signed by nobody known",
        "mandat altéré ou signé par un inconnu",
    ),
    (
        "BIOMETRICS",
        "facial recognition or biometrics",
        "reconnaissance faciale ou biométrie",
    ),
    (
        "CALENDAR_MISSING",
        "no election calendar covers the day",
        "aucun calendrier électoral ne couvre la date",
    ),
    (
        "CAMERA_WILDCARD",
        "a mandate for all cameras at once",
        "mandat visant toutes les caméras",
    ),
    (
        "CLEAR_PUBLICATION",
        "publication of images without masking",
        "publication d'images non masquées",
    ),
    (
        "CLOCK_BACK",
        "the clock of the system went back",
        "recul de l'horloge du système",
    ),
    (
        "COMMUNICATION_EXTRACT",
        "extraction for communication",
        "extraction à des fins de communication",
    ),
    (
        "CROSS_CAMERA_TRACKING",
        "following people from camera to camera",
        "suivi de personnes d'une caméra à l'autre",
    ),
    (
        "DEFERRED_SOURCE",
        "a recording where only live viewing is allowed",
        "enregistrement, là où seul le direct est permis",
    ),
    (
        "DPIA_NOT_COVERING",
        "the impact assessment does not cover this use",
        "analyse d'impact ne couvrant pas cet usage",
    ),
    (
        "DWELLING_VIEW",
        "view into a dwelling",
        "vue sur un domicile",
    ),
    (
        "ELECTION_PERIOD",
        "promotion in an election period",
        "promotion en période électorale",
    ),
    (
        "ELECTORAL_PROMOTION",
        "electoral promotion",
        "promotion électorale",
    ),
    (
        "EXPERIMENT_DISABLED",
        "an experiment that no law opens",
        "expérimentation qu'aucune loi n'ouvre",
    ),
    (
        "EXPIRED_MANDATE",
        "the mandate has ended",
        "mandat arrivé à son terme",
    ),
    (
        "EXPIRED_REGIME",
        "the legal regime has ended",
        "régime juridique arrivé à son terme",
    ),
    (
        "EXTRACTION_NOT_FREE",
        "extraction without a ground that allows it",
        "extraction sans fondement qui la permette",
    ),
    (
        "FOOTAGE_TIME_UNKNOWN",
        "nobody knows when the footage was filmed",
        "date de tournage des images inconnue",
    ),
    (
        "HELD_CLASS",
        "frames without the mask that was due",
        "images sans le masque exigé",
    ),
    (
        "HELD_LEFT_CLEAR",
        "frames in which somebody was left clear",
        "images où quelqu'un restait reconnaissable",
    ),
    (
        "HELD_METHOD",
        "frames masked by a method that can be undone",
        "images masquées par un procédé réversible",
    ),
    (
        "HELD_NOT_MASKED",
        "frames that nobody had masked",
        "images non masquées",
    ),
    (
        "HELD_NOT_SCANNED",
        "frames that no detector had looked at",
        "images non analysées",
    ),
    (
        "HELD_NOT_SOLID",
        "frames not masked by one colour",
        "images sans masque uni",
    ),
    (
        "HELD_NOT_WHOLE",
        "frames not masked as a whole",
        "images non masquées en entier",
    ),
    (
        "HELD_NO_PURPOSE",
        "frames of an undeclared purpose",
        "images sans finalité déclarée",
    ),
    (
        "HELD_NO_VIDEO",
        "images where only counts may leave",
        "images là où seuls des comptages peuvent sortir",
    ),
    (
        "HELD_OVERFLOW",
        "frames with more objects than the detector reports",
        "images dépassant la capacité du détecteur",
    ),
    (
        "HELD_SESSION_ENDED",
        "frames left over from a session that has ended",
        "images restant d'une session terminée",
    ),
    (
        "HELD_STALE_SCAN",
        "frames looked at at another moment",
        "images analysées à un autre instant",
    ),
    (
        "HELD_STAMP_COPIED",
        "frames with the mark of another frame",
        "images portant la marque d'une autre",
    ),
    (
        "HELD_TOO_FINE",
        "frames masked too finely",
        "images dont le masque est trop fin",
    ),
    (
        "JUDICIAL_SEARCH_DISABLED",
        "search with judicial software",
        "recherche par logiciel de rapprochement judiciaire",
    ),
    (
        "LIVE_SOURCE",
        "live images where only recordings are allowed",
        "images en direct, là où seul le différé est permis",
    ),
    (
        "MANDATE_GONE",
        "the mandate was taken away while it was in use",
        "mandat retiré pendant l'usage",
    ),
    (
        "MANDATE_NOT_YET_VALID",
        "the mandate has not begun",
        "mandat pas encore en vigueur",
    ),
    (
        "MANDATE_REPLACED",
        "the mandate was replaced by one that does not allow it",
        "mandat remplacé par un autre qui ne le permet pas",
    ),
    (
        "MANDATE_TOO_LONG",
        "the mandate runs for longer than allowed",
        "mandat d'une durée excessive",
    ),
    (
        "MASK_TOO_WEAK",
        "the masking asked for is too weak",
        "masquage demandé insuffisant",
    ),
    (
        "MISSING_FIELD",
        "the mandate is incomplete",
        "mandat incomplet",
    ),
    (
        "MISUSE_OF_PURPOSE",
        "images recorded for something else",
        "images recueillies pour une autre finalité",
    ),
    (
        "MODEL_NOT_APPROVED",
        "a detection model that nobody approved",
        "modèle de détection non approuvé",
    ),
    (
        "MODEL_TRAINING",
        "training of a model on the images",
        "entraînement d'un modèle sur les images",
    ),
    (
        "MUNICIPAL_INITIATIVE",
        "search on the municipality's own initiative",
        "recherche à l'initiative de la commune",
    ),
    (
        "NARROWED_MANDATE",
        "outside what the mandate was narrowed to",
        "hors des limites ajoutées au mandat",
    ),
    (
        "NOTICE_INCOMPLETE",
        "the public notice does not say all it must",
        "information du public incomplète",
    ),
    (
        "NOTICE_NOT_COVERING",
        "the public was not informed of this use",
        "public non informé de cet usage",
    ),
    (
        "NOT_HABILITATED",
        "the agent is not authorised",
        "agent non habilité",
    ),
    (
        "NOT_TRAINED",
        "the agent lacks a training",
        "agent non formé",
    ),
    (
        "NO_MANDATE",
        "no mandate, or one that is not signed by the authority",
        "absence de mandat signé par l'autorité",
    ),
    (
        "NO_REGISTER",
        "no register to write into",
        "absence de registre",
    ),
    (
        "NO_TRUSTED_KEY",
        "no key to verify mandates with",
        "absence de clé de vérification des mandats",
    ),
    (
        "OFFENCE_DETECTION",
        "automatic detection of offences",
        "détection automatique d'infractions",
    ),
    (
        "OUTSIDE_REQUISITION",
        "outside what the requisition names",
        "hors du champ de la réquisition",
    ),
    (
        "OUTSIDE_REQUISITION_TIME",
        "footage outside the time that was asked for",
        "images hors de la période requise",
    ),
    (
        "OUTSIDE_SCHEDULE",
        "outside the days and hours of the mandate",
        "hors des jours et heures du mandat",
    ),
    (
        "OUT_OF_SCOPE",
        "outside what the system is for",
        "hors du champ du système",
    ),
    (
        "OVER_RETENTION",
        "images kept for too long",
        "conservation excessive des images",
    ),
    (
        "PROOF_FILE",
        "the proof of what left could not be written",
        "preuve des sorties impossible à écrire",
    ),
    (
        "PROPERTY_LOCKED",
        "a setting was changed while in use",
        "réglage modifié pendant l'usage",
    ),
    (
        "PURPOSE_NOT_AVAILABLE",
        "a purpose that the system keeps closed",
        "finalité que le système garde fermée",
    ),
    (
        "REALTIME_ANALYSIS",
        "real-time analysis for operational ends",
        "analyse en temps réel à des fins opérationnelles",
    ),
    (
        "REALTIME_PLATE_READING",
        "real-time reading of number plates",
        "lecture de plaques en temps réel",
    ),
    (
        "RECIPIENT_NOT_CHOSEN",
        "several recipients in the mandate and none chosen",
        "plusieurs destinataires au mandat et aucun choisi",
    ),
    (
        "RECORDING_TOO_FRESH",
        "footage too recent to be a recording",
        "images trop récentes pour être un enregistrement",
    ),
    (
        "REENCODED",
        "evidence that was decoded or encoded again",
        "pièce décodée ou réencodée",
    ),
    (
        "REFUSED_PURPOSE",
        "a purpose that is always refused",
        "finalité toujours refusée",
    ),
    (
        "REGIME_NOT_YET",
        "the legal regime has not begun",
        "régime juridique pas encore en vigueur",
    ),
    (
        "REGISTER_FAILED",
        "the register could not be written",
        "registre impossible à tenir",
    ),
    (
        "REQUISITION_SEARCH_DISABLED",
        "automated search on requisition",
        "recherche automatisée sur réquisition",
    ),
    (
        "RESOLUTION",
        "images larger than statistics need",
        "images plus grandes que nécessaire aux statistiques",
    ),
    (
        "REVOCATION_UNREADABLE",
        "the list of withdrawn mandates cannot be read",
        "liste des mandats retirés illisible",
    ),
    (
        "REVOKED_MANDATE",
        "the mandate was withdrawn",
        "mandat révoqué",
    ),
    (
        "RULES_PAST_REVIEW",
        "the rules were past their date of review",
        "règles à relire, date dépassée",
    ),
    (
        "SAME_PERSON_TWICE",
        "the same person signed twice",
        "double signature de la même personne",
    ),
    (
        "SECOND_PERSON_MISSING",
        "a second person did not countersign",
        "absence de seconde signature",
    ),
    (
        "SENSITIVE_SELECTION",
        "selection of people on sensitive data",
        "sélection de personnes sur données sensibles",
    ),
    (
        "SESSION_CLOSED",
        "the session was closed at its source",
        "session close à la source",
    ),
    (
        "SINK_CLASS",
        "a destination that the purpose does not allow",
        "destination que la finalité ne permet pas",
    ),
    ("SOUND", "sound", "son"),
    (
        "STATS_OBJECTION_UNDOCUMENTED",
        "statistics without a documented right to object",
        "statistiques sans droit d'opposition documenté",
    ),
    (
        "STATS_WINDOW",
        "statistics over too short a time",
        "statistiques sur une durée trop courte",
    ),
    (
        "STREAM_CHANGED",
        "another stream under the same decision",
        "changement de flux sous la même décision",
    ),
    (
        "SUSPENDED_MANDATE",
        "the use was suspended by order",
        "usage suspendu par injonction",
    ),
    (
        "THIRD_PARTY_VIEWING",
        "viewing by others than those authorised",
        "visionnage par des tiers",
    ),
    (
        "TWO_PURPOSES",
        "two purposes at once",
        "deux finalités à la fois",
    ),
    (
        "UNGATED_JOIN",
        "images or sound that joined past the control",
        "images ou son joints hors contrôle",
    ),
    (
        "UNGUARDED_PATH",
        "a way around the exit control",
        "contournement du contrôle de sortie",
    ),
    (
        "UNKNOWN_MEDIA",
        "a format in which sound could pass unseen",
        "format où du son pourrait passer",
    ),
    ("UNKNOWN_PURPOSE", "an unknown purpose", "finalité inconnue"),
    (
        "UNKNOWN_SESSION",
        "images of a session that nobody opened",
        "images d'une session que personne n'a ouverte",
    ),
    (
        "UNKNOWN_SOURCE",
        "a source of which nobody knows whether it is live",
        "source dont on ignore si elle est en direct",
    ),
    (
        "UNSECURED_TRANSPORT",
        "clear images on a network that is not encrypted",
        "images en clair sur un réseau non chiffré",
    ),
    (
        "WRONG_CAMERA",
        "a camera that the mandate does not name",
        "caméra non visée par le mandat",
    ),
    (
        "WRONG_CAPACITY",
        "a capacity that the purpose does not allow",
        "qualité de l'agent non admise",
    ),
    (
        "WRONG_PROCEDURE",
        "a procedure that the law does not name",
        "procédure que la loi ne prévoit pas",
    ),
    (
        "WRONG_PURPOSE",
        "another purpose than the mandate's",
        "finalité autre que celle du mandat",
    ),
    (
        "WRONG_RECIPIENT",
        "a recipient that the mandate does not name",
        "destinataire non prévu par le mandat",
    ),
    (
        "WRONG_TERRITORY",
        "a camera outside the agent's territory",
        "caméra hors du territoire de l'agent",
    ),
];

/// Place of a code in [`REASONS`].
pub fn place(code: &str) -> Option<usize> {
    REASONS.iter().position(|(known, ..)| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_rules_has_words() {
        let rules = privacy_policy::Rules::builtin();
        for (id, purpose) in rules.purposes() {
            if let Some(code) = &purpose.code {
                assert!(place(code).is_some(), "{id}: {code}");
            }
        }
        let mut codes: Vec<&str> = REASONS.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), REASONS.len());
    }
}
