// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refusals for what shows only once frames come: their codes and texts.

use jiff::Timestamp;
use privacy_policy::{Refusal, RefusalText};

use crate::{joins::Join, media::NotImages, transport::Carrier, watch::Closed};

/// Why a gate that started does not open, or closes for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Late {
    /// The source did not answer the latency query.
    UnknownSource,
    /// The stream is not known to hold images only.
    Media(NotImages),
    /// The mandate names a time and nobody knows when the footage was filmed.
    FootageTime(Timestamp, Timestamp),
    /// Images would reach this element unmasked.
    Unmasked(String),
    /// Images would reach this element although none may leave.
    ImagesOut(String),
    /// Images declared for a display would be written to a file by this element.
    FileSink(String),
    /// Images declared for a display would leave over a network by this element.
    NetworkSink(String),
    /// Clear images would leave over a network that anybody on it can read, by this element.
    PlainSink(Carrier),
    /// Images come over such a network, from this element.
    PlainSource(Carrier),
    /// What has passed no gate joins the images.
    Joined(Join),
    /// The images are larger than the rules allow: their size, where it is known, and the largest.
    TooLarge(Option<(i32, i32)>, (u32, u32)),
    /// The register said why it cannot write.
    RegisterFailed(String),
    /// The mandate may be used once, and this entry is its use.
    AlreadyUsed(u64),
    /// The register has not looked whether the mandate was used.
    UseUnchecked,
    /// No register answered.
    NoRegister,
    /// A gate upstream has declared a purpose already.
    TwoPurposes,
    /// A purpose came to an exit gate that no entry gate of this process has announced for it.
    UnknownSession,
    /// The mandate was taken away while it was in use.
    MandateGone,
    /// Another mandate took its place that does not demand as much; what it does not.
    MandateReplaced(&'static str),
    /// Another stream, or another part of it, came under the decision for the first one.
    StreamChanged,
    /// Somebody tried to change this property while the gate runs.
    PropertyLocked(String),
    /// What was decided holds no more.
    Closed(Closed),
}

impl From<Late> for Refusal {
    fn from(late: Late) -> Self {
        Self::from(&late)
    }
}

impl From<&Late> for Refusal {
    fn from(late: &Late) -> Self {
        const REGISTER: &str = "CSI R.253-2, R.253-5";
        const IMAGES_ONLY: &str = "CSI R.253-1";
        const SECURITY: &str = "RGPD art. 32 ; CSI R.253-2";
        let (code, en, fr, remedy_en, remedy_fr, legal_ref): (&str, String, String, &str, &str, &str) = match late {
            Late::UnknownSource => (
                "UNKNOWN_SOURCE",
                "The source does not say whether it is live (latency query), so the purpose cannot be checked.".into(),
                "La source n'indique pas si elle est en direct (requête de latence) : la finalité ne peut être vérifiée.".into(),
                "Use a source element that answers this query.",
                "Utilisez un élément source qui répond à cette requête.",
                REGISTER,
            ),
            Late::Media(NotImages::Sound) => (
                "SOUND",
                "Sound may not be recorded or transmitted with these images.".into(),
                "Le son ne peut être capté avec ces images.".into(),
                "Leave the audio pad unlinked.",
                "Ne reliez pas le pad audio.",
                IMAGES_ONLY,
            ),
            Late::Media(NotImages::Container) => (
                "SOUND",
                "Inside a container nobody can tell images from sound.".into(),
                "Dans un conteneur, les images ne se distinguent pas du son.".into(),
                "Put the gate behind the demuxer.",
                "Placez la porte après le démultiplexeur.",
                IMAGES_ONLY,
            ),
            Late::Media(NotImages::Unknown(media)) => (
                "UNKNOWN_MEDIA",
                format!("Nobody knows whether the stream (\"{media}\") holds images only."),
                format!("Rien n'indique que le flux (« {media} ») ne contient que des images."),
                "Put the gate behind the demuxer or the decoder, where the stream has caps of images.",
                "Placez la porte après le démultiplexeur ou le décodeur, là où le flux a des caps d'images.",
                IMAGES_ONLY,
            ),
            Late::FootageTime(from, to) => (
                "FOOTAGE_TIME_UNKNOWN",
                format!("The mandate asks for what was filmed from {} to {} (Paris time), and nothing says when this footage was filmed.", paris(*from), paris(*to)),
                format!("Le mandat porte sur les images du {} au {} (heure de Paris), or rien n'indique quand celles-ci ont été filmées.", paris(*from), paris(*to)),
                "Set footage-start to the date and time at which the recording begins, such as 2026-11-20T18:00:00+01:00.",
                "Indiquez dans footage-start la date et l'heure du début de l'enregistrement, par exemple 2026-11-20T18:00:00+01:00.",
                "CPP 60-1, 77-1-1, 99-3",
            ),
            Late::Unmasked(sink) => (
                "UNGUARDED_PATH",
                format!("Images would reach \"{sink}\" without passing a purposegate with stage=exit, and this purpose demands masked images."),
                format!("Des images atteindraient « {sink} » sans passer par un purposegate stage=exit, or cette finalité exige des images masquées."),
                "Put wgpublur and purposegate stage=exit on every branch.",
                "Placez wgpublur et purposegate stage=exit sur chaque branche.",
                "RGPD art. 25",
            ),
            Late::ImagesOut(sink) => (
                "UNGUARDED_PATH",
                format!("Images would reach \"{sink}\" without passing countaggregator, and statistics let no image out."),
                format!("Des images atteindraient « {sink} » sans passer par countaggregator, or les statistiques ne laissent sortir aucune image."),
                "Put countaggregator on every branch.",
                "Placez countaggregator sur chaque branche.",
                "RGPD art. 25",
            ),
            Late::FileSink(sink) => (
                "EXTRACTION_NOT_FREE",
                format!("Images declared for a display would be written to a file by \"{sink}\"; an extraction is never free."),
                format!("Des images déclarées pour un affichage seraient écrites dans un fichier par « {sink} » ; l'extraction n'est jamais libre."),
                "Take it out, or use a purpose and a sink-class that allow a file.",
                "Retirez-le, ou utilisez une finalité et un sink-class qui permettent un fichier.",
                "CSI R.253-4 ; CSI R.253-5",
            ),
            Late::NetworkSink(sink) => (
                "EXTRACTION_NOT_FREE",
                format!("Images declared for a display would leave over a network by the element {sink}."),
                format!("Des images déclarées pour un affichage partiraient sur un réseau par l'élément {sink}."),
                "Take it away, or use a purpose and a sink-class that allow it.",
                "Retirez-le, ou utilisez une finalité et un sink-class qui le permettent.",
                "CSI R.253-4 ; CSI R.253-5",
            ),
            Late::PlainSink(Carrier { element, scheme }) => (
                "UNSECURED_TRANSPORT",
                format!("Clear images would leave unencrypted by the element {element} ({scheme})."),
                format!("Des images en clair partiraient sans chiffrement par l'élément {element} ({scheme})."),
                "Use srt with a passphrase in its URI, or https.",
                "Utilisez srt avec une passphrase dans l'URI, ou https.",
                SECURITY,
            ),
            Late::PlainSource(Carrier { element, scheme }) => (
                "UNSECURED_TRANSPORT",
                format!("Images come unencrypted from the element {element} ({scheme})."),
                format!("Les images arrivent sans chiffrement de l'élément {element} ({scheme})."),
                "Set the camera to rtsps, or srt with a passphrase in its URI.",
                "Réglez la caméra sur rtsps, ou srt avec une passphrase dans l'URI.",
                SECURITY,
            ),
            Late::Joined(Join { element, from, sound: true }) => (
                "SOUND",
                format!("Sound from the element {from} joins the images in {element}."),
                format!("Du son de l'élément {from} rejoint les images dans {element}."),
                "Leave the sound unlinked.",
                "Ne reliez pas le son.",
                IMAGES_ONLY,
            ),
            Late::Joined(Join { element, from, sound: false }) => (
                "UNGATED_JOIN",
                format!("What comes from the element {from} joins the images in {element} and has passed no gate."),
                format!("Ce qui vient de l'élément {from} rejoint les images dans {element} sans avoir passé de porte."),
                "Put a purposegate of its own on that branch, or take the branch away.",
                "Placez un purposegate propre sur cette branche, ou retirez-la.",
                "CSI R.253-3 ; RGPD art. 5(1)(b)",
            ),
            Late::RegisterFailed(why) => (
                "REGISTER_FAILED",
                format!("The register could not write an entry: {why}."),
                format!("Le registre n'a pas pu écrire une entrée : {why}."),
                "",
                "",
                REGISTER,
            ),
            Late::AlreadyUsed(entry) => (
                "ALREADY_USED",
                format!("The mandate may be used once for this camera, and entry {entry} of the register is its use."),
                format!("Le mandat ne sert qu'une fois pour cette caméra, et l'entrée {entry} du registre en est l'usage."),
                "Ask for a new mandate, on a new requisition where the first one was served.",
                "Demandez un nouveau mandat, sur nouvelle réquisition si la première a été servie.",
                "CPP 60-1 ; CSI R.253-5",
            ),
            Late::UseUnchecked => (
                "REGISTER_TOO_OLD",
                "The mandate may be used once, and the register has not looked whether it was used before.".into(),
                "Le mandat ne sert qu'une fois, et le registre n'a pas vérifié s'il a déjà servi.".into(),
                "Use auditsink of the same version as this gate.",
                "Utilisez l'auditsink de la même version que cette porte.",
                "CPP 60-1 ; CSI R.253-5",
            ),
            Late::NoRegister => (
                "NO_REGISTER",
                "No register answered.".into(),
                "Aucun registre n'a répondu.".into(),
                "Put auditsink at the end of the pipeline, or on a branch of a tee.",
                "Placez auditsink en fin de pipeline, ou sur une branche d'un tee.",
                REGISTER,
            ),
            Late::TwoPurposes => (
                "TWO_PURPOSES",
                "A gate upstream already declared a purpose; one stream serves one purpose.".into(),
                "Une porte en amont a déjà déclaré une finalité ; un flux sert une seule finalité.".into(),
                "Keep one purposegate with stage=entry.",
                "Ne gardez qu'un purposegate stage=entry.",
                "RGPD art. 5(1)(b)",
            ),
            Late::UnknownSession => (
                "UNKNOWN_SESSION",
                "A purpose was declared to this gate that no running purposegate with stage=entry has announced for it.".into(),
                "Une finalité a été déclarée à cette porte sans qu'aucun purposegate stage=entry en marche ne l'ait annoncée pour elle.".into(),
                "Put a purposegate with stage=entry behind the source and link it to this one within one process.",
                "Placez un purposegate stage=entry après la source et reliez-le à celui-ci dans un même processus.",
                "RGPD art. 5(1)(b)",
            ),
            Late::MandateGone => (
                "MANDATE_GONE",
                "The file of the mandate was taken away while it was in use.".into(),
                "Le fichier du mandat a été retiré pendant son utilisation.".into(),
                "Put it back, or replace it by a new one in one step (rename), then start again.",
                "Remettez-le, ou remplacez-le par un nouveau en une seule opération (renommage), puis relancez.",
                "CSI R.253-3",
            ),
            Late::MandateReplaced(what) => (
                "MANDATE_REPLACED",
                format!("Another mandate took the place of the one in use and allows other things than it did ({what})."),
                format!("Un autre mandat a remplacé celui en cours et permet autre chose ({what})."),
                "Start again: a new session is decided on the new mandate.",
                "Relancez : une nouvelle session sera décidée sur le nouveau mandat.",
                "RGPD art. 5(1)(b)",
            ),
            Late::StreamChanged | Late::Closed(Closed::StreamChanged) => (
                "STREAM_CHANGED",
                "Another stream, or an earlier part of it, came after the one that was decided on.".into(),
                "Un autre flux, ou une partie antérieure, a suivi celui sur lequel porte la décision.".into(),
                "Use one run, with its own footage-start and camera, for each recording.",
                "Lancez une exécution par enregistrement, avec son propre footage-start et sa caméra.",
                "CPP 60-1, 77-1-1, 99-3 ; RGPD art. 5(1)(b)",
            ),
            Late::TooLarge(size, (width, height)) => {
                let size = size.map_or("?×?".to_owned(), |(w, h)| format!("{w}×{h}"));
                (
                    "RESOLUTION",
                    format!("This purpose takes images of at most {width}×{height} pixels; these are of {size}."),
                    format!("Cette finalité n'admet que des images de {width}×{height} pixels au plus ; celles-ci en font {size}."),
                    "Scale them down in front of the gate, or have the camera send smaller ones.",
                    "Réduisez-les avant la porte, ou faites envoyer par la caméra des images plus petites.",
                    "RGPD art. 5(1)(c)",
                )
            }
            Late::PropertyLocked(name) => (
                "PROPERTY_LOCKED",
                format!("{name} was to be changed while the gate runs, and was not."),
                format!("{name} devait être modifié pendant la marche de la porte et ne l'a pas été."),
                "Set it in the state READY: one run serves one purpose.",
                "Modifiez-le dans l'état READY : une exécution sert une seule finalité.",
                "RGPD art. 5(1)(b) ; C. pén. 226-21",
            ),
            Late::Closed(Closed::Upstream) => (
                "SESSION_CLOSED",
                "The gate behind the source has closed this session.".into(),
                "La porte placée après la source a clos cette session.".into(),
                "See its message.",
                "Voyez son message.",
                "RGPD art. 5(1)(b)",
            ),
            Late::Closed(Closed::Expired) => (
                "EXPIRED_MANDATE",
                "The mandate, or what it rests on, has ended.".into(),
                "Le mandat, ou ce qui le fonde, a pris fin.".into(),
                "Renew it.",
                "Renouvelez-le.",
                "CSI L.252-4",
            ),
            Late::Closed(Closed::ClockBack) => (
                "CLOCK_BACK",
                "The clock of this host went back, so nobody can tell whether the mandate still runs.".into(),
                "L'horloge de cette machine a reculé : la validité du mandat ne peut être établie.".into(),
                "Set the clock right, then start again.",
                "Remettez l'horloge à l'heure, puis relancez.",
                REGISTER,
            ),
        };
        RefusalText {
            code: code.to_owned(),
            message_en: en,
            message_fr: fr,
            remedy_en: remedy_en.to_owned(),
            remedy_fr: remedy_fr.to_owned(),
            legal_ref: legal_ref.to_owned(),
        }
        .into()
    }
}

fn paris(instant: Timestamp) -> impl std::fmt::Display {
    instant
        .to_zoned(privacy_policy::time::paris())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_every_late_refusal_speaks_both_languages_and_cites_the_law() {
        let now = Timestamp::UNIX_EPOCH;
        for late in [
            Late::UnknownSource,
            Late::Media(NotImages::Sound),
            Late::Media(NotImages::Container),
            Late::Media(NotImages::Unknown("video/x-new".into())),
            Late::FootageTime(now, now),
            Late::Unmasked("leak".into()),
            Late::ImagesOut("leak".into()),
            Late::FileSink("copy".into()),
            Late::NetworkSink("stream".into()),
            Late::PlainSink(Carrier {
                element: "stream".into(),
                scheme: "udp".into(),
            }),
            Late::PlainSource(Carrier {
                element: "camera".into(),
                scheme: "rtsp".into(),
            }),
            Late::Joined(Join {
                element: "mux".into(),
                from: "micro".into(),
                sound: true,
            }),
            Late::Joined(Join {
                element: "wall".into(),
                from: "camera".into(),
                sound: false,
            }),
            Late::TooLarge(Some((3840, 2160)), (1920, 1080)),
            Late::TooLarge(None, (1920, 1080)),
            Late::RegisterFailed("full".into()),
            Late::AlreadyUsed(3),
            Late::UseUnchecked,
            Late::NoRegister,
            Late::TwoPurposes,
            Late::UnknownSession,
            Late::MandateGone,
            Late::MandateReplaced("stats"),
            Late::StreamChanged,
            Late::PropertyLocked("camera".into()),
            Late::Closed(Closed::Expired),
            Late::Closed(Closed::ClockBack),
            Late::Closed(Closed::Upstream),
            Late::Closed(Closed::StreamChanged),
        ] {
            let refusal = Refusal::from(&late);
            assert!(refusal.message_en.ends_with('.'), "{late:?}");
            assert!(refusal.message_fr.ends_with('.'), "{late:?}");
            assert_ne!(refusal.message_en, refusal.message_fr, "{late:?}");
            assert_eq!(refusal.remedy_en.is_empty(), refusal.remedy_fr.is_empty());
            assert!(!refusal.legal_ref.is_empty(), "{late:?}");
        }
    }
}
