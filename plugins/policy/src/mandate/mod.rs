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
//! request: `check if camera("cam-12")`, `check if operator("a-0417")`, `check if sink_class("file")`,
//! `check if purpose("…")`, `check if time($t), $t < …`. Facts in further blocks are never read.
//!
//! [Biscuit]: https://doc.biscuitsec.org/reference/specifications

mod form;
mod papers;
mod template;
mod token;

pub use form::*;
pub use papers::*;
pub use template::template;
#[cfg(test)]
pub(crate) use token::build;
pub use token::{
    MAX_TOKEN_BYTES, Mandate, NarrowError, Narrowing, SignError, VerifyError, narrow, sign,
    unverified_source, verify,
};
