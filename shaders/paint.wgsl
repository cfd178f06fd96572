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

// Cells before a place, and how far it is to the next one's centre, in 1/256.
fn inside(position: u32, n: u32) -> u32 {
    return min(max(position, 128u) - 128u, (n - 1u) * 256u);
}

// Four bytes of a row of cells, interpolated across, in 8.8.
fn across(first: u32, left: vec4<u32>, right: vec4<u32>, fraction: vec4<u32>) -> vec4<u32> {
    return bytes_of(pick(first, left)) * (vec4(256u) - fraction)
        + bytes_of(pick(first, right)) * fraction;
}

// Rows of one word.
fn fill(first: u32, pitch: u32, rows: u32, word: u32) {
    var at = first;
    var left = rows;
    for (; left >= 4u; left = left - 4u) {
        pixels[at] = word;
        pixels[at + pitch] = word;
        pixels[at + 2u * pitch] = word;
        pixels[at + 3u * pitch] = word;
        at = at + 4u * pitch;
    }
    for (; left > 0u; left = left - 1u) {
        pixels[at] = word;
        at = at + pitch;
    }
}

fn paint_flat(job: Job, column: u32, top: u32, bottom: u32) {
    let sample = samples(job, column);
    let cells = vec4<u32>(
        cell_at(sample.x, job.nx, job.width),
        cell_at(sample.y, job.nx, job.width),
        cell_at(sample.z, job.nx, job.width),
        cell_at(sample.w, job.nx, job.width),
    );
    let first = job.pixels + column;
    var row = top;
    for (var cy = cell_at(top, job.ny, job.height); row < bottom; cy = cy + 1u) {
        let word = pick(job.first_cell + cy * job.nx, cells);
        let end = min(bottom, edge(cy + 1u, job.ny, job.height));
        fill(first + row * job.pitch, job.pitch, end - row, word);
        row = end;
    }
}

// A quotient and what is left of the division.
struct Place {
    quotient: u32,
    rest: u32,
}

fn advance(place: Place, step: Place, divisor: u32) -> Place {
    let rest = place.rest + step.rest;
    let carry = u32(rest >= divisor);
    return Place(place.quotient + step.quotient + carry, rest - carry * divisor);
}

fn blend(base: vec4<u32>, slope: vec4<u32>, down: u32) -> u32 {
    let bytes = (base + slope * (down & 255u)) >> vec4(16u);
    return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

fn paint_smooth(job: Job, column: u32, top: u32, bottom: u32) {
    let twice = 2u * samples(job, column) + vec4(1u);
    let position = twice * (job.nx * 128u) / vec4(job.width);
    let limit = vec4((job.nx - 1u) * 256u);
    let placed = min(max(position, vec4(128u)) - vec4(128u), limit);
    let left = placed >> vec4(8u);
    let right = min(left + vec4(1u), vec4(job.nx - 1u));
    let fraction = placed & vec4(255u);

    let cells = job.ny * 128u;
    let start = (2u * top + 1u) * cells;
    // The position of a row is a quotient that grows by the same every row.
    var place = Place(start / job.height, start % job.height);
    let step = Place(2u * cells / job.height, 2u * cells % job.height);

    var at = job.pixels + top * job.pitch + column;
    var row = top;
    while (row < bottom) {
        let cy = inside(place.quotient, job.ny) >> 8u;
        let below = min(cy + 1u, job.ny - 1u);
        let upper = across(job.first_cell + cy * job.nx, left, right, fraction);
        let lower = across(job.first_cell + below * job.nx, left, right, fraction);
        let base = upper * 256u + vec4(0x8000u);
        // May be negative, and adds up to what it should all the same.
        let slope = lower - upper;
        // The first row at or after the next centre; there is none after the last.
        let next = (cy * 256u + 384u) * job.height;
        let end = select(min((next + cells - 1u) / cells / 2u, bottom), bottom, cy == below);
        for (; row + 2u <= end; row = row + 2u) {
            pixels[at] = blend(base, slope, inside(place.quotient, job.ny));
            place = advance(place, step, job.height);
            pixels[at + job.pitch] = blend(base, slope, inside(place.quotient, job.ny));
            place = advance(place, step, job.height);
            at = at + 2u * job.pitch;
        }
        if (row < end) {
            pixels[at] = blend(base, slope, inside(place.quotient, job.ny));
            place = advance(place, step, job.height);
            at = at + job.pitch;
            row = row + 1u;
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
        fill(job.pixels + top * job.pitch + column, job.pitch, bottom - top, job.fill);
    }
}
