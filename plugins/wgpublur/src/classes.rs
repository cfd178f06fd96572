// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which classes of detections are masked, and which with one colour whatever the mode.

use privacy_common::MaskStamp;

/// Classes to mask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Classes {
    /// Every detection, whatever its class.
    #[default]
    Every,
    /// Every detection but those of these classes.
    EveryBut(Vec<String>),
    /// Detections of these classes.
    Only(Vec<String>),
}

/// A list of classes that cannot be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassesError {
    /// Two commas in a row, or one at an end.
    #[error(
        "property \"{property}\" is \"{list}\": an entry is empty; write labels with one comma between \
         them, such as \"person,car\", or leave it empty for its default meaning \
         (une entrée de « {property} » est vide ; séparez les classes par une virgule, ou laissez la liste vide)"
    )]
    Empty {
        /// Which list.
        property: &'static str,
        /// As it was given.
        list: String,
    },
    /// A label holds a control character, which no label file does.
    #[error(
        "property \"{property}\" is {list:?}: a label holds a control character; write labels with one \
         comma between them, such as \"person,car\" \
         (caractère de contrôle dans une classe de « {property} » ; séparez les classes par une virgule)"
    )]
    Control {
        /// Which list.
        property: &'static str,
        /// As it was given.
        list: String,
    },
    /// A class is to be masked and not to be masked.
    #[error(
        "class \"{0}\" is in both properties \"classes\" and \"exclude-classes\"; take it out of one of them \
         (la classe « {0} » est à la fois dans « classes » et dans « exclude-classes » ; retirez-la de l'une des deux)"
    )]
    Both(String),
}

/// Reads a list of labels with commas; spaces around a label do not count, and an empty list is one.
fn labels(property: &'static str, list: &str) -> Result<Vec<String>, ClassesError> {
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    let list = list.to_owned();
    if list.contains(char::is_control) {
        return Err(ClassesError::Control { property, list });
    }
    let labels: Vec<String> = list.split(',').map(|l| l.trim().to_owned()).collect();
    if labels.iter().any(String::is_empty) {
        return Err(ClassesError::Empty { property, list });
    }
    Ok(labels)
}

impl Classes {
    /// Reads the properties `classes` and `exclude-classes`.
    pub fn parse(classes: &str, exclude: &str) -> Result<Self, ClassesError> {
        let only = labels("classes", classes)?;
        let excluded = labels("exclude-classes", exclude)?;
        match (only.is_empty(), excluded.is_empty()) {
            (true, true) => Ok(Self::Every),
            (true, false) => Ok(Self::EveryBut(excluded)),
            // What is not listed is not masked anyway.
            (false, _) => match only.iter().find(|label| excluded.contains(label)) {
                Some(both) => Err(ClassesError::Both(both.clone())),
                None => Ok(Self::Only(only)),
            },
        }
    }

    /// These classes and those that a purpose requires: a purpose can only add.
    pub fn raised_by(&self, required: &[String]) -> Self {
        match self {
            Self::Every => Self::Every,
            Self::EveryBut(excluded) => {
                let mut excluded = excluded.clone();
                excluded.retain(|label| !required.contains(label));
                if excluded.is_empty() {
                    Self::Every
                } else {
                    Self::EveryBut(excluded)
                }
            }
            Self::Only(labels) => {
                let mut labels = labels.clone();
                for class in required {
                    if !labels.contains(class) {
                        labels.push(class.clone());
                    }
                }
                Self::Only(labels)
            }
        }
    }

    /// Whether a detection of `class` is masked.
    pub fn contains(&self, class: &str) -> bool {
        let is_in = |labels: &[String]| labels.iter().any(|l| l == class);
        match self {
            Self::Every => true,
            Self::EveryBut(excluded) => !is_in(excluded),
            Self::Only(labels) => is_in(labels),
        }
    }

    /// As a mask stamp lists them; `scanned` are the classes that the detector looked for, of which some
    /// may be excluded.
    pub fn for_stamp(&self, scanned: &[String]) -> Vec<String> {
        match self {
            Self::Every => vec![MaskStamp::EVERY_CLASS.to_owned()],
            // A stamp cannot say "all but": it names those of which something is known.
            Self::EveryBut(_) => scanned
                .iter()
                .filter(|class| self.contains(class))
                .cloned()
                .collect(),
            Self::Only(labels) => labels.clone(),
        }
    }
}

/// Classes that are filled with one colour whatever the mode, because they carry text: mosaiced text can
/// be read back (Hill et al., PoPETs 2016(4)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SolidClasses {
    asked: Vec<String>,
    /// Those that no property takes away while a purpose demands a mask.
    always: Vec<String>,
}

impl SolidClasses {
    /// Reads the property `solid-classes`; `always` is its default.
    pub fn parse(asked: &str, always: &str) -> Result<Self, ClassesError> {
        Ok(Self {
            asked: labels("solid-classes", asked)?,
            always: labels("solid-classes", always)?,
        })
    }

    /// Whether detections of `class` are filled with one colour. While a mask is demanded those of the
    /// property's default are, listed or not.
    pub fn contains(&self, class: &str, is_mask_required: bool) -> bool {
        let is_in = |labels: &[String]| labels.iter().any(|l| l == class);
        is_in(&self.asked) || is_mask_required && is_in(&self.always)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&l| l.to_owned()).collect()
    }

    #[test]
    fn lists_are_read_or_refused() {
        let of = |classes| Classes::parse(classes, "");
        assert_eq!(of(""), Ok(Classes::Every));
        assert_eq!(of("  "), Ok(Classes::Every));
        assert_eq!(
            of("person, traffic light"),
            Ok(Classes::Only(list(&["person", "traffic light"])))
        );
        for bad in ["person,", ",person", "person,,car", ","] {
            let property = "classes";
            let list = bad.to_owned();
            assert_eq!(of(bad), Err(ClassesError::Empty { property, list }));
            let error = Classes::parse("", bad).unwrap_err().to_string();
            assert!(error.contains("exclude-classes"), "{error}");
            let error = SolidClasses::parse(bad, "").unwrap_err().to_string();
            assert!(error.contains("solid-classes"), "{error}");
        }
        assert!(matches!(
            of("person\ncar"),
            Err(ClassesError::Control { .. })
        ));
    }

    #[test]
    fn classes_are_excluded() {
        let but = Classes::parse("", "car, dog").unwrap();
        assert_eq!(but, Classes::EveryBut(list(&["car", "dog"])));
        assert!(but.contains("person") && !but.contains("car"));
        assert_eq!(
            but.for_stamp(&list(&["person", "car"])),
            ["person"],
            "a stamp does not claim what is excluded"
        );
        assert_eq!(
            Classes::parse("person,car", "car"),
            Err(ClassesError::Both("car".into()))
        );
        assert_eq!(
            Classes::parse("person", "car"),
            Ok(Classes::Only(list(&["person"])))
        );
    }

    #[test]
    fn a_purpose_only_adds() {
        let required = list(&["person", "car"]);
        assert_eq!(Classes::Every.raised_by(&required), Classes::Every);
        let raised = Classes::Only(list(&["dog", "car"])).raised_by(&required);
        assert_eq!(raised.for_stamp(&[]), ["dog", "car", "person"]);
        assert!(raised.contains("person") && !raised.contains("cat"));
        let but = |excluded: &[&str]| Classes::EveryBut(list(excluded)).raised_by(&required);
        assert_eq!(but(&["car", "dog"]), Classes::EveryBut(list(&["dog"])));
        assert_eq!(but(&["car", "person"]), Classes::Every);
    }

    #[test]
    fn text_is_solid_where_a_mask_is_demanded() {
        let solid = SolidClasses::parse("screen", "plate,text").unwrap();
        assert!(solid.contains("screen", false) && solid.contains("screen", true));
        assert!(!solid.contains("plate", false) && solid.contains("plate", true));
        assert!(!solid.contains("person", true));
        assert_eq!(SolidClasses::parse("", ""), Ok(SolidClasses::default()));
    }
}
