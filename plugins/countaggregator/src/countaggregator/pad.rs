// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sink pad, which is a camera: its property and its state.

use std::sync::{LazyLock, Mutex};

use gst::{prelude::*, subclass::prelude::*};

use super::{imp::CountAggregator, stream::Stream};

/// A sink pad of the element.
#[derive(Default)]
pub struct CountAggregatorPad {
    camera: Mutex<Option<String>>,
    /// What flows through the pad. Only the pad's own streaming thread and state changes of the element
    /// take this lock, and never while anything is pushed or posted.
    pub stream: Mutex<Stream>,
}

impl CountAggregatorPad {
    /// The name of the camera that the user gave this pad.
    pub fn camera(&self) -> Option<String> {
        self.camera.lock().expect("no panic holds it").clone()
    }
}

impl super::CountAggregatorPad {
    /// A pad whose frames, events and queries go to the element.
    pub fn new(template: &gst::PadTemplate, name: &str) -> Self {
        gst::PadBuilder::<Self>::from_template(template)
            .name(name)
            .chain_function(|pad, parent, buffer| {
                CountAggregator::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| imp.sink_chain(pad, buffer),
                )
            })
            .event_function(|pad, parent, event| {
                CountAggregator::catch_panic_pad_function(
                    parent,
                    || false,
                    |imp| imp.sink_event(pad, event),
                )
            })
            .query_function(|pad, parent, query| {
                CountAggregator::catch_panic_pad_function(
                    parent,
                    || false,
                    |imp| imp.sink_query(pad, query),
                )
            })
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for CountAggregatorPad {
    const NAME: &'static str = "GstCountAggregatorPad";
    type Type = super::CountAggregatorPad;
    type ParentType = gst::Pad;
}

impl ObjectImpl for CountAggregatorPad {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecString::builder("camera")
                    .nick("Camera")
                    .blurb("Name of the camera in the site file; unset, the purpose's camera, and without a purpose the name of the pad")
                    .mutable_ready()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "camera" => {
                let camera: Option<String> = value.get().expect("type checked upstream");
                *self.camera.lock().expect("no panic holds it") = camera.filter(|c| !c.is_empty());
            }
            _ => gst::debug!(gst::CAT_RUST, "unknown property {}", pspec.name()),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "camera" => self.camera().to_value(),
            _ => pspec.default_value().clone(),
        }
    }
}

impl GstObjectImpl for CountAggregatorPad {}
impl PadImpl for CountAggregatorPad {}
