// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attempts to get a clear frame past a gate, to lose a refusal, or to make it fall back in silence.
#![forbid(unsafe_code)]

mod entry;
mod exit;
mod footage;
mod injected;
mod rounds;
mod site;
