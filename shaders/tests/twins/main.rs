// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPU twin against a naive oracle, and the GPU against the CPU twin.

mod cpu_twin;
mod gpu_twin;
mod support;
