// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tracking of boxes over frames.
