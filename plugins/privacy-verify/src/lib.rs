// SPDX-License-Identifier: MIT OR Apache-2.0
//! What whoever controls a register runs: [`verify`] all of it, [`check_proof`] of one entry or one frame, and
//! [`check_file`]: is this what was exported?
//!
//! `privacyctl register` has the same commands; the binary `privacy-verify` has nothing else, so that an
//! inspector can carry it, built static, to a machine that has neither GStreamer nor a network:
//!
//! ```sh
//! privacy-verify verify /media/register --key register.pub
//! privacy-verify check-proof entry-12.tlog-proof --key register.pub
//! privacy-verify check-file extract.mkv --register /media/register --key register.pub
//! ```
//!
//! The first line of what is printed is for programs: it ends with `yes` or `NO` in every language. Exit
//! status: 0 proven, 1 not proven, 2 wrong usage.
#![forbid(unsafe_code)]

pub mod check_file;
pub mod check_proof;
pub mod describe;
pub mod french;
pub mod input;
pub mod terminal;
pub mod verify;
pub mod words;
