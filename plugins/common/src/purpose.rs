// SPDX-License-Identifier: MIT OR Apache-2.0
//! The purpose in force, as a sticky downstream event.

use std::fmt;

use gst::prelude::*;

use crate::{
    CONTRACT_VERSION, fields,
    fields::{FieldError, c_text},
};

/// Name of the event's structure.
pub const PURPOSE_EVENT: &str = "privacy-purpose";

/// What the entry gate decided, sent before the first buffer and again whenever the decision changes.
///
/// A purpose can only raise what an element's own properties ask for, never lower it.
#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    /// Random identifier of this run (UUID v4), the thread through the register.
    pub session: String,
    /// Identifier of the purpose, such as `comm.public_publication`.
    pub purpose: String,
    /// SHA-256 of the mandate's bytes, in hex.
    pub mandate_digest: String,
    /// Version of the rules that decided.
    pub rules_version: String,
    /// Camera the images come from.
    pub camera: String,
    /// Pseudonym of the operator; never a name.
    pub operator: String,
    /// Where the images go.
    pub sink_class: SinkClass,
    /// The weakest mask that may leave.
    pub required_mask: Mask,
    /// Classes that a mask must cover, as detector labels (`person`, `car`, …).
    pub mask_classes: Vec<String>,
    /// How it must be masked.
    pub mask_method: MaskMethod,
    /// One chosen person may stay clear: the copy that somebody filmed has a right to (GDPR art. 15).
    pub one_clear: bool,
    /// What a detector may be used for.
    pub detector_use: DetectorUse,
    /// Classes that may be detected or counted; empty where none may. Those of `mask_classes` may be looked
    /// for besides, to be masked.
    pub classes: Vec<String>,
    /// Floors for statistics; present when `detector_use` is [`DetectorUse::Statistics`].
    pub statistics: Option<StatisticsLimits>,
    /// Seconds since 1970-01-01 UTC after which nothing may flow.
    pub expires: i64,
}

/// Floors for published statistics (CNIL position of July 2022; values in the rules file).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsLimits {
    /// Shortest window that may be published.
    pub min_window: gst::ClockTime,
    /// Longest window.
    pub max_window: gst::ClockTime,
    /// Counts from 1 to this minus 1 are withheld.
    pub min_count: u32,
    /// How long after its end a window may be published at the earliest.
    pub publish_delay: gst::ClockTime,
}

macro_rules! nicks {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $nick:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word used in structures, files and properties.
            pub fn nick(self) -> &'static str {
                match self { $(Self::$variant => $nick),+ }
            }

            /// The value that `nick` names, or `None` for a word that has no meaning here.
            pub fn from_nick(nick: &str) -> Option<Self> {
                match nick { $($nick => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.nick())
            }
        }
    };
}

nicks! {
    /// How much of a frame must be masked, weakest first.
    Mask {
        /// Clear images, for authorised people only.
        None = "none",
        /// Every person.
        Persons = "persons",
        /// Every person and every vehicle, plates included.
        PersonsVehicles = "persons+vehicles",
        /// The whole frame.
        Frame = "frame",
    }
}

nicks! {
    /// How a mask must be made, weakest demand first.
    MaskMethod {
        /// By any method that cannot be undone.
        Any = "any",
        /// By one colour, which leaves nothing of what was there.
        Solid = "solid",
    }
}

nicks! {
    /// What a detector may be used for, least first.
    DetectorUse {
        /// No detection at all.
        None = "none",
        /// Only to find what must be masked; the detections do not outlive the mask.
        Mask = "mask",
        /// Anonymous counts.
        Statistics = "statistics",
        /// Search in recordings, for the judiciary only.
        Search = "search",
    }
}

nicks! {
    /// Where images go, from the best protected place to the least.
    SinkClass {
        /// Not declared: nothing may leave.
        Undeclared = "undeclared",
        /// Display in the city's video control room.
        CsuDisplay = "csu-display",
        /// Another display on a secured internal network.
        InternalSecured = "internal-secured",
        /// A display on an internal network that is not secured, or that other staff can see.
        InternalUnsecured = "internal-unsecured",
        /// The recorder of the system itself, which erases by itself.
        Store = "store",
        /// A file handed over or kept: an extraction.
        File = "file",
        /// Anybody.
        Public = "public",
    }
}

impl From<&Purpose> for gst::Structure {
    fn from(p: &Purpose) -> Self {
        let mut s = gst::Structure::builder(PURPOSE_EVENT)
            .field("version", CONTRACT_VERSION)
            .field("session", &*c_text(&p.session))
            .field("purpose", &*c_text(&p.purpose))
            .field("mandate-digest", &*c_text(&p.mandate_digest))
            .field("rules-version", &*c_text(&p.rules_version))
            .field("camera", &*c_text(&p.camera))
            .field("operator", &*c_text(&p.operator))
            .field("sink-class", p.sink_class.nick())
            .field("required-mask", p.required_mask.nick())
            .field("mask-classes", fields::join(&p.mask_classes))
            .field("mask-method", p.mask_method.nick())
            .field("one-clear", p.one_clear)
            .field("detector-use", p.detector_use.nick())
            .field("classes", fields::join(&p.classes))
            .field("expires", p.expires)
            .build();
        if let Some(limits) = &p.statistics {
            s.set("min-window", limits.min_window);
            s.set("max-window", limits.max_window);
            s.set("min-count", limits.min_count);
            s.set("publish-delay", limits.publish_delay);
        }
        s
    }
}

impl TryFrom<&gst::StructureRef> for Purpose {
    type Error = FieldError;

    fn try_from(s: &gst::StructureRef) -> Result<Self, FieldError> {
        use fields::get;
        fields::version(s)?;
        let text = |name| get::<&str>(s, name).map(str::to_owned);
        let detector_use = nick(s, "detector-use", DetectorUse::from_nick)?;
        let statistics = if detector_use == DetectorUse::Statistics {
            Some(StatisticsLimits {
                min_window: get(s, "min-window")?,
                max_window: get(s, "max-window")?,
                min_count: get(s, "min-count")?,
                publish_delay: get(s, "publish-delay")?,
            })
        } else {
            None
        };
        Ok(Self {
            session: text("session")?,
            purpose: text("purpose")?,
            mandate_digest: text("mandate-digest")?,
            rules_version: text("rules-version")?,
            camera: text("camera")?,
            operator: text("operator")?,
            sink_class: nick(s, "sink-class", SinkClass::from_nick)?,
            required_mask: nick(s, "required-mask", Mask::from_nick)?,
            mask_classes: fields::list(s, "mask-classes")?,
            mask_method: nick(s, "mask-method", MaskMethod::from_nick)?,
            one_clear: get(s, "one-clear")?,
            detector_use,
            classes: fields::list(s, "classes")?,
            statistics,
            expires: get(s, "expires")?,
        })
    }
}

fn nick<T>(
    s: &gst::StructureRef,
    field: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, FieldError> {
    let value = fields::get::<&str>(s, field)?;
    parse(value).ok_or_else(|| FieldError::Value {
        field,
        value: value.to_owned(),
    })
}

impl Purpose {
    /// The sticky event that carries this purpose.
    pub fn to_event(&self) -> gst::Event {
        gst::event::CustomDownstreamSticky::new(self.into())
    }

    /// `None` when the event is not ours, `Some(Err)` when it is ours and cannot be read: whoever
    /// receives that must act as if no purpose had been declared.
    pub fn from_event(event: &gst::EventRef) -> Option<Result<Self, FieldError>> {
        event
            .structure()
            .filter(|s| {
                s.name() == PURPOSE_EVENT && event.type_() == gst::EventType::CustomDownstreamSticky
            })
            .map(Self::try_from)
    }

    /// This purpose, declared while `earlier` is in force: what either of them demands is demanded.
    ///
    /// A purpose can only raise what is demanded, and images of two sessions may stand in one frame (a
    /// mosaic). The names are those of the later one.
    #[must_use]
    pub fn with_demands_of(mut self, earlier: &Self) -> Self {
        self.required_mask = self.required_mask.max(earlier.required_mask);
        for class in &earlier.mask_classes {
            if !self.mask_classes.contains(class) {
                self.mask_classes.push(class.clone());
            }
        }
        self.mask_method = self.mask_method.max(earlier.mask_method);
        self.one_clear &= earlier.one_clear;
        self.classes.retain(|class| earlier.classes.contains(class));
        self.expires = self.expires.min(earlier.expires);
        // Statistics let no image out at all, which is stronger than any mask.
        if earlier.detector_use == DetectorUse::Statistics {
            self.detector_use = DetectorUse::Statistics;
        } else if self.detector_use != DetectorUse::Statistics {
            self.detector_use = self.detector_use.min(earlier.detector_use);
        }
        self.statistics = match (self.statistics, earlier.statistics) {
            (Some(a), Some(b)) => Some(StatisticsLimits {
                min_window: a.min_window.max(b.min_window),
                max_window: a.max_window.min(b.max_window),
                min_count: a.min_count.max(b.min_count),
                publish_delay: a.publish_delay.max(b.publish_delay),
            }),
            (one, other) => one.or(other),
        };
        self
    }

    /// The purpose that stands on a pad, if one was declared and can be read.
    pub fn on_pad(pad: &impl IsA<gst::Pad>) -> Option<Self> {
        let mut found = None;
        pad.sticky_events_foreach(|event| {
            if let Some(Ok(purpose)) = Self::from_event(event) {
                found = Some(purpose);
            }
            std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(detector_use: DetectorUse) -> Purpose {
        Purpose {
            session: "s".into(),
            purpose: "comm.public_publication".into(),
            mandate_digest: "00".into(),
            rules_version: "2026-11".into(),
            camera: "cam-12".into(),
            operator: "a-0417".into(),
            sink_class: SinkClass::Public,
            required_mask: Mask::PersonsVehicles,
            mask_classes: vec!["person".into(), "car".into()],
            mask_method: MaskMethod::Any,
            one_clear: true,
            detector_use,
            classes: vec![],
            statistics: (detector_use == DetectorUse::Statistics).then_some(StatisticsLimits {
                min_window: gst::ClockTime::from_seconds(900),
                max_window: gst::ClockTime::from_seconds(86_400),
                min_count: 5,
                publish_delay: gst::ClockTime::from_seconds(300),
            }),
            expires: 1_900_000_000,
        }
    }

    #[test]
    fn a_purpose_survives_the_event() {
        gst::init().unwrap();
        for detector_use in [
            DetectorUse::None,
            DetectorUse::Mask,
            DetectorUse::Statistics,
            DetectorUse::Search,
        ] {
            let purpose = example(detector_use);
            assert_eq!(
                Purpose::from_event(&purpose.to_event()),
                Some(Ok(purpose.clone()))
            );
        }
    }

    #[test]
    fn another_version_or_a_missing_field_is_no_purpose() {
        gst::init().unwrap();
        let whole = gst::Structure::from(&example(DetectorUse::Statistics));
        let mut newer = whole.clone();
        newer.set("version", 2u32);
        assert_eq!(
            Purpose::try_from(newer.as_ref()),
            Err(FieldError::Version(2))
        );
        for field in whole.fields() {
            let mut cut = whole.clone();
            cut.remove_field(field);
            assert!(Purpose::try_from(cut.as_ref()).is_err(), "without {field}");
        }
        for name in ["required-mask", "mask-method"] {
            let mut strange = whole.clone();
            strange.set(name, "some");
            assert!(matches!(
                Purpose::try_from(strange.as_ref()),
                Err(FieldError::Value { field, .. }) if field == name
            ));
        }
    }

    #[test]
    fn what_either_purpose_demands_is_demanded() {
        let mut strict = example(DetectorUse::Statistics);
        strict.required_mask = Mask::Frame;
        strict.mask_classes = vec!["bus".into()];
        strict.mask_method = MaskMethod::Solid;
        strict.one_clear = false;
        strict.expires = 5;
        let mut weak = example(DetectorUse::Mask);
        weak.session = "t".into();
        weak.required_mask = Mask::None;
        weak.classes = vec!["face".into()];
        for both in [
            weak.clone().with_demands_of(&strict),
            strict.clone().with_demands_of(&weak),
        ] {
            assert_eq!(both.required_mask, Mask::Frame);
            assert_eq!(both.detector_use, DetectorUse::Statistics);
            assert_eq!(both.mask_method, MaskMethod::Solid);
            assert!(
                !both.one_clear,
                "what one of them leaves clear the other does not"
            );
            assert_eq!(both.expires, 5);
            assert_eq!(both.mask_classes.len(), 3);
            assert!(both.classes.is_empty());
            assert_eq!(both.statistics, strict.statistics);
        }
        assert_eq!(weak.clone().with_demands_of(&strict).session, "t");
        assert_eq!(weak.clone().with_demands_of(&weak), weak);
    }

    #[test]
    fn other_events_are_not_ours() {
        gst::init().unwrap();
        assert_eq!(Purpose::from_event(&gst::event::Eos::new()), None);
    }

    #[test]
    fn masks_and_uses_are_ordered_from_weak_to_strong() {
        assert!(Mask::None < Mask::Persons && Mask::PersonsVehicles < Mask::Frame);
        assert!(DetectorUse::None < DetectorUse::Mask && DetectorUse::Mask < DetectorUse::Search);
    }
}
