// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `noise.wgsl`: noise of a cell, constant per (key, cell), secret by the seed.

use crate::{Seed, plan::Job};

/// HalfSipHash-2-4 of whole 32-bit words, with a 32-bit result (Aumasson and Bernstein,
/// <https://github.com/veorq/SipHash>). Chosen because it is keyed with 64 bits and made of 32-bit
/// additions, rotations and exclusive ors, all that WGSL has.
pub fn half_sip_hash(key: [u32; 2], words: &[u32]) -> u32 {
    let mut v = [key[0], key[1], 0x6c79_6765 ^ key[0], 0x7465_6462 ^ key[1]];
    for &word in words {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    // The last word holds the length in bytes, and would hold the bytes of a part of a word.
    let end = (4 * words.len() as u32) << 24;
    v[3] ^= end;
    round(&mut v);
    round(&mut v);
    v[0] ^= end;
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[1] ^ v[3]
}

fn round(v: &mut [u32; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(5) ^ v[0];
    v[0] = v[0].rotate_left(16);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(8) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(7) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[2];
    v[2] = v[2].rotate_left(16);
}

/// The noise of the cells of the last region: its planes share it.
#[derive(Default)]
pub(super) struct Noise {
    of: Option<(u64, u32, u32)>,
    bits: Vec<u32>,
}

impl Noise {
    /// For another seed.
    pub fn forget(&mut self) {
        self.of = None;
    }

    /// The noise of row `cy` of the cells of `job`: two bits for each channel of each plane.
    pub fn row(&mut self, seed: Seed, job: &Job, cy: u32) -> &[u32] {
        let of = Some((job.key, job.nx, job.ny));
        if self.of != of {
            self.of = of;
            let seed = [seed.0 as u32, (seed.0 >> 32) as u32];
            let key = [job.key as u32, (job.key >> 32) as u32];
            self.bits.clear();
            self.bits.extend(
                (0..job.nx * job.ny).map(|cell| half_sip_hash(seed, &[key[0], key[1], cell])),
            );
        }
        &self.bits[(cy * job.nx) as usize..][..job.nx as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the reference implementation: key 00 01 … 07, message 00 01 02 … of 0 and 4 bytes.
    #[test]
    fn the_hash_is_half_sip_hash_2_4() {
        let key = [0x0302_0100, 0x0706_0504];
        assert_eq!(
            half_sip_hash(key, &[]).to_le_bytes(),
            [0xa9, 0x35, 0x9f, 0x5b]
        );
        assert_eq!(
            half_sip_hash(key, &[0x0302_0100]).to_le_bytes(),
            [0x2a, 0x6e, 0x46, 0x89]
        );
    }
}
