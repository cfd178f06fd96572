// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/cell_mean.rs. The values of cells from the pixels under them: each cell is summed up in one
// or more pieces, and those that have several get their value in a second step. `cell_sum` and
// `cell_mean` give a workgroup to each piece and cell; the two others give them one invocation, without
// barriers, which are slow where a CPU plays GPU.

const INVOCATIONS: u32 = 64u;
const LONERS: u32 = 32u;

// Sums of the four byte lanes, in two halves of 16 bits: a cell may hold more than 2^32 / 255 samples.
struct Halves {
    low: vec4<u32>,
    high: vec4<u32>,
}

var<workgroup> shared_sum: array<vec4<u32>, INVOCATIONS>;
var<workgroup> shared_high: array<vec4<u32>, INVOCATIONS>;

// Last job whose pieces begin at or before this one.
fn job_of_piece(piece: u32) -> u32 {
    var low = 0u;
    var high = work.jobs_measured;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (work.jobs[middle].first_piece <= piece) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Rows of a cell, as words; bytes of the first and the last word that are not the cell's are masked.
struct Piece {
    first: u32, // word
    words: u32, // per row
    rows: u32,
    head: u32,  // mask of the first word
    tail: u32,  // mask of the last
}

fn piece_of(job: Job, index: u32) -> Piece {
    let cell = index / job.pieces;
    let part = index % job.pieces;
    let cx = cell % job.nx;
    let cy = cell / job.nx;
    let top = edge(cy, job.ny, job.height);
    let height = edge(cy + 1u, job.ny, job.height) - top;
    let upper = top + edge(part, job.pieces, height);
    let lower = top + edge(part + 1u, job.pieces, height);
    let first_byte = edge(cx, job.nx, job.width) << job.shift;
    let last_byte = edge(cx + 1u, job.nx, job.width) << job.shift;
    let first_word = first_byte / 4u;
    let words = (last_byte + 3u) / 4u - first_word;
    let head = 0xffffffffu << (8u * (first_byte % 4u));
    let tail = 0xffffffffu >> (8u * ((4u - last_byte % 4u) % 4u));
    return Piece(job.pixels + upper * job.pitch + first_word, words, lower - upper, head, tail);
}

// The word at a place of a piece, without the bytes of other cells.
fn masked(piece: Piece, pitch: u32, row: u32, column: u32) -> u32 {
    var word = pixels[piece.first + row * pitch + column];
    word = select(word, word & piece.head, column == 0u);
    return select(word, word & piece.tail, column + 1u == piece.words);
}

// Bytes 0 and 2, and bytes 1 and 3, in 16 bits each, as four lanes.
fn lanes(even: u32, odd: u32) -> vec4<u32> {
    return vec4<u32>(even & 0xffffu, odd & 0xffffu, even >> 16u, odd >> 16u);
}

// (low + 65536 * high + half) / step, at most 8 bits, bit by bit, as WGSL has no 64-bit integers.
// Half and step are below 2^31.
fn divide(low: u32, high: u32, half: u32, step: u32) -> u32 {
    let carried_low = low + (half & 0xffffu);
    let total_low = carried_low & 0xffffu;
    let total_high = high + (half >> 16u) + (carried_low >> 16u);
    var quotient = 0u;
    for (var bit = 128u; bit > 0u; bit = bit >> 1u) {
        let candidate = quotient | bit;
        let product = candidate * (step & 0xffffu);
        let product_low = product & 0xffffu;
        let product_high = candidate * (step >> 16u) + (product >> 16u);
        if (product_high < total_high || (product_high == total_high && product_low <= total_low)) {
            quotient = candidate;
        }
    }
    return quotient;
}

fn level(quantised: u32, bits: u32) -> u32 {
    let moved = min(quantised, 31u) + (bits & 1u) + ((bits >> 1u) & 1u);
    return (clamp(moved, 1u, 32u) - 1u) * 8u;
}

// What byte `byte` of a sample shows: 0 to 3, the mean of all bytes that say so too; 254, always 0;
// 255, always 255.
fn byte_of_cell(job: Job, byte: u32) -> u32 {
    return (job.bytes >> (8u * byte)) & 255u;
}

// The word of a cell.
fn value(job: Job, cell: u32, sum: Halves) -> u32 {
    let per_sample = 1u << job.shift;
    let cx = cell % job.nx;
    let cy = cell / job.nx;
    let width = edge(cx + 1u, job.nx, job.width) - edge(cx, job.nx, job.width);
    let height = edge(cy + 1u, job.ny, job.height) - edge(cy, job.ny, job.height);
    let bits = noise(job.key_low, job.key_high, cell) >> job.noise_bit;
    var word = 0u;
    for (var byte = 0u; byte < per_sample; byte = byte + 1u) {
        let shown = byte_of_cell(job, byte);
        var result = select(0u, 255u, shown == 255u);
        if (shown < 4u) {
            // Rows begin with a word, so lanes and bytes of a sample go together.
            var low = 0u;
            var high = 0u;
            var times = 0u;
            for (var lane = 0u; lane < 4u; lane = lane + 1u) {
                if (byte_of_cell(job, lane % per_sample) == shown) {
                    low = low + sum.low[lane];
                    high = high + sum.high[lane];
                    times = times + u32(lane < per_sample);
                }
            }
            let area = width * height * times;
            if (job.radius > 0u) {
                result = divide(low, high, area / 2u, area);
            } else {
                result = level(divide(low, high, 4u * area, 8u * area), bits >> (2u * shown));
            }
        }
        word = word | (result << (8u * byte));
    }
    // Repeated to four bytes.
    word = select(word, word * 0x01010101u, job.shift == 0u);
    return select(word, word | (word << 16u), job.shift == 1u);
}

// Puts the sum of a piece where it is needed. A cell in one piece needs no second step.
fn keep(job: Job, index: u32, sum: vec4<u32>) {
    if (job.pieces == 1u) {
        let cell = index - job.first_piece;
        let halves = Halves(sum & vec4(0xffffu), sum >> vec4(16u));
        values[job.first_cell + cell] = value(job, cell, halves);
    } else {
        sums[index] = sum;
    }
}

@compute @workgroup_size(INVOCATIONS)
fn cell_sum(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let index = group.y * groups.x + group.x;
    // The same for the whole workgroup, so the barriers below stay in uniform control flow.
    let wanted = min(index, work.pieces - 1u);
    let job = work.jobs[job_of_piece(wanted)];
    let piece = piece_of(job, wanted - job.first_piece);

    let rows_on = INVOCATIONS / piece.words;
    let columns_on = INVOCATIONS % piece.words;
    var row = me / piece.words;
    var column = me % piece.words;
    var sum = vec4<u32>();
    while (row < piece.rows) {
        var even = 0u;
        var odd = 0u;
        // 257 bytes fill 16 bits.
        for (var i = 0u; i < 256u && row < piece.rows; i = i + 1u) {
            let word = masked(piece, job.pitch, row, column);
            even = even + (word & 0xff00ffu);
            odd = odd + ((word >> 8u) & 0xff00ffu);
            row = row + rows_on;
            column = column + columns_on;
            if (column >= piece.words) {
                column = column - piece.words;
                row = row + 1u;
            }
        }
        sum = sum + lanes(even, odd);
    }
    shared_sum[me] = sum;
    for (var half = INVOCATIONS / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if (me < half) {
            shared_sum[me] = shared_sum[me] + shared_sum[me + half];
        }
    }
    if (me == 0u && index == wanted) {
        keep(job, index, shared_sum[0]);
    }
}

@compute @workgroup_size(INVOCATIONS)
fn cell_mean(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let index = group.y * groups.x + group.x;
    let wanted = min(index, work.cells - 1u);
    let job = work.jobs[job_of_cell(wanted)];
    let cell = wanted - job.first_cell;
    var low = vec4<u32>();
    var high = vec4<u32>();
    for (var i = me; i < job.pieces; i = i + INVOCATIONS) {
        let part = sums[job.first_piece + cell * job.pieces + i];
        low = low + (part & vec4(0xffffu));
        high = high + (part >> vec4(16u));
    }
    shared_sum[me] = low;
    shared_high[me] = high;
    for (var half = INVOCATIONS / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if (me < half) {
            shared_sum[me] = shared_sum[me] + shared_sum[me + half];
            shared_high[me] = shared_high[me] + shared_high[me + half];
        }
    }
    if (me == 0u && index == wanted && job.pieces > 1u) {
        values[index] = value(job, cell, Halves(shared_sum[0], shared_high[0]));
    }
}

@compute @workgroup_size(LONERS)
fn cell_sum_alone(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = id.y * groups.x * LONERS + id.x;
    if (index >= work.pieces) {
        return;
    }
    let job = work.jobs[job_of_piece(index)];
    let piece = piece_of(job, index - job.first_piece);
    var sum = vec4<u32>();
    for (var row = 0u; row < piece.rows; row = row + 1u) {
        var column = 0u;
        while (column < piece.words) {
            var even = 0u;
            var odd = 0u;
            let end = min(column + 256u, piece.words);
            for (; column < end; column = column + 1u) {
                let word = masked(piece, job.pitch, row, column);
                even = even + (word & 0xff00ffu);
                odd = odd + ((word >> 8u) & 0xff00ffu);
            }
            sum = sum + lanes(even, odd);
        }
    }
    keep(job, index, sum);
}

@compute @workgroup_size(LONERS)
fn cell_mean_alone(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = id.y * groups.x * LONERS + id.x;
    if (index >= work.cells) {
        return;
    }
    let job = work.jobs[job_of_cell(index)];
    if (job.pieces == 1u) {
        return;
    }
    let cell = index - job.first_cell;
    var low = vec4<u32>();
    var high = vec4<u32>();
    for (var i = 0u; i < job.pieces; i = i + 1u) {
        let part = sums[job.first_piece + cell * job.pieces + i];
        low = low + (part & vec4(0xffffu));
        high = high + (part >> vec4(16u));
    }
    values[index] = value(job, cell, Halves(low, high));
}
