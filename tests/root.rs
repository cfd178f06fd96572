// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests across elements: one binary, so that one program is linked.
#![forbid(unsafe_code)]

mod chain;
mod forged;
mod frames;
mod interface;
mod joins;
mod law;
mod leak;
mod mask;
mod nothing_of_people;
mod outcomes;
mod proofs;
mod readme;
mod refusals;
