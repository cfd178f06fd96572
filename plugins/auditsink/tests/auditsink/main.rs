// SPDX-License-Identifier: MIT OR Apache-2.0
//! The element in a harness and in whole pipelines.

mod crash;
mod encrypted;
mod failures;
mod files;
mod gates;
mod runs;
mod segments;
mod support;
mod waiting;
mod witnessed;
