// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element as GStreamer sees it.

mod attack;
mod element;
mod formats;
mod hostile;
mod support;
mod time;
mod what;
