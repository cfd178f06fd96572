// SPDX-License-Identifier: MIT OR Apache-2.0
//! See [`targets::calendar`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::calendar(data));
