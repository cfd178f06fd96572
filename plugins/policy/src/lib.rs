// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may let which images flow, for what, until when: the rules, the mandates and the decision.
//!
//! A mandate starts as a form that a controller fills in, here for publishing one clip:
//!
//! ```toml
//! purpose_id = "comm.public_publication"
//! valid_from = 2026-11-21
//! valid_to = 2026-12-05          # the whole of that day, Paris time
//! [[cameras]]
//! id = "cam-12"
//! insee_code = "38185"
//! place_type = "public_road"
//! ```
//!
//! [`mandate::sign`] turns the form into a [Biscuit] token, [`mandate::verify`] turns the token back into
//! a [`Mandate`] with nothing but a public key, and [`decide`] says whether the images may flow:
//!
//! ```
//! use privacy_policy::{Conditions, Request, Rules, decide};
//! let rules = Rules::builtin();
//! let request = Request { purpose: "refused.facial_recognition", ..Request::at("2026-11-21T12:00:00Z".parse()?) };
//! let refusal = decide(&Conditions::new(&rules), None, &request).unwrap_err();
//! assert_eq!(refusal.code, "BIOMETRICS");
//! assert!(refusal.message_fr.contains("reconnaissance faciale"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything the law dates or counts lives in the rules file (`rules/fr.toml`, embedded, replaceable);
//! the code holds no date and no threshold. Nothing here reads a clock, a file or the network: time is an
//! argument, so every decision can be repeated and tested.
//!
//! [Biscuit]: https://doc.biscuitsec.org/reference/specifications
#![forbid(unsafe_code)]

mod bounds;
pub mod calendar;
mod cases;
mod complete;
mod decide;
mod documents;
mod grant;
pub mod key;
pub mod mandate;
mod people;
mod purpose;
mod refusal;
pub mod revocation;
pub mod rules;
pub mod schedule;
#[cfg(test)]
mod tests;
pub mod time;
mod vocabulary;

pub use bounds::{allowed, needs_second_person};
pub use calendar::Calendar;
pub use decide::{Conditions, Request, decide};
pub use grant::{Anonymisation, FlowLimits, FootageTime, Grant, Notice, StatisticsGrant};
pub use key::{KeyPair, PublicKey};
pub use mandate::{Form, Mandate};
pub use refusal::{Refusal, RefusalText};
pub use revocation::{RevocationError, Revocations};
pub use rules::{Purpose, Rules, RulesError, Status};
pub use vocabulary::{
    Capacity, DetectorUse, Field, Mask, MaskMethod, Mode, Operation, PlaceType, SinkClass,
};
