// SPDX-License-Identifier: MIT OR Apache-2.0
// Twins: cpu/solid.rs, cpu/pixelate.rs and cpu/blur.rs. One invocation per column of words and block of
// rows, one workgroup for invocations of one job: whatever the job, one dispatch paints them all.

const INVOCATIONS: u32 = 64u;

// Last job whose workgroups begin at or before this one.
fn job_of_group(group: u32) -> u32 {
    var low = 0u;
    var high = work.jobs_used;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (work.jobs[middle].first_group <= group) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Twin: plan::cell_at, the inverse of edge
fn cell_at(at: u32, n: u32, length: u32) -> u32 {
    return ((at + 1u) * n - 1u) / length;
}

// Samples that the four bytes of a word belong to.
fn samples(job: Job, column: u32) -> vec4<u32> {
    let bytes = vec4<u32>(column * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return min(bytes >> vec4(job.shift), vec4(job.width - 1u));
}

// Bytes of four cells, each at its own lane.
fn pick(first: u32, cells: vec4<u32>) -> u32 {
    if (cells.x == cells.w) {
        return values[first + cells.x];
    }
    return (values[first + cells.x] & 0xffu)
        | (values[first + cells.y] & 0xff00u)
        | (values[first + cells.z] & 0xff0000u)
        | (values[first + cells.w] & 0xff000000u);
}

fn bytes_of(word: u32) -> vec4<u32> {
    return (vec4(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4(0xffu);
}

// Cells before a place, and how far it is to the next one's centre, in 1/256.
fn inside(position: u32, n: u32) -> u32 {
    return min(max(position, 128u) - 128u, (n - 1u) * 256u);
}

// Four bytes of a row of cells, interpolated across, in 8.8.
fn across(first: u32, left: vec4<u32>, right: vec4<u32>, fraction: vec4<u32>) -> vec4<u32> {
    return bytes_of(pick(first, left)) * (vec4(256u) - fraction)
        + bytes_of(pick(first, right)) * fraction;
}

fn paint_flat(job: Job, column: u32, top: u32, bottom: u32) {
    let sample = samples(job, column);
    let cells = vec4<u32>(
        cell_at(sample.x, job.nx, job.width),
        cell_at(sample.y, job.nx, job.width),
        cell_at(sample.z, job.nx, job.width),
        cell_at(sample.w, job.nx, job.width),
    );
    var at = job.pixels + top * job.pitch + column;
    var row = top;
    for (var cy = cell_at(top, job.ny, job.height); row < bottom; cy = cy + 1u) {
        let word = pick(job.first_cell + cy * job.nx, cells);
        let end = min(bottom, edge(cy + 1u, job.ny, job.height));
        for (; row < end; row = row + 1u) {
            pixels[at] = word;
            at = at + job.pitch;
        }
    }
}

fn paint_smooth(job: Job, column: u32, top: u32, bottom: u32) {
    let twice = 2u * samples(job, column) + vec4(1u);
    let position = twice * (job.nx * 128u) / vec4(job.width);
    let limit = vec4((job.nx - 1u) * 256u);
    let placed = min(max(position, vec4(128u)) - vec4(128u), limit);
    let left = placed >> vec4(8u);
    let right = min(left + vec4(1u), vec4(job.nx - 1u));
    let fraction = placed & vec4(255u);

    // The position of a row is a quotient that grows by the same every row.
    let start = (2u * top + 1u) * job.ny * 128u;
    var quotient = start / job.height;
    var rest = start % job.height;
    let step = job.ny * 256u;
    let step_quotient = step / job.height;
    let step_rest = step % job.height;

    var known = 0xffffffffu;
    var upper = vec4<u32>();
    var lower = vec4<u32>();
    var at = job.pixels + top * job.pitch + column;
    for (var row = top; row < bottom; row = row + 1u) {
        let down = inside(quotient, job.ny);
        let cy = down >> 8u;
        if (cy != known) {
            known = cy;
            let below = min(cy + 1u, job.ny - 1u);
            upper = across(job.first_cell + cy * job.nx, left, right, fraction);
            lower = across(job.first_cell + below * job.nx, left, right, fraction);
        }
        let g = down & 255u;
        let bytes = (upper * (256u - g) + lower * g + vec4(0x8000u)) >> vec4(16u);
        pixels[at] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
        at = at + job.pitch;
        quotient = quotient + step_quotient;
        rest = rest + step_rest;
        if (rest >= job.height) {
            rest = rest - job.height;
            quotient = quotient + 1u;
        }
    }
}

@compute @workgroup_size(INVOCATIONS)
fn paint(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let group = id.y * groups.x + id.x;
    if (group >= work.groups) {
        return;
    }
    let job = work.jobs[job_of_group(group)];
    let unit = (group - job.first_group) * INVOCATIONS + me;
    let column = unit % job.pitch;
    let top = unit / job.pitch * job.block;
    if (top >= job.height) {
        return;
    }
    let bottom = min(top + job.block, job.height);
    if (job.kind == FLAT) {
        paint_flat(job, column, top, bottom);
    } else if (job.kind == SMOOTH) {
        paint_smooth(job, column, top, bottom);
    } else {
        for (var row = top; row < bottom; row = row + 1u) {
            pixels[job.pixels + row * job.pitch + column] = job.fill;
        }
    }
}
