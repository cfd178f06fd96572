// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which classes of detections are masked.

use privacy_common::MaskStamp;

/// Classes to mask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Classes {
    /// Every detection, whatever its class.
    #[default]
    Every,
    /// Detections of these classes.
    Only(Vec<String>),
}

/// A list of classes that cannot be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassesError {
    /// Two commas in a row, or one at an end.
    #[error(
        "property \"classes\" is \"{0}\": an entry is empty; write labels with one comma between \
         them, such as \"person,car\", or leave it empty to mask every detection \
         (une entrée est vide ; séparez les classes par une virgule, ou laissez vide pour tout masquer)"
    )]
    Empty(String),
    /// A label holds a control character, which no label file does.
    #[error(
        "property \"classes\" is {0:?}: a label holds a control character; write labels with one \
         comma between them, such as \"person,car\" \
         (caractère de contrôle dans une classe ; séparez les classes par une virgule)"
    )]
    Control(String),
}

impl Classes {
    /// Reads a list with commas; spaces around a label do not count.
    pub fn parse(list: &str) -> Result<Self, ClassesError> {
        if list.trim().is_empty() {
            return Ok(Self::Every);
        }
        if list.contains(char::is_control) {
            return Err(ClassesError::Control(list.to_owned()));
        }
        let labels: Vec<String> = list.split(',').map(|l| l.trim().to_owned()).collect();
        if labels.iter().any(String::is_empty) {
            return Err(ClassesError::Empty(list.to_owned()));
        }
        Ok(Self::Only(labels))
    }

    /// These classes and those that a purpose requires: a purpose can only add.
    pub fn raised_by(&self, required: &[String]) -> Self {
        match self {
            Self::Every => Self::Every,
            Self::Only(labels) => {
                let mut labels = labels.clone();
                labels.extend(
                    required
                        .iter()
                        .filter(|r| !labels.contains(r))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
                Self::Only(labels)
            }
        }
    }

    /// Whether a detection of `class` is masked.
    pub fn contains(&self, class: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(labels) => labels.iter().any(|l| l == class),
        }
    }

    /// As a mask stamp lists them.
    pub fn for_stamp(&self) -> Vec<String> {
        match self {
            Self::Every => vec![MaskStamp::EVERY_CLASS.to_owned()],
            Self::Only(labels) => labels.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_or_refused() {
        assert_eq!(Classes::parse(""), Ok(Classes::Every));
        assert_eq!(Classes::parse("  "), Ok(Classes::Every));
        assert_eq!(
            Classes::parse("person, traffic light"),
            Ok(Classes::Only(vec!["person".into(), "traffic light".into()]))
        );
        for bad in ["person,", ",person", "person,,car", ","] {
            assert_eq!(Classes::parse(bad), Err(ClassesError::Empty(bad.into())));
        }
        assert!(matches!(
            Classes::parse("person\ncar"),
            Err(ClassesError::Control(_))
        ));
    }

    #[test]
    fn a_purpose_only_adds() {
        let required = ["person".to_owned(), "car".to_owned()];
        assert_eq!(Classes::Every.raised_by(&required), Classes::Every);
        let raised = Classes::Only(vec!["dog".into(), "car".into()]).raised_by(&required);
        assert_eq!(raised.for_stamp(), ["dog", "car", "person"]);
        assert!(raised.contains("person") && !raised.contains("cat"));
    }
}
