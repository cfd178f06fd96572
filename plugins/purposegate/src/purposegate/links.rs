// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an entry gate sees of the pipeline around it.

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use privacy_common::{DetectorUse, Mask, Purpose, SinkClass};
use privacy_policy::{Refusal, rules::PlainSource};

use super::{Stage, imp::PurposeGate};
use crate::{
    joins,
    late::Late,
    opening::Opened,
    paths,
    transport::{self, Carrier},
};

impl PurposeGate {
    /// Nothing may join the images that has passed no gate. Every way out must pass an exit gate when a mask
    /// is due, or a counter when no image may leave. What was declared for a display must not end up in a
    /// file, and clear images travel encrypted.
    pub(super) fn walk(&self, opened: &Opened, purpose: &Purpose) -> Result<(), Late> {
        use SinkClass as To;
        let element = self.obj();
        let source = element.src_pad();
        let display = matches!(
            purpose.sink_class,
            To::CsuDisplay | To::InternalSecured | To::InternalUnsecured
        );
        let counts_only = purpose.detector_use == DetectorUse::Statistics;
        let at = |element: &gst::Element, stage| {
            element
                .downcast_ref::<super::PurposeGate>()
                .is_some_and(|gate| gate.property::<Stage>("stage") == stage)
        };
        let is_entry = |element: &gst::Element| at(element, Stage::Entry);
        if let Some(join) = joins::ungated_join(source, is_entry, paths::is_counter) {
            return Err(Late::Joined(join));
        }
        if opened.rules.transport.plain_source == PlainSource::Refuse
            && let Some(carrier) = self.plain_source(opened)
        {
            return Err(Late::PlainSource(carrier));
        }
        if !counts_only {
            if display && let Some(sink) = paths::file_sink(source) {
                return Err(Late::FileSink(sink));
            }
            let mut network = transport::sinks(source).into_iter();
            if purpose.sink_class == To::CsuDisplay {
                // The screens of a control room are no network.
                if let Some(carrier) = network.next() {
                    return Err(Late::NetworkSink(carrier.element));
                }
            } else if purpose.required_mask == Mask::None {
                let secured = &opened.rules.transport.clear_sinks;
                if let Some(plain) = network.find(|c| !secured.contains(&c.scheme)) {
                    return Err(Late::PlainSink(plain));
                }
            }
        }
        if purpose.required_mask == Mask::None && !counts_only {
            return Ok(());
        }
        let is_guard = |element: &gst::Element| {
            paths::is_counter(element) || !counts_only && at(element, Stage::Exit)
        };
        match paths::unguarded_sink(source, is_guard) {
            None => Ok(()),
            Some(sink) if counts_only => Err(Late::ImagesOut(sink)),
            Some(sink) => Err(Late::Unmasked(sink)),
        }
    }

    /// Says on the bus that the images come over a network unencrypted, where the rules let them.
    pub(super) fn warn_of_sources(&self, opened: &Opened) {
        let Some(carrier) = self.plain_source(opened) else {
            return;
        };
        if let Some(state) = self.running() {
            let refusal = Refusal::from(&Late::PlainSource(carrier));
            let text = state.settings.text(&refusal);
            gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{text}"));
        }
    }

    /// An element from which images come by a transport that the rules do not name.
    fn plain_source(&self, opened: &Opened) -> Option<Carrier> {
        let secured = &opened.rules.transport.clear_sources;
        transport::sources(self.obj().sink_pad())
            .into_iter()
            .find(|carrier| !secured.contains(&carrier.scheme))
    }
}
