// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every refusal of a gate is an entry of a real register, with its code and the law that it rests on.

use gstpurposegate::{
    exit::Held, footage::Outside, held::Why, joins::Join, late::Late, media::NotImages,
    transport::Carrier, watch::Closed,
};
use jiff::Timestamp;
use privacy_policy::{Refusal, Request, Rules};
use privacy_register::{Entry, Operation, Reader, Register};

fn refusals(now: Timestamp) -> Vec<Refusal> {
    let carrier = || Carrier {
        element: "stream".into(),
        scheme: "udp".into(),
    };
    let join = |sound| Join {
        element: "mux".into(),
        from: "micro".into(),
        sound,
    };
    let late = [
        Late::UnknownSource,
        Late::Media(NotImages::Sound),
        Late::Media(NotImages::Container),
        Late::Media(NotImages::Unknown("video/x-new".into())),
        Late::FootageTime(now, now),
        Late::Unmasked("leak".into()),
        Late::ImagesOut("leak".into()),
        Late::FileSink("copy".into()),
        Late::NetworkSink("stream".into()),
        Late::PlainSink(carrier()),
        Late::PlainSource(carrier()),
        Late::Joined(join(true)),
        Late::Joined(join(false)),
        Late::TooLarge(None, (1920, 1080)),
        Late::RegisterFailed("full".into()),
        Late::AlreadyUsed(3),
        Late::UseUnchecked,
        Late::NoRegister,
        Late::TwoPurposes,
        Late::UnknownSession,
        Late::MandateGone,
        Late::StreamChanged,
        Late::PropertyLocked("camera".into()),
        Late::Closed(Closed::Expired),
        Late::Closed(Closed::ClockBack),
        Late::Closed(Closed::Upstream),
        Late::Closed(Closed::StreamChanged),
    ];
    let held = [
        Why::Outside(Outside::Unknown),
        Why::Outside(Outside::Time),
        Why::Outside(Outside::Fresh),
        Why::Outside(Outside::Stale),
        Why::Outside(Outside::Kept),
        Why::Mask(Held::NoPurpose),
        Why::Mask(Held::NotMasked),
        Why::Mask(Held::NotScanned),
        Why::Mask(Held::NotWhole),
    ];
    let late = late.iter().map(Refusal::from);
    late.chain(held.iter().map(Why::refusal)).collect()
}

#[test]
fn c5_every_refusal_of_a_gate_is_an_entry_with_its_code_and_the_law() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("register");
    let mut register = Register::init(&dir, "gst-privacy/test").unwrap();
    let now = Timestamp::now();
    let rules = Rules::builtin();
    let refusals = refusals(now);
    for refusal in &refusals {
        let text = refusal.entry("s-1", Some(&rules), None, &Request::at(now));
        let mut entry = Entry::from_json(Operation::Refuse, &text).unwrap();
        entry.session = "s-1".into();
        register
            .append(&entry)
            .unwrap_or_else(|e| panic!("{}: {e}", refusal.code));
    }
    let reader = Reader::open(&dir).unwrap();
    assert_eq!(reader.size(), refusals.len() as u64);
    for (read, refusal) in reader.iter(0..reader.size()).zip(&refusals) {
        let entry: serde_json::Value = serde_json::from_slice(&read.unwrap().1).unwrap();
        assert_eq!(entry["operation"], "refuse");
        assert_eq!(entry["refusal"]["code"], refusal.code);
        assert!(
            !entry["refusal"]["legal_ref"].as_str().unwrap().is_empty(),
            "{}",
            refusal.code
        );
        assert!(!entry["refusal"]["message_fr"].as_str().unwrap().is_empty());
    }
}
