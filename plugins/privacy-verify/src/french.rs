// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the errors about proofs say, in French.

use privacy_register::{
    EntryName, FrameError, JournalFault, PolicyError, ProofError, ReadError, VerifyError,
    WitnessedError,
};

use crate::{
    input::Failure,
    verify,
    words::{local, operation_name},
};

/// An entry, as well as it can be named.
pub fn name(name: &EntryName) -> String {
    match name.readable {
        Some((operation, time)) => format!(
            "la mention {} ({}, {})",
            name.index,
            operation_name(operation, true),
            local(time)
        ),
        None => format!("la mention {} (illisible)", name.index),
    }
}

/// Why the journal cannot be used.
pub fn journal(fault: &JournalFault) -> String {
    match fault {
        JournalFault::Missing => "le journal manque, et avec lui les dernières mentions ; restaurez-le avec le fichier « checkpoint » de la même copie".into(),
        JournalFault::Header => "le début du journal est endommagé, ou ce n'est pas un journal ; restaurez-le avec le fichier « checkpoint » de la même copie".into(),
        JournalFault::Length { length, wanted } => format!(
            "le journal compte {length} octets au lieu de {wanted} : il a été tronqué ou allongé, ce qu'aucune panne ne fait ; restaurez-le avec le fichier « checkpoint » de la même copie"
        ),
        JournalFault::Broken { entry } => format!(
            "la mention {entry}, dans le journal, a été modifiée ou écrasée après sa signature, car des mentions entières la suivent ; restaurez le journal avec le fichier « checkpoint » de la même copie"
        ),
        JournalFault::Ahead { base, size } => format!(
            "le journal commence après {base} mentions et le fichier « checkpoint » n'en couvre que {size} : une ancienne copie de ce fichier a été restaurée ; restaurez les deux de la même copie"
        ),
        JournalFault::Behind { end, size } => format!(
            "le journal s'arrête à {end} mentions et le fichier « checkpoint » en couvre {size} : une ancienne copie du journal a été restaurée ; restaurez les deux de la même copie"
        ),
        JournalFault::Fork { entry } => format!(
            "le journal ne fait pas suite à ce que le fichier « checkpoint » a signé : il vient d'un autre registre, ou une ancienne copie de l'un des deux a été restaurée, ou la mention {entry} ou une mention antérieure a été modifiée ; restaurez les deux de la même copie"
        ),
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        let fr = match &error {
            ProofError::Malformed { line, .. } => format!(
                "la preuve est illisible (ligne {line}) : reprenez le fichier écrit par privacyctl register prove"
            ),
            ProofError::Checkpoint(e) => format!(
                "le point de contrôle signé est modifié ou d'une autre clé : {e} ; utilisez la clé du registre d'où vient la preuve"
            ),
            ProofError::Witnessed(e) => format!(
                "le fichier « witnessed » du registre : {e} ; restaurez-le, ou retirez-le et interrogez de nouveau les témoins"
            ),
            ProofError::NotIncluded(entry) => format!(
                "{} n'est pas ce qui a été signé : la mention ou la preuve a été modifiée, ou l'une ne va pas avec l'autre",
                name(entry)
            ),
            ProofError::Place { index, seq } => format!(
                "la mention signée au rang {index} se dit de rang {seq} : le registre est en faute, lancez privacyctl register verify"
            ),
            ProofError::Entry(e) => format!("la mention est telle que signée, mais : {e}"),
            ProofError::Erased(index) => format!(
                "le contenu de la mention {index} a été effacé à son terme ; une preuve se vérifie avec le contenu d'origine"
            ),
            ProofError::Changed(entry) => format!(
                "{} a été modifiée après sa signature ; lancez privacyctl register verify",
                name(entry)
            ),
            ProofError::Tile(path) => format!(
                "le fichier d'empreintes {path} manque ou est endommagé ; lancez privacyctl register verify, puis restaurez-le"
            ),
            ProofError::Root(index) => format!(
                "les fichiers d'empreintes ne mènent pas de la mention {index} à la racine signée : l'un d'eux est endommagé"
            ),
            ProofError::Read(e) => return e.into(),
            ProofError::Io { path, source } => format!(
                "{} : {source} ; vérifiez le chemin et vos droits",
                path.display()
            ),
            other => other.to_string(),
        };
        Self {
            en: error.to_string(),
            fr,
        }
    }
}

impl From<&ReadError> for Failure {
    fn from(error: &ReadError) -> Self {
        let fr = match error {
            ReadError::Io { path, source } => format!(
                "{} : {source} ; vérifiez le chemin et vos droits",
                path.display()
            ),
            ReadError::Truncated(path) => format!(
                "{} s'arrête au milieu d'une mention ; lancez privacyctl register verify",
                path.display()
            ),
            ReadError::Checkpoint { path, source } => {
                format!("{} : {source} ; restaurez-le", path.display())
            }
            ReadError::Beyond { index, size } => format!(
                "il n'y a pas de mention {index} : le registre en contient {size}, comptées depuis 0"
            ),
            ReadError::Journal { path, source } => {
                format!("{} : {}", path.display(), journal(source))
            }
            ReadError::Locked(dir) => format!(
                "le registre {} est en cours d'écriture ; recommencez",
                dir.display()
            ),
        };
        Self {
            en: error.to_string(),
            fr,
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::from(&error)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        let fr = match &error {
            FrameError::Io { path, source } => format!(
                "le fichier d'images {} : {source} ; indiquez celui que proof-location a écrit, et vérifiez vos droits",
                path.display()
            ),
            FrameError::Line { path, line, why } => format!(
                "le fichier d'images {}, ligne {line} : {why} ; reprenez le fichier d'origine",
                path.display()
            ),
            FrameError::Beyond { n, of } => {
                format!("il n'y a pas d'image {n} : {of} sont sorties, comptées depuis 0")
            }
            FrameError::Count { found, expected } => format!(
                "{found} images, alors que la mention de clôture en compte {expected} ; prenez le fichier d'images de cet export, inchangé"
            ),
            FrameError::Root { found, expected } => format!(
                "les images mènent à la racine {found}, la mention de clôture porte « {expected} » : elles ont été modifiées, ou viennent d'un autre export"
            ),
            FrameError::NotIncluded(n) => format!(
                "l'image {n} ne mène pas à la racine de sa preuve : la preuve a été modifiée"
            ),
            FrameError::Malformed(why) => format!(
                "la preuve de l'image est illisible : {why} ; reprenez le fichier écrit par privacyctl register prove"
            ),
        };
        Self {
            en: error.to_string(),
            fr,
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self {
            en: error.to_string(),
            fr: verify::in_french(&error),
        }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        let fr = match &error {
            PolicyError::Read { path, source } => format!(
                "la politique {} est illisible : {source} ; vérifiez le chemin",
                path.display()
            ),
            PolicyError::Line { line, why } => format!("politique, ligne {line} : {why}"),
            PolicyError::NoQuorum => {
                "la politique n'a pas de ligne quorum ; ajoutez-en une à la fin, par exemple : quorum <témoin ou groupe>, ou quorum none".into()
            }
            PolicyError::NoLog => {
                "la politique ne nomme aucun registre ; ajoutez une ligne : log <clé du registre>".into()
            }
            PolicyError::OtherLog { key } => format!(
                "la politique ne nomme pas la clé {key} ; ajoutez une ligne : log {key}, ou prenez la politique de ce registre"
            ),
            PolicyError::Checkpoint(e) => {
                format!("le point de contrôle signé est modifié ou d'une autre clé : {e}")
            }
            PolicyError::Cosignature { witness } => format!(
                "la cosignature de {witness} est fausse : le point de contrôle ou la cosignature a été modifié"
            ),
            PolicyError::Quorum {
                size,
                needs,
                cosigned,
                missing,
            } => format!(
                "au point de contrôle de {size} mentions il manque des cosignatures : le quorum exige {needs} ; ont signé : {cosigned} ; manquent : {missing}. Soumettez-le aux témoins manquants, puis vérifiez de nouveau"
            ),
        };
        Self {
            en: error.to_string(),
            fr,
        }
    }
}

impl From<WitnessedError> for Failure {
    fn from(error: WitnessedError) -> Self {
        let en = error.to_string();
        match error {
            WitnessedError::Never(path) => Self {
                en,
                fr: format!(
                    "{} manque : aucun témoin n'a encore cosigné ce registre, ou quelqu'un a retiré le fichier. Demandez aux témoins le dernier point de contrôle qu'ils ont cosigné",
                    path.display()
                ),
            },
            WitnessedError::Io { path, source } => Self {
                en,
                fr: format!(
                    "{} : {source} ; rien n'est prouvé ni dans un sens ni dans l'autre : vérifiez le chemin et vos droits",
                    path.display()
                ),
            },
            WitnessedError::Policy(e) => e.into(),
            WitnessedError::Verify(e) => e.into(),
        }
    }
}
