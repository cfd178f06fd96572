// SPDX-License-Identifier: MIT OR Apache-2.0
//! Witnesses: others who keep the last size and root of a register and cosign only what continues it, by the
//! [C2SP tlog-witness](https://c2sp.org/tlog-witness) protocol.
//!
//! Whoever holds the key of a register *and* its directory can write a new history, and no look at the directory
//! tells. A witness has seen the old one. It learns the name of the register, how many entries it has and when, and
//! nothing of what is in them. [`WitnessState`] is the witness: plain files and no network, so any HTTP
//! server can stand before it. [`submit_through`] is the other side; `submit` sends over HTTP (Cargo feature
//! `witness-client`).
//!
//! The state of a witness must not be restored from an old copy while its key is in use: it would not know what it
//! has cosigned since.

#[cfg(feature = "witness-client")]
mod http;
mod request;
mod state;
mod submit;

#[cfg(feature = "witness-client")]
pub use http::submit;
pub use request::MAX_REQUEST;
pub use state::{WitnessError, WitnessState};
pub use submit::{Cosigned, SubmitError, WITNESSED, submit_through};

/// Media type of the answer that tells the size which a witness knows.
pub const SIZE_TYPE: &str = "text/x.tlog.size";
/// Media type of every other answer.
const TEXT: &str = "text/plain; charset=utf-8";

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP `Content-Type`; empty where there is none.
    pub content_type: String,
    /// The body. Text.
    pub body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: TEXT.into(),
            body: body.into(),
        }
    }

    fn size(known: u64) -> Self {
        Self {
            status: 409,
            content_type: SIZE_TYPE.into(),
            body: format!("{known}\n").into(),
        }
    }
}
