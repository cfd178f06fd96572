// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of the classes, and which of them are reported.

use crate::decode::Decoder;

/// Why there are no labels, or not those asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Labels and model do not belong together: boxes would carry wrong classes.
    #[error(
        "{origin} holds {labels} labels, and the model reports {classes} classes: give the labels of this model, one per line in the order of its classes"
    )]
    Count {
        /// Where the labels come from.
        origin: String,
        /// Number of labels.
        labels: usize,
        /// Number of classes of the model.
        classes: usize,
    },
    /// Nobody says what the classes are.
    #[error(
        "the model has {classes} classes, no metadata `labels` and is not the 80 classes of COCO: set label-file to a text file with one label per line"
    )]
    None {
        /// Number of classes of the model.
        classes: usize,
    },
    /// A label cannot be used.
    #[error("{origin}, label {number}: {why}")]
    Bad {
        /// Where the labels come from.
        origin: String,
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The metadata of the model cannot be read.
    #[error(
        "the metadata `labels` of the model is no JSON list of strings: {0}. Set label-file instead"
    )]
    Metadata(String),
    /// The property asks for a class that the model does not have.
    #[error("classes names \"{asked}\", which this model does not report. It reports: {known}")]
    Unknown {
        /// What was asked for.
        asked: String,
        /// Every label of the model.
        known: String,
    },
}

/// The labels of a model: from the text of `label-file`, else from its metadata, else what its family is
/// trained for (CenterFace: `face`), else the 80 of COCO.
pub fn find(
    file: Option<&str>,
    metadata: Option<&str>,
    decoder: &Decoder,
) -> Result<Vec<String>, LabelError> {
    let classes = decoder.classes();
    let (origin, labels) = if let Some(text) = file {
        ("label-file", parse(text))
    } else if let Some(json) = metadata {
        let labels = serde_json::from_str::<Vec<String>>(json)
            .map_err(|e| LabelError::Metadata(e.to_string()))?;
        ("the metadata `labels` of the model", labels)
    } else if let Decoder::CenterFace(_) = decoder {
        ("CenterFace", vec!["face".to_owned()])
    } else if classes == COCO.len() {
        ("COCO", COCO.map(str::to_owned).to_vec())
    } else {
        return Err(LabelError::None { classes });
    };
    for (i, label) in labels.iter().enumerate() {
        let why = if label.trim().is_empty() {
            "it is empty"
        } else if label.chars().any(char::is_control) {
            "it holds a control character"
        } else if label.contains(',') {
            "it holds a comma, which separates labels in the property classes"
        } else {
            continue;
        };
        return Err(LabelError::Bad {
            origin: origin.to_owned(),
            number: i + 1,
            why,
        });
    }
    if labels.len() == classes {
        Ok(labels)
    } else {
        Err(LabelError::Count {
            origin: origin.to_owned(),
            labels: labels.len(),
            classes,
        })
    }
}

fn parse(text: &str) -> Vec<String> {
    text.trim_start_matches('\u{feff}')
        .trim_end()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Indices of the classes that a comma-separated list names; all of them for an empty list.
pub fn select(list: &str, labels: &[String]) -> Result<Vec<usize>, LabelError> {
    let asked: Vec<_> = list
        .split(',')
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    if let Some(unknown) = asked.iter().find(|a| !labels.iter().any(|l| l == *a)) {
        return Err(LabelError::Unknown {
            asked: (*unknown).to_owned(),
            known: labels.join(", "),
        });
    }
    Ok((0..labels.len())
        .filter(|&i| asked.is_empty() || asked.contains(&labels[i].as_str()))
        .collect())
}

/// The 80 classes of COCO 2017 in the order that detectors report them (<https://cocodataset.org>).
pub const COCO: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Family, Output};

    fn decoder(classes: i64) -> Decoder {
        let output = Output {
            name: "output".into(),
            shape: vec![1, 21, 5 + classes],
            float32: true,
        };
        Decoder::find(Some(Family::Yolox), (32, 32), &[output]).unwrap()
    }

    #[test]
    fn the_file_comes_before_the_metadata_and_that_before_coco() {
        let two = decoder(2);
        assert_eq!(
            find(Some("\u{feff}a \r\nb\n\n"), Some(r#"["c","d"]"#), &two).unwrap(),
            ["a", "b"]
        );
        assert_eq!(find(None, Some(r#"["c","d"]"#), &two).unwrap(), ["c", "d"]);
        assert_eq!(find(None, None, &two), Err(LabelError::None { classes: 2 }));
        assert_eq!(find(None, None, &decoder(80)).unwrap()[79], "toothbrush");
    }

    #[test]
    fn labels_that_do_not_fit_are_errors() {
        let two = decoder(2);
        for (file, metadata) in [
            (Some("a"), None),
            (Some("a\nb\nc"), None),
            (Some("a\n\nb"), None),
            (Some("a\nb,c"), None),
            (Some("a\nb\tc"), None),
            (Some(""), None),
            (None, Some("person, car")),
            (None, Some(r#"{"0":"person"}"#)),
            (None, Some(r#"["a","b\nc"]"#)),
        ] {
            assert!(find(file, metadata, &two).is_err(), "{file:?} {metadata:?}");
        }
    }

    #[test]
    fn classes_are_selected_by_label() {
        let labels = ["person", "traffic light", "person"].map(str::to_owned);
        assert_eq!(select("", &labels), Ok(vec![0, 1, 2]));
        assert_eq!(select(" , ", &labels), Ok(vec![0, 1, 2]));
        assert_eq!(select("traffic light", &labels), Ok(vec![1]));
        assert_eq!(select(" person ,", &labels), Ok(vec![0, 2]));
        assert!(matches!(
            select("person,cat", &labels),
            Err(LabelError::Unknown { asked, .. }) if asked == "cat"
        ));
    }
}
