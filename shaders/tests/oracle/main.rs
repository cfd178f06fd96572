// SPDX-License-Identifier: MIT OR Apache-2.0
//! The masks on the CPU against a second derivation of what the documentation promises, which shares no
//! code with them: bit by bit over random frames and streams, and against an attacker with many frames.

mod attack;
mod derive;
mod frames;
mod grids;
mod streams;
