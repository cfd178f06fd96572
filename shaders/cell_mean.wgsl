// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/cell_mean.rs. One workgroup per cell: its level in each channel.

const INVOCATIONS: u32 = 64u;

// Sums of the four byte lanes, in two halves of 16 bits: a cell may hold more than 2^32 / 255 samples.
var<workgroup> low: array<vec4<u32>, INVOCATIONS>;
var<workgroup> high: array<vec4<u32>, INVOCATIONS>;

// min(31, (sum + 4 * area) / (8 * area)) with sum = sum_high * 65536 + sum_low, bit by bit, as WGSL
// has no 64-bit integers. Area is below 2^28.
fn quantise(sum_low: u32, sum_high: u32, area: u32) -> u32 {
    let half = 4u * area;
    let carried_low = sum_low + (half & 0xffffu);
    let total_low = carried_low & 0xffffu;
    let total_high = sum_high + (half >> 16u) + (carried_low >> 16u);
    let step = 8u * area;
    var quotient = 0u;
    for (var bit = 16u; bit > 0u; bit = bit >> 1u) {
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
    let moved = quantised + (bits & 1u) + ((bits >> 1u) & 1u);
    return (clamp(moved, 1u, 32u) - 1u) * 8u;
}

@compute @workgroup_size(INVOCATIONS)
fn cell_mean(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let cell = group.y * groups.x + group.x;
    // The same for the whole workgroup, so the barrier below stays in uniform control flow.
    let wanted = min(cell, work.cells - 1u);
    let job = work.jobs[job_of_cell(wanted)];
    let index = wanted - job.first_cell;
    let cx = index % job.nx;
    let cy = index / job.nx;
    let left = edge(cx, job.nx, job.width);
    let right = edge(cx + 1u, job.nx, job.width);
    let top = edge(cy, job.ny, job.height);
    let bottom = edge(cy + 1u, job.ny, job.height);

    let first_byte = left * job.channels;
    let last_byte = right * job.channels;
    let first_word = first_byte / 4u;
    let words = (last_byte + 3u) / 4u - first_word;
    let lanes = vec4<u32>(0u, 1u, 2u, 3u);
    var sum = vec4<u32>();
    for (var i = me; i < words * (bottom - top); i = i + INVOCATIONS) {
        let row = top + i / words;
        let column = first_word + i % words;
        let bytes = unpack4xU8(pixels[job.pixels + row * job.pitch + column]);
        let at = lanes + column * 4u;
        let inside = (at >= vec4(first_byte)) & (at < vec4(last_byte));
        sum = sum + select(vec4<u32>(), bytes, inside);
    }
    low[me] = sum & vec4(0xffffu);
    high[me] = sum >> vec4(16u);
    workgroupBarrier();
    if (me != 0u || cell != wanted) {
        return;
    }
    var sum_low = vec4<u32>();
    var sum_high = vec4<u32>();
    for (var i = 0u; i < INVOCATIONS; i = i + 1u) {
        sum_low = sum_low + low[i];
        sum_high = sum_high + high[i];
    }
    let area = (right - left) * (bottom - top);
    let bits = noise(job.key_low, job.key_high, index) >> job.noise_bit;
    for (var channel = 0u; channel < job.channels; channel = channel + 1u) {
        // Rows begin with a word, so byte lanes and channels go together.
        var channel_low = 0u;
        var channel_high = 0u;
        for (var lane = channel; lane < 4u; lane = lane + job.channels) {
            channel_low = channel_low + sum_low[lane];
            channel_high = channel_high + sum_high[lane];
        }
        var value = 255u;
        if (channel != job.opaque) {
            value = level(quantise(channel_low, channel_high, area), bits >> (2u * channel));
        }
        values[job.first_value + index * job.channels + channel] = value;
    }
}
