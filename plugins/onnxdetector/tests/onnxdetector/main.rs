// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the element `onnxdetector`.

mod clip;
mod element;
mod hostile;
mod onnx;
mod pixels;
mod refusals;
mod support;
