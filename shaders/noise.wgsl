// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/noise.rs. HalfSipHash-2-4 of three words: key of the object, number of the cell.

fn rotate_left(value: u32, bits: u32) -> u32 {
    return (value << bits) | (value >> (32u - bits));
}

fn sip_round(state: vec4<u32>) -> vec4<u32> {
    var v = state;
    v.x = v.x + v.y;
    v.y = rotate_left(v.y, 5u) ^ v.x;
    v.x = rotate_left(v.x, 16u);
    v.z = v.z + v.w;
    v.w = rotate_left(v.w, 8u) ^ v.z;
    v.x = v.x + v.w;
    v.w = rotate_left(v.w, 7u) ^ v.x;
    v.z = v.z + v.y;
    v.y = rotate_left(v.y, 13u) ^ v.z;
    v.z = rotate_left(v.z, 16u);
    return v;
}

fn sip_word(state: vec4<u32>, word: u32) -> vec4<u32> {
    var v = state;
    v.w = v.w ^ word;
    v = sip_round(sip_round(v));
    v.x = v.x ^ word;
    return v;
}

fn noise(key_low: u32, key_high: u32, cell: u32) -> u32 {
    let k0 = work.seed_low;
    let k1 = work.seed_high;
    var v = vec4<u32>(k0, k1, 0x6c796765u ^ k0, 0x74656462u ^ k1);
    v = sip_word(v, key_low);
    v = sip_word(v, key_high);
    v = sip_word(v, cell);
    v = sip_word(v, 12u << 24u);
    v.z = v.z ^ 0xffu;
    v = sip_round(sip_round(sip_round(sip_round(v))));
    return v.y ^ v.w;
}
