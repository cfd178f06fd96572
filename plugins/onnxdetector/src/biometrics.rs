// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refusal of models that identify or characterise people.
//!
//! Facial recognition is not authorised in public space, and characterising people from biometric data
//! (age, sex, emotion, gait, re-identification vectors) is not available (RGPD art. 9, loi 78-17 art. 6,
//! CSI R. 253-1). Locating a person or a face in order to mask it is neither. No property and no
//! variable turns this off.
//!
//! Two things give such a model away: an output with a vector of a size that embeddings have, and what its
//! names, metadata and labels say. A model that hides both is still refused when no decoder
//! knows all of its outputs, and no decoder hands on anything but boxes, scores and class labels.

use crate::decode::Output;

/// Everything that a model file says of itself.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Names of the graph, its inputs and outputs, its description, producer and domain, and each
    /// key and value of the metadata but the labels.
    pub texts: Vec<String>,
    /// Labels of its classes.
    pub labels: Vec<String>,
}

/// Why a model is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The model recognises people: an embedding of faces or bodies.
    #[error(
        "BIOMETRICS: {why}. Facial recognition is not authorised in public space, live or deferred, for any user. / BIOMETRICS : modèle refusé. La reconnaissance faciale n'est pas autorisée dans l'espace public, en direct ou en différé, pour aucun utilisateur."
    )]
    Recognition {
        /// What gave it away.
        why: String,
    },
    /// The model says what a person is like.
    #[error(
        "BIOMETRICS: {why}. Identifying or characterising people from biometric data (face, gait, age, sex, emotion, re-identification) is not available. / BIOMETRICS : modèle refusé. L'identification ou la caractérisation à partir de données biométriques (visage, démarche, âge, sexe, émotion, ré-identification) n'est pas disponible."
    )]
    Characterisation {
        /// What gave it away.
        why: String,
    },
}

/// Refuses a model whose outputs or claims are biometric.
pub fn check(outputs: &[Output], claims: &Claims) -> Result<(), Refusal> {
    if let Some(output) = outputs.iter().find(|o| is_embedding(&o.shape)) {
        return Err(embedding(output));
    }
    for text in &claims.texts {
        let words = spelled(text);
        let has = |list: &[&str]| words.iter().find(|w| list.contains(&w.as_str()));
        if let Some(word) = has(RECOGNITION) {
            return Err(Refusal::Recognition {
                why: format!("the model says \"{word}\" of itself"),
            });
        }
        if let Some((person, act)) = recognises_people(&self::words(text)) {
            return Err(Refusal::Recognition {
                why: format!("the model says \"{person} {act}\" of itself"),
            });
        }
        if let Some(word) = has(CHARACTERISATION) {
            return Err(Refusal::Characterisation {
                why: format!("the model says \"{word}\" of itself"),
            });
        }
    }
    let word = |label: &String| {
        let words = spelled(label);
        words
            .iter()
            .any(|w| CHARACTERS.contains(&w.as_str()) || CHARACTERISATION.contains(&w.as_str()))
    };
    match claims.labels.iter().find(|l| word(l)) {
        Some(label) => Err(Refusal::Characterisation {
            why: format!("its class \"{label}\" says what a person is like"),
        }),
        None => Ok(()),
    }
}

/// Whether an output that no decoder reads holds a vector per cell (1×N×D) of a size that embeddings have,
/// as models that track people by their looks report beside their boxes.
pub fn check_unread(outputs: &[Output]) -> Result<(), Refusal> {
    let per_cell = |shape: &[i64]| matches!(shape, [_, _, size] if EMBEDDINGS.contains(size));
    match outputs.iter().find(|o| per_cell(&o.shape)) {
        Some(output) => Err(embedding(output)),
        None => Ok(()),
    }
}

fn embedding(output: &Output) -> Refusal {
    Refusal::Recognition {
        why: format!(
            "output {} has the size of an embedding, by which people are recognised",
            crate::decode::describe(std::slice::from_ref(output))
        ),
    }
}

/// One vector per image (D, 1×D, 1×D×1×1), D a size that embeddings have.
fn is_embedding(shape: &[i64]) -> bool {
    // A free dimension that comes first is the batch.
    let wide: Vec<i64> = shape
        .iter()
        .enumerate()
        .filter(|&(i, &d)| d != 1 && !(i == 0 && d < 0))
        .map(|(_, &d)| d)
        .collect();
    matches!(wide[..], [size] if EMBEDDINGS.contains(&size))
}

/// A word for people beside a word for recognising them: `face recognition`, `identification of persons`; not
/// `face detection, licence plate recognition`.
fn recognises_people(words: &[String]) -> Option<(&str, &str)> {
    let positions = |list: &'static [&str]| {
        words
            .iter()
            .enumerate()
            .filter(move |(_, w)| list.contains(&w.as_str()))
    };
    positions(ACTS).find_map(|(at, act)| {
        positions(PERSONS)
            .find(|(other, _)| at.abs_diff(*other) <= 2)
            .map(|(_, person)| (person.as_str(), act.as_str()))
    })
}

/// Lower-case words of a name; one in camel case gives its parts as well: `ArcFace_v2` is arcface, arc, face
/// and v2.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|run| !run.is_empty())
    {
        let mut parts = vec![String::new()];
        let mut after_lower = false;
        for c in run.chars() {
            if c.is_uppercase() && after_lower {
                parts.push(String::new());
            }
            after_lower = !c.is_uppercase();
            if let Some(part) = parts.last_mut() {
                part.extend(c.to_lowercase());
            }
        }
        if parts.len() > 1 {
            words.push(parts.concat());
        }
        words.append(&mut parts);
    }
    words
}

/// The words of a name, and each without the digits at its ends: `facenet512` is facenet too.
fn spelled(text: &str) -> Vec<String> {
    let mut all = words(text);
    let bare: Vec<String> = all
        .iter()
        .map(|word| word.trim_matches(|c: char| c.is_ascii_digit()))
        .filter(|bare| !bare.is_empty())
        .map(str::to_owned)
        .collect();
    all.extend(bare.into_iter().filter(|b| !words(text).contains(b)));
    all
}

const EMBEDDINGS: &[i64] = &[
    64, 96, 128, 192, 256, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 4096,
];

/// Words that only a model for recognising people uses.
const RECOGNITION: &[&str] = &[
    "arcface",
    "adaface",
    "cosface",
    "sphereface",
    "magface",
    "elasticface",
    "facenet",
    "deepface",
    "insightface",
    "vggface",
    "vggface2",
    "sface",
    "faceid",
    "reid",
    "osnet",
    "embedding",
    "embeddings",
    "biometric",
    "biometrics",
    "facerecognition",
    "faceverification",
];
const ACTS: &[&str] = &[
    "recognition",
    "recognizer",
    "recogniser",
    "reconnaissance",
    "identification",
    "reidentification",
    "verification",
    "authentication",
    "expression",
    "expressions",
    "id",
    "ids",
];
const PERSONS: &[&str] = &[
    "face",
    "faces",
    "facial",
    "faciale",
    "person",
    "persons",
    "people",
    "pedestrian",
    "human",
    "gait",
    "iris",
    "body",
    "re",
];
const CHARACTERISATION: &[&str] = &[
    "age",
    "gender",
    "genderage",
    "agegender",
    "sex",
    "emotion",
    "emotions",
    "ethnicity",
    "ethnic",
    "race",
    "gait",
    "mood",
    "fairface",
    "ferplus",
    "affectnet",
];
/// Labels that sort people by sex, age or emotion.
const CHARACTERS: &[&str] = &[
    "male",
    "female",
    "man",
    "woman",
    "men",
    "women",
    "boy",
    "girl",
    "child",
    "children",
    "adult",
    "teenager",
    "elderly",
    "happy",
    "happiness",
    "sad",
    "sadness",
    "angry",
    "anger",
    "disgust",
    "fearful",
    "surprised",
    "homme",
    "femme",
    "enfant",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(
            words("ArcFace_v2 personReID, R50"),
            [
                "arcface",
                "arc",
                "face",
                "v2",
                "personreid",
                "person",
                "re",
                "id",
                "r50"
            ]
        );
        assert!(words(" -- ").is_empty());
    }

    fn output(shape: &[i64]) -> Output {
        Output {
            name: "o".to_owned(),
            shape: shape.to_vec(),
            float32: true,
        }
    }

    fn says(text: &str) -> bool {
        let claims = Claims {
            texts: vec![text.to_owned()],
            ..Default::default()
        };
        check(&[], &claims).is_err()
    }

    #[test]
    fn vectors_are_told_from_the_outputs_of_detectors() {
        for shape in [
            &[512][..],
            &[1, 512],
            &[-1, 128],
            &[1, 256, 1, 1],
            &[-1, 2048, 1, 1],
        ] {
            assert!(
                check(&[output(shape)], &Claims::default()).is_err(),
                "{shape:?}"
            );
        }
        for shape in [
            &[1, 2704, 80][..],
            &[1, 169, 44],
            &[1, 3549, 85],
            &[1, 100],
            &[1, 300, 4],
            &[1, 64, 80, 80],
            &[-1, 1, -1, -1],
            &[],
        ] {
            assert!(
                check(&[output(shape)], &Claims::default()).is_ok(),
                "{shape:?}"
            );
        }
        assert!(check_unread(&[output(&[1, 300, 4]), output(&[1, 300, 128])]).is_err());
        assert!(check_unread(&[output(&[1, 300, 4]), output(&[1, 300, 91])]).is_ok());
    }

    #[test]
    fn words_that_give_a_model_away_and_words_that_do_not() {
        for text in [
            "Face Recognition R50",
            "recognition of human faces",
            "PersonReIdentification",
            "person_reid",
            "Person Re-ID",
            "face_ids",
            "output.embedding",
            "genderage",
            "age",
            "facial expression",
            "facenet512",
            "reid2_arcface50",
        ] {
            assert!(says(text), "{text}");
        }
        for text in [
            "image average of embedded pages",
            "human-models: person and face detection, licence plate recognition",
            "object recognition",
            "pytorch",
            "page7",
        ] {
            assert!(!says(text), "{text}");
        }
    }
}
