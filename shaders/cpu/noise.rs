// SPDX-License-Identifier: MIT OR Apache-2.0
//! Twin of `noise.wgsl`: noise of a cell, constant per (key, cell), secret by the seed.

use crate::{Seed, plan::Job};

/// HalfSipHash-2-4 of whole 32-bit words, with a 32-bit result (Aumasson and Bernstein,
/// <https://github.com/veorq/SipHash>). Chosen because it is keyed with 64 bits and made of 32-bit
/// additions, rotations and exclusive ors, all that WGSL has.
pub fn half_sip_hash(key: [u32; 2], words: &[u32]) -> u32 {
    let [hash] = hashes(key, words.iter().map(|&word| [word]));
    hash
}

/// Hashes of several texts of the same length, side by side.
#[inline(always)]
fn hashes<const N: usize>(
    [k0, k1]: [u32; 2],
    words: impl ExactSizeIterator<Item = [u32; N]>,
) -> [u32; N] {
    // The last word holds the length in bytes, and would hold the bytes of a part of a word.
    let end = [(4 * words.len() as u32) << 24; N];
    let mut v = [k0, k1, 0x6c79_6765 ^ k0, 0x7465_6462 ^ k1].map(|word| [word; N]);
    for word in words.chain([end]) {
        for (v, word) in v[3].iter_mut().zip(word) {
            *v ^= word;
        }
        round(&mut v);
        round(&mut v);
        for (v, word) in v[0].iter_mut().zip(word) {
            *v ^= word;
        }
    }
    for v in &mut v[2] {
        *v ^= 0xff;
    }
    for _ in 0..4 {
        round(&mut v);
    }
    std::array::from_fn(|i| v[1][i] ^ v[3][i])
}

#[inline(always)]
fn round<const N: usize>([a, b, c, d]: &mut [[u32; N]; 4]) {
    for i in 0..N {
        a[i] = a[i].wrapping_add(b[i]);
        b[i] = b[i].rotate_left(5) ^ a[i];
        a[i] = a[i].rotate_left(16);
        c[i] = c[i].wrapping_add(d[i]);
        d[i] = d[i].rotate_left(8) ^ c[i];
        a[i] = a[i].wrapping_add(d[i]);
        d[i] = d[i].rotate_left(7) ^ a[i];
        c[i] = c[i].wrapping_add(b[i]);
        b[i] = b[i].rotate_left(13) ^ c[i];
        c[i] = c[i].rotate_left(16);
    }
}

/// Cells whose noise is made at a time.
const LANES: u32 = 16;

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
    #[inline(always)]
    pub fn row(&mut self, seed: Seed, job: &Job, cy: u32) -> &[u32] {
        let of = Some((job.key, job.nx, job.ny));
        if self.of != of {
            self.of = of;
            let seed = [seed.0 as u32, (seed.0 >> 32) as u32];
            let key = [job.key as u32, (job.key >> 32) as u32];
            self.bits.clear();
            for first in (0..job.nx * job.ny).step_by(LANES as usize) {
                // Those after the last cell are made and never asked for.
                let cells: [u32; LANES as usize] = std::array::from_fn(|i| first + i as u32);
                let words = [[key[0]; LANES as usize], [key[1]; LANES as usize], cells];
                self.bits.extend(hashes(seed, words.into_iter()));
            }
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
