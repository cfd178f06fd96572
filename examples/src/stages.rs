// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long each element works on a buffer, from GStreamer's own tracing hooks.
//!
//! `latency(flags=element)` of GStreamer measures from pad to pad, so a queue or an encoder's look-ahead
//! counts as time of the element. Here an element's time is that spent in its chain function less that
//! spent in the chain functions it calls, per thread: work, no waiting in queues.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use gst::{glib, prelude::*, subclass::prelude::*};

glib::wrapper! {
    /// Measures from its creation on, in the whole process.
    pub struct StageTimes(ObjectSubclass<imp::StageTimes>) @extends gst::Tracer, gst::Object;
}

impl StageTimes {
    /// Starts measuring.
    pub fn start() -> Self {
        glib::Object::new()
    }

    /// Work per buffer of the element of this path (`pipeline.element`), mean over all of its buffers;
    /// `None` when it has seen none.
    pub fn mean(&self, element: &str) -> Option<Duration> {
        let times = self.imp().times.lock().expect("no holder panics");
        let (total, buffers) = *times.get(element)?;
        total.checked_div(buffers)
    }
}

mod imp {
    use super::*;

    thread_local! {
        /// The chain functions now running on this thread: start, and time spent in those they called.
        static RUNNING: RefCell<Vec<(Instant, Duration)>> = const { RefCell::new(Vec::new()) };
    }

    #[derive(Default)]
    pub struct StageTimes {
        pub times: Mutex<HashMap<String, (Duration, u32)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for StageTimes {
        const NAME: &'static str = "GstPrivacyExampleStageTimes";
        type Type = super::StageTimes;
        type ParentType = gst::Tracer;
    }

    impl ObjectImpl for StageTimes {
        fn constructed(&self) {
            self.parent_constructed();
            self.register_hook(TracerHook::PadChainPre);
            self.register_hook(TracerHook::PadChainPost);
        }
    }

    impl GstObjectImpl for StageTimes {}

    impl TracerImpl for StageTimes {
        fn pad_chain_pre(&self, _: u64, _: &gst::Pad, _: &gst::Buffer) {
            RUNNING.with_borrow_mut(|stack| stack.push((Instant::now(), Duration::ZERO)));
        }

        fn pad_chain_post(
            &self,
            _: u64,
            pad: &gst::Pad,
            _: Result<gst::FlowSuccess, gst::FlowError>,
        ) {
            let Some((start, inner)) = RUNNING.with_borrow_mut(Vec::pop) else {
                return;
            };
            let whole = start.elapsed();
            RUNNING.with_borrow_mut(|stack| {
                if let Some((_, inner_of_caller)) = stack.last_mut() {
                    *inner_of_caller += whole;
                }
            });
            let Some(element) = pad.parent_element() else {
                return;
            };
            let Some(pipeline) = element.parent() else {
                return;
            };
            let path = format!("{}.{}", pipeline.name(), element.name());
            let mut times = self.times.lock().expect("no holder panics");
            let (total, buffers) = times.entry(path).or_default();
            *total += whole.saturating_sub(inner);
            *buffers += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_charged_for_its_own_work_only() {
        gst::init().unwrap();
        let times = StageTimes::start();
        // `slow` sleeps 20 ms in its own chain function, `fast` only hands on to it.
        let description = "videotestsrc num-buffers=5 ! identity name=decode ! \
                           identity name=fast ! identity name=slow sleep-time=20000 ! fakesink";
        crate::run::run(
            "stages",
            description,
            &indicatif::ProgressBar::hidden(),
            &false.into(),
        )
        .unwrap();
        let slow = times.mean("stages.slow").unwrap();
        assert!(slow >= Duration::from_millis(20), "{slow:?}");
        assert!(times.mean("stages.fast").unwrap() < slow);
        assert_eq!(times.mean("stages.absent"), None);
    }
}
