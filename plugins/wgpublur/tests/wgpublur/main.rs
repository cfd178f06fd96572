// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element as GStreamer sees it.

mod attack;
mod element;
mod flight;
mod formats;
mod hostile;
mod redteam;
mod scaling;
mod support;
mod time;
mod waiting;
mod what;
