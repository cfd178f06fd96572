// SPDX-License-Identifier: MIT OR Apache-2.0
// What all shaders share. Set in front of each of them before it is compiled.
//
// The rows of every region lie packed in `pixels`, each beginning with a word of its own, so that an
// invocation owns whole words. Samples take 1, 2 or 4 bytes; those of 3 bytes are widened when they are
// packed. Bytes after the end of a row are never looked at.
//
// A cell is one word of `values`: its sample, repeated to four bytes. So byte i of any word of a row
// shows byte i of the cell that it lies in, whatever the format.
//
// Jobs whose cells are to be measured come first, so that their pixels, cells and pieces lie together.

const SOLID: u32 = 0u;
const FLAT: u32 = 1u;
const SMOOTH: u32 = 2u;

struct Job {
    pixels: u32,      // first word of the rows
    pitch: u32,       // words per row
    width: u32,       // samples per row
    height: u32,      // rows
    shift: u32,       // a sample has 1 << shift bytes
    kind: u32,        // SOLID, FLAT or SMOOTH
    fill: u32,        // four bytes of a solid fill
    nx: u32,          // cells across
    ny: u32,          // cells down
    first_cell: u32,  // cells of the jobs before
    first_group: u32, // workgroups of the jobs before, when painting
    block: u32,       // rows painted by one invocation
    first_piece: u32, // pieces of the jobs before
    pieces: u32,      // pieces that a cell is measured in
    bytes: u32,       // what each byte of a sample shows, as in `byte_of_cell`
    noise_bit: u32,   // first bit of the noise hash
    key_low: u32,
    key_high: u32,
    radius: u32,      // of the Gaussian over the cells; 0 for levels with noise instead
    weights: u32,     // where its weights begin in `values`, the centre first
}

struct Work {
    seed_low: u32,
    seed_high: u32,
    jobs_used: u32,
    jobs_measured: u32, // of those, the first
    cells: u32,         // measured
    pieces: u32,        // measured
    groups: u32,        // to paint
    reserved: u32,
    jobs: array<Job>,
}

@group(0) @binding(0) var<storage, read> work: Work;
@group(0) @binding(1) var<storage, read_write> pixels: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<vec4<u32>>;

// Twin: plan::edge
fn edge(i: u32, n: u32, length: u32) -> u32 {
    return i * length / n;
}

// Last job whose cells begin at or before this one.
fn job_of_cell(cell: u32) -> u32 {
    var low = 0u;
    var high = work.jobs_measured;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (work.jobs[middle].first_cell <= cell) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

fn bytes_of(word: u32) -> vec4<u32> {
    return (vec4(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4(0xffu);
}
