// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface of the five elements is a committed text, `interface.txt`: whoever changes a property,
//! a default or caps sees it in the diff, and so does everybody who builds on it.

use std::fmt::Write as _;

use gst::{glib, prelude::*};
use gst_privacy_tests::{ELEMENTS, init, root};

#[test]
fn the_interface_is_the_committed_one() {
    init();
    let mut now = String::new();
    for name in ELEMENTS {
        describe(name, &mut now).unwrap();
    }
    let path = root().join("tests/interface.txt");
    if std::env::var_os("UPDATE_INTERFACE").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    for (line, (a, b)) in committed.lines().zip(now.lines()).enumerate() {
        assert_eq!(
            a,
            b,
            "tests/interface.txt:{}: the interface changed; if that is meant, run the tests with UPDATE_INTERFACE=1 and say so in CHANGELOG.md",
            line + 1
        );
    }
    assert_eq!(committed.lines().count(), now.lines().count());
}

#[test]
fn every_property_has_a_nick_and_one_sentence() {
    init();
    for name in ELEMENTS {
        let element = gst::ElementFactory::make(name).build().unwrap();
        for spec in own_properties(&element) {
            let blurb = spec.blurb().unwrap_or_default().to_owned();
            let property = format!("{name}.{}", spec.name());
            assert!(!spec.nick().is_empty(), "{property} has no nick");
            assert!(
                blurb.chars().count() > 10 && !blurb.contains('\n'),
                "{property}: \"{blurb}\" is no sentence"
            );
        }
    }
}

#[test]
fn no_element_is_ever_chosen_by_autoplugging() {
    init();
    for name in ELEMENTS {
        let factory = gst::ElementFactory::find(name).unwrap();
        assert_eq!(factory.rank(), gst::Rank::NONE, "{name}");
    }
}

#[test]
fn g4_no_property_switches_a_refusal_off() {
    init();
    for name in ELEMENTS {
        let element = gst::ElementFactory::make(name).build().unwrap();
        for spec in own_properties(&element) {
            for word in [
                "override", "force", "bypass", "insecure", "unsafe", "recogni", "embed", "alert",
            ] {
                assert!(!spec.name().contains(word), "{name}.{}", spec.name());
            }
        }
    }
}

/// Properties that the element adds to its base class.
fn own_properties(element: &gst::Element) -> Vec<glib::ParamSpec> {
    let mut specs: Vec<_> = element
        .list_properties()
        .iter()
        .filter(|spec| spec.owner_type() == element.type_())
        .cloned()
        .collect();
    specs.sort_by(|a, b| a.name().cmp(b.name()));
    specs
}

fn describe(name: &str, out: &mut String) -> std::fmt::Result {
    let factory = gst::ElementFactory::find(name).unwrap();
    let element = factory.create().build().unwrap();
    writeln!(out, "{name}")?;
    writeln!(out, "  type {}", element.type_())?;
    writeln!(
        out,
        "  class {}",
        factory.metadata("klass").unwrap_or_default()
    )?;
    let list = factory.static_pad_templates();
    let mut templates: Vec<_> = list.iter().collect();
    templates.sort_by_key(|t| t.name_template().to_owned());
    for template in templates {
        writeln!(
            out,
            "  pad {} {:?} {:?}",
            template.name_template(),
            template.direction(),
            template.presence()
        )?;
        for structure in template.caps().iter() {
            writeln!(out, "    {structure}")?;
        }
    }
    for spec in own_properties(&element) {
        let value = spec.default_value();
        let default = if value.type_().is_a(gst::Structure::static_type()) {
            // Turning a structure that is not there into text is a critical warning in GStreamer.
            String::from("null")
        } else if let Some((_, value)) = glib::EnumValue::from_value(value) {
            value.nick().to_owned()
        } else {
            let text = value.transform::<String>().ok();
            let text = text.and_then(|v| v.get::<Option<String>>().ok().flatten());
            format!("{:?}", text.unwrap_or_default())
        };
        writeln!(
            out,
            "  property {} {} {}{} default {default}{}",
            spec.name(),
            spec.value_type(),
            access(&spec),
            mutability(&spec),
            range(&spec),
        )?;
        writeln!(out, "    {}", spec.blurb().unwrap_or_default())?;
    }
    Ok(())
}

fn access(spec: &glib::ParamSpec) -> &'static str {
    let flags = spec.flags();
    match (
        flags.contains(glib::ParamFlags::READABLE),
        flags.contains(glib::ParamFlags::WRITABLE),
    ) {
        (true, true) => "read/write",
        (true, false) => "read",
        _ => "write",
    }
}

fn mutability(spec: &glib::ParamSpec) -> &'static str {
    let flags = spec.flags();
    if !flags.contains(glib::ParamFlags::WRITABLE) {
        ""
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PLAYING) {
        " playing"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_PAUSED) {
        " paused"
    } else if flags.contains(gst::PARAM_FLAG_MUTABLE_READY) {
        " ready"
    } else {
        " null"
    }
}

fn range(spec: &glib::ParamSpec) -> String {
    macro_rules! numeric {
        ($($kind:ty),+) => {
            $(if let Some(s) = spec.downcast_ref::<$kind>() {
                return format!(" range {}..={}", s.minimum(), s.maximum());
            })+
        };
    }
    numeric!(
        glib::ParamSpecInt,
        glib::ParamSpecUInt,
        glib::ParamSpecInt64,
        glib::ParamSpecUInt64,
        glib::ParamSpecFloat,
        glib::ParamSpecDouble
    );
    if let Some(s) = spec.downcast_ref::<glib::ParamSpecEnum>() {
        let values: Vec<_> = s
            .enum_class()
            .values()
            .iter()
            .map(|v| v.nick().to_owned())
            .collect();
        return format!(" one of {}", values.join("|"));
    }
    String::new()
}
