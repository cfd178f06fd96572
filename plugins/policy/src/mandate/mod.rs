// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mandates: from a form to a signed token and back.
//!
//! The token is a [Biscuit]; each field of the form is one fact of its first block, printed here in part:
//!
//! ```text
//! purpose_id("comm.public_publication");
//! cameras([{"id": "cam-12", "insee_code": "38185", "place_type": "public_road"}]);
//! valid_to(2026-12-05T23:00:00Z);
//! check if time($now), $now >= 2026-11-20T23:00:00Z, $now < 2026-12-05T23:00:00Z;
//! ```
//!
//! Whoever holds a token can narrow it without the key, by a further block whose checks speak about the
//! request: `check if camera("cam-12") or camera("cam-13")`, `check if time($t), $t < …` and the other forms of
//! [`Restriction`]. A second person countersigns it by a block of their own key with one fact,
//! `countersigned("MANDATE", "NAME", "ROLE")`. A token that holds anything else, such as a fact in a further
//! block, a rule, or a field that this version does not know, is refused as a whole: it might restrict.
//!
//! [Biscuit]: https://doc.biscuitsec.org/reference/specifications

mod form;
mod narrow;
mod papers;
mod recipients;
mod restriction;
mod second;
mod template;
mod token;

pub use form::*;
pub use narrow::{NarrowError, Narrowing, narrow};
pub use papers::*;
pub use recipients::Recipients;
pub use restriction::Restriction;
pub(crate) use restriction::Subject;
pub use second::{CountersignError, Countersignature, countersign};
pub use template::template;
#[cfg(test)]
pub(crate) use token::build;
pub(crate) use token::same_person;
pub use token::{
    MAX_BLOCKS, MAX_TOKEN_BYTES, Mandate, SignError, VerifyError, outline, sign, unverified_source,
    verify,
};
