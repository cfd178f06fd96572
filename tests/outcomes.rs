// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three uses of a municipality that matter, as `examples/outcomes` runs them in a shell, here in one process and
//! also with mandates that the rules would never have let anybody sign.

use gst::prelude::*;
use gst_privacy_tests::{init, root, site::Site, yesterday_noon};

/// A form of `examples/mandates/outcomes`: its name, what it shows, the form that it is made of, and what it says
/// otherwise. An empty replacement takes the table of that name out.
struct Variant {
    name: &'static str,
    shows: &'static str,
    base: &'static str,
    edits: &'static [(&'static str, &'static str)],
}

const VARIANTS: &[Variant] = &[
    Variant {
        name: "candidate",
        shows: "Refused: a publication that serves a candidate (C. élect. L.52-8).",
        base: "publication",
        edits: &[(
            "beneficiary_type = \"public_body\"",
            "beneficiary_type = \"candidate\"",
        )],
    },
    Variant {
        name: "promotional",
        shows: "Refused in an election period: a publication that praises what the municipality did (C. élect. L.52-1).",
        base: "publication",
        edits: &[("promotional = false", "promotional = true")],
    },
    Variant {
        name: "persons_only",
        shows: "Refused: a publication that masks persons and leaves vehicles and their plates clear.",
        base: "publication",
        edits: &[(
            "anonymisation = \"persons+vehicles\"",
            "anonymisation = \"persons\"",
        )],
    },
    Variant {
        name: "municipal_initiative",
        shows: "Refused: municipal police extract on their own initiative, with no requisition (CPP 60-1).",
        base: "requisition",
        edits: &[
            (
                "capacity = \"csu_operator\"",
                "capacity = \"police_municipale\"",
            ),
            ("[requisition]", ""),
        ],
    },
];

impl Variant {
    fn text(&self) -> String {
        let base = root().join(format!("examples/mandates/{}.toml", self.base));
        let mut text = std::fs::read_to_string(base).unwrap();
        for (from, to) in self.edits {
            assert_eq!(text.matches(from).count(), 1, "{}: {from}", self.name);
            if to.is_empty() {
                let start = text.find(from).unwrap();
                let end = text[start..]
                    .find("\n\n")
                    .map_or(text.len(), |n| start + n + 2);
                text.replace_range(start..end, "");
            } else {
                text = text.replace(from, to);
            }
        }
        let (_, rest) = text.split_once('\n').unwrap();
        format!("# {}\n{rest}", self.shows)
    }
}

/// They differ from the lawful form by what they show and nothing else. `UPDATE_SNAPSHOTS=1` writes them anew.
#[test]
fn the_forms_of_the_outcomes_are_the_lawful_ones_but_for_one_thing() {
    for variant in VARIANTS {
        let path = root().join(format!("examples/mandates/outcomes/{}.toml", variant.name));
        let text = variant.text();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{} is not {}.toml with its edits; look at it, then set UPDATE_SNAPSHOTS=1",
            path.display(),
            variant.base
        );
    }
}

/// How a pipeline ended: at its end, or with this error.
fn run(description: &str) -> Result<(), String> {
    init();
    let pipeline = gst::parse::launch(description)
        .unwrap_or_else(|e| panic!("{e}\n{description}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).ok();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    match end.as_ref().map(|m| m.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(e)) => Err(e.error().to_string()),
        _ => panic!("no end within a minute\n{description}"),
    }
}

const LIVE: &str =
    "videotestsrc is-live=true num-buffers=10 ! video/x-raw,width=64,height=48,framerate=25/1";
const RECORDED: &str =
    "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48,framerate=25/1";

struct Case {
    what: &'static str,
    /// `None` when it is lawful.
    code: Option<&'static str>,
    source: &'static str,
    /// Properties of the entry gate that differ from those of the lawful case.
    gate: String,
    mandate: &'static str,
    /// What stands between the gate and the register.
    between: &'static str,
}

fn case(
    code: Option<&'static str>,
    what: &'static str,
    source: &'static str,
    mandate: &'static str,
    gate: &str,
) -> Case {
    Case {
        what,
        code,
        source,
        gate: gate.to_owned(),
        mandate,
        between: "identity",
    }
}

fn outcome(site: &Site, case: &Case) -> Result<(), String> {
    let leak = site.text("leak.raw");
    let _ = std::fs::remove_file(&leak);
    let (purpose, class) = match case.mandate {
        "live_view" => ("vp.live_view.public_road", "csu-display"),
        "publication" | "candidate" | "promotional" | "persons_only" => {
            ("comm.public_publication", "file")
        }
        _ => ("judicial.requisition_extract", "file"),
    };
    let location = if class == "file" || case.gate.contains("sink-class=file") {
        format!("location={leak}")
    } else {
        String::new()
    };
    let ended = run(&format!(
        "{} ! purposegate purpose={purpose} mandate={} trusted-keys={} cosigner-keys={} camera=cam-12 \
         operator=a-0417 sink-class={class} {} ! {} ! auditsink register={} {location}",
        case.source,
        site.text(&format!("mandates/{}.biscuit", case.mandate)),
        site.text("keys/authority.pub"),
        site.text("keys/second.pub"),
        case.gate,
        case.between,
        site.text("register"),
    ));
    if ended.is_err() {
        let written = std::fs::metadata(&leak).map_or(0, |m| m.len());
        assert_eq!(written, 0, "{}: something left", case.what);
    }
    ended
}

/// Runs the cases; each refusal has its code in the error, and in the last entry of the register with its article.
fn table(cases: &[Case], site: &Site) {
    for case in cases {
        let before = site.entries().len();
        let ended = outcome(site, case);
        let entries = site.entries();
        match case.code {
            None => {
                assert_eq!(ended, Ok(()), "{}", case.what);
                assert_eq!(
                    entries.len(),
                    before + 2,
                    "{}: opened and closed",
                    case.what
                );
            }
            Some(code) => {
                let error = ended.expect_err(case.what);
                assert!(error.contains(code), "{}: {error}", case.what);
                let entry = entries.last().unwrap();
                assert!(entries.len() > before, "{}: no entry", case.what);
                assert_eq!(entry["operation"], "refuse", "{}: {entry}", case.what);
                assert_eq!(entry["refusal"]["code"], code, "{}: {entry}", case.what);
                let article = entry["refusal"]["legal_ref"].as_str().unwrap_or_default();
                assert!(!article.is_empty(), "{}: {entry}", case.what);
            }
        }
    }
    site.verify().unwrap();
}

#[test]
fn an_operator_watches_live() {
    let site = Site::new();
    table(
        &[
            case(None, "a listed operator", LIVE, "live_view", ""),
            case(
                Some("NOT_HABILITATED"),
                "an operator whom no act names",
                LIVE,
                "live_view",
                "operator=a-9999",
            ),
            case(
                Some("WRONG_CAMERA"),
                "a camera that the mandate does not name",
                LIVE,
                "live_view",
                "camera=cam-13",
            ),
            case(
                Some("EXTRACTION_NOT_FREE"),
                "a file",
                LIVE,
                "live_view",
                "sink-class=file",
            ),
            case(
                Some("DEFERRED_SOURCE"),
                "a recording",
                RECORDED,
                "live_view",
                "",
            ),
        ],
        &site,
    );
}

#[test]
fn the_communication_service_publishes_masked_clips_alone() {
    let site = Site::new();
    for variant in VARIANTS.iter().filter(|v| v.base == "publication") {
        site.forge(variant.name, variant.base, |datalog| {
            variant.edits.iter().fold(datalog, |text, (from, to)| {
                let fact = |edit: &str| {
                    let (name, value) = edit.split_once(" = ").unwrap();
                    format!("{name}({value});")
                };
                assert!(text.contains(&fact(from)), "{}", fact(from));
                text.replace(&fact(from), &fact(to))
            })
        });
    }
    // Nobody looks for people here, so the whole frame is masked.
    const MASKED: &str = "wgpublur backend=cpu ! purposegate stage=exit";
    let mut masked = case(None, "masked", RECORDED, "publication", "");
    masked.between = MASKED;
    let mut cases = vec![
        masked,
        case(
            Some("UNGUARDED_PATH"),
            "without a mask",
            RECORDED,
            "publication",
            "",
        ),
        case(
            Some("CLEAR_PUBLICATION"),
            "clear, by that name",
            RECORDED,
            "publication",
            "purpose=refused.clear_publication",
        ),
    ];
    for (code, what, mandate) in [
        ("CLEAR_PUBLICATION", "vehicles clear", "persons_only"),
        ("ELECTORAL_PROMOTION", "for a candidate", "candidate"),
    ] {
        cases.push(Case {
            between: MASKED,
            ..case(Some(code), what, RECORDED, mandate, "")
        });
    }
    table(&cases, &site);
}

#[test]
fn a_requisition_is_served_and_nothing_beside_it() {
    let site = Site::new();
    site.forge("municipal_initiative", "requisition", |datalog| {
        let kept = datalog.lines().filter(|l| !l.starts_with("requisition("));
        let text = kept.collect::<Vec<_>>().join("\n");
        text.replace("csu_operator", "police_municipale")
    });
    // The officer whom the requisition is for asks for it, with the magistrate's order in the mandate.
    site.forge("officer", "requisition", |datalog| {
        let text = datalog.replace("csu_operator", "OPJ");
        text.replace(
            "Images de la caméra 12",
            "Recherche d'un visage, sur ordre du juge d'instruction",
        )
    });
    let recorded = format!("footage-start={}", yesterday_noon());
    let with = |more: &str| format!("{recorded} {more}");
    table(
        &[
            case(
                None,
                "the recording that it names",
                RECORDED,
                "requisition",
                &recorded,
            ),
            case(
                Some("WRONG_CAMERA"),
                "a camera that it does not name",
                RECORDED,
                "requisition",
                &with("camera=cam-13"),
            ),
            case(Some("LIVE_SOURCE"), "live", LIVE, "requisition", &recorded),
            case(
                Some("BIOMETRICS"),
                "a face search",
                RECORDED,
                "officer",
                &with("purpose=refused.facial_recognition"),
            ),
            case(
                Some("MUNICIPAL_INITIATIVE"),
                "by municipal police on their own initiative",
                RECORDED,
                "municipal_initiative",
                &recorded,
            ),
        ],
        &site,
    );
}
