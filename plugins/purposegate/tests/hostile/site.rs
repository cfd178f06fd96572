// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signed mandates in a temporary folder, gates that use them, and a register that remembers what it was asked.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, Once},
};

use gst::prelude::*;
use gst_check::Harness;
use jiff::{SignedDuration, Timestamp};
use privacy_common::{AuditAnswer, AuditRequest, SingleUse};
use privacy_policy::{Conditions, Form, KeyPair, Rules, key, mandate, needs_second_person};

pub const CAPS: &str = "video/x-raw,format=NV12,width=8,height=8,framerate=10/1";

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstpurposegate::plugin_register_static().unwrap();
    });
}

/// A folder with the authority's public key.
pub struct Site {
    folder: tempfile::TempDir,
    key: KeyPair,
    second: KeyPair,
}

impl Site {
    pub fn new() -> Self {
        init();
        let folder = tempfile::tempdir().unwrap();
        let (key, second) = (key::generate(), key::generate());
        for (name, key) in [("authority.pub", &key), ("second.pub", &second)] {
            let pem = key::public_pem(&key.public()).unwrap();
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
        Self {
            folder,
            key,
            second,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The tests' form of a purpose, brought up to date.
    pub fn form(purpose: &str) -> Form {
        let path = format!(
            "{}/../policy/tests/forms/{purpose}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut form = Form::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        // A mandate knows whole seconds.
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        form.valid_from = now - SignedDuration::from_hours(1);
        form.valid_to = now + SignedDuration::from_hours(24);
        form
    }

    /// Signs a form and gives the properties of an entry gate that uses it.
    pub fn mandate(&self, form: &Form) -> String {
        let rules = Rules::builtin();
        // A mandate names whole seconds.
        let mut form = form.clone();
        for time in [&mut form.valid_from, &mut form.valid_to] {
            *time = Timestamp::from_second(time.as_second()).unwrap();
        }
        let now = Timestamp::now();
        let token = mandate::sign(&form, &Conditions::new(&rules), &self.key, now).unwrap();
        let purpose = rules.purpose(&form.purpose_id).unwrap();
        let token = if needs_second_person(purpose, &form) {
            let keys = [self.key.public()];
            mandate::countersign(&token, &keys, "Adjointe", "permanence", &self.second).unwrap()
        } else {
            token
        };
        std::fs::write(self.path("mandate.biscuit"), token).unwrap();
        format!(
            "purpose={} mandate={} trusted-keys={} cosigner-keys={} camera=cam-12 operator={} sink-class={}",
            form.purpose_id,
            self.text("mandate.biscuit"),
            self.text("authority.pub"),
            self.text("second.pub"),
            form.operators[0].id,
            form.sink_classes[0],
        )
    }

    /// An entry gate for live viewing between two pads, and its register.
    pub fn live_view(&self) -> (Harness, Register) {
        self.gate(&Self::form("vp.live_view.public_road"), "", true)
    }

    /// An entry gate for `form` between two pads, on a source that is live or not.
    pub fn gate(&self, form: &Form, more: &str, live: bool) -> (Harness, Register) {
        let description = format!("purposegate {} {more}", self.mandate(form));
        let gate = gst::parse::launch(&description).unwrap();
        Self::answer_latency(&gate.static_pad("sink").unwrap(), live);
        let register = Register::on(&gate.static_pad("src").unwrap());
        (
            Harness::with_element(&gate, Some("sink"), Some("src")),
            register,
        )
    }

    /// Says for the source before `sink` whether it is live.
    pub fn answer_latency(sink: &gst::Pad, live: bool) {
        sink.add_probe(gst::PadProbeType::QUERY_UPSTREAM, move |_, info| {
            let Some(gst::QueryViewMut::Latency(latency)) = info.query_mut().map(|q| q.view_mut())
            else {
                return gst::PadProbeReturn::Ok;
            };
            latency.set(live, gst::ClockTime::ZERO, gst::ClockTime::NONE);
            gst::PadProbeReturn::Handled
        });
    }
}

/// A register on a pad, which answers as `auditsink` does.
#[derive(Clone, Default)]
pub struct Register(Arc<Mutex<Vec<AuditRequest>>>);

impl Register {
    pub fn on(pad: &gst::Pad) -> Self {
        let register = Self::default();
        let entries = register.0.clone();
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
            let Some(query) = info.query_mut() else {
                return gst::PadProbeReturn::Ok;
            };
            let Some(Ok(request)) = AuditRequest::from_query(query) else {
                return gst::PadProbeReturn::Ok;
            };
            let mut entries = entries.lock().unwrap();
            AuditAnswer::Durable(entries.len() as u64).write(query);
            SingleUse::checked(query);
            entries.push(request);
            gst::PadProbeReturn::Handled
        });
        register
    }

    pub fn operations(&self) -> Vec<String> {
        let entries = self.0.lock().unwrap();
        entries.iter().map(|e| e.operation.clone()).collect()
    }

    /// How many entries there are of refusals with this code.
    pub fn refusals(&self, code: &str) -> usize {
        let code = format!("\"code\":\"{code}\"");
        let entries = self.0.lock().unwrap();
        entries.iter().filter(|e| e.entry.contains(&code)).count()
    }

    pub fn first(&self) -> String {
        self.0.lock().unwrap()[0].entry.clone()
    }

    pub fn last(&self) -> String {
        self.0.lock().unwrap().last().unwrap().entry.clone()
    }
}

/// A frame of grey 77 at `ms` milliseconds.
pub fn frame(ms: u64) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(vec![77u8; 96]);
    buffer
        .get_mut()
        .unwrap()
        .set_pts(gst::ClockTime::from_mseconds(ms));
    buffer
}

/// A bus for an element that stands in no pipeline.
pub fn bus(h: &Harness) -> gst::Bus {
    let bus = gst::Bus::new();
    h.element().unwrap().set_bus(Some(&bus));
    bus
}

/// Text of the first error on a bus.
pub fn error(bus: &gst::Bus) -> Option<String> {
    std::iter::from_fn(|| bus.pop()).find_map(|message| match message.view() {
        gst::MessageView::Error(e) => Some(e.error().to_string()),
        _ => None,
    })
}
