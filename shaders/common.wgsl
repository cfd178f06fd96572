// SPDX-License-Identifier: MIT OR Apache-2.0
// What all shaders share. Set in front of each of them before it is compiled.
//
// The rows of every region lie packed in `pixels`, each beginning with a word of its own, so that an
// invocation owns whole words. Bytes after the end of a row are never looked at.

struct Job {
    pixels: u32,      // first word of the rows
    pitch: u32,       // words per row
    width: u32,       // samples per row
    height: u32,      // rows
    channels: u32,    // bytes per sample: 1, 2 or 4
    nx: u32,          // cells across
    ny: u32,          // cells down
    first_cell: u32,  // cells of the jobs before
    first_value: u32, // first level in `values`
    noise_bit: u32,   // first bit of the noise hash
    key_low: u32,
    key_high: u32,
    opaque: u32,      // byte of a sample that is set to 255; 4 for none
    fill: u32,        // four bytes of a solid fill
    reserved_a: u32,
    reserved_b: u32,
}

struct Work {
    seed_low: u32,
    seed_high: u32,
    jobs_used: u32,
    words: u32,       // of all jobs
    cells: u32,       // of all jobs
    reserved_a: u32,
    reserved_b: u32,
    reserved_c: u32,
    jobs: array<Job>,
}

@group(0) @binding(0) var<storage, read> work: Work;
@group(0) @binding(1) var<storage, read_write> pixels: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;

// Twin: plan::edge
fn edge(i: u32, n: u32, length: u32) -> u32 {
    return i * length / n;
}

// Twin: plan::cell_at, the inverse of edge
fn cell_at(at: u32, n: u32, length: u32) -> u32 {
    return ((at + 1u) * n - 1u) / length;
}

// Last job that begins at or before this word. Every job has words, so it is the job that owns it.
fn job_of_word(word: u32) -> u32 {
    var low = 0u;
    var high = work.jobs_used;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (work.jobs[middle].pixels <= word) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Last job whose cells begin at or before this one.
fn job_of_cell(cell: u32) -> u32 {
    var low = 0u;
    var high = work.jobs_used;
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
