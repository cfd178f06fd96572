// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/blur.rs. One invocation per word: cells interpolated between their centres.

struct Place {
    cell: u32,
    fraction: u32, // to the next centre, in 1/256
}

fn place(at: u32, n: u32, length: u32) -> Place {
    let position = max((2u * at + 1u) * n * 128u / length, 128u) - 128u;
    let inside = min(position, (n - 1u) * 256u);
    return Place(inside >> 8u, inside & 255u);
}

@compute @workgroup_size(64)
fn blur(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let word = id.y * groups.x * 64u + id.x;
    if (word >= work.words) {
        return;
    }
    let job = work.jobs[job_of_word(word)];
    let row = (word - job.pixels) / job.pitch;
    let column = (word - job.pixels) % job.pitch;
    let down = place(row, job.ny, job.height);
    let upper = job.first_value + down.cell * job.nx * job.channels;
    let lower = job.first_value + min(down.cell + 1u, job.ny - 1u) * job.nx * job.channels;
    var bytes = vec4<u32>();
    for (var lane = 0u; lane < 4u; lane = lane + 1u) {
        let at = column * 4u + lane;
        let channel = at % job.channels;
        let across = place(min(at / job.channels, job.width - 1u), job.nx, job.width);
        let left = across.cell * job.channels + channel;
        let right = min(across.cell + 1u, job.nx - 1u) * job.channels + channel;
        let g = down.fraction;
        let on_left = values[upper + left] * (256u - g) + values[lower + left] * g;
        let on_right = values[upper + right] * (256u - g) + values[lower + right] * g;
        let f = across.fraction;
        bytes[lane] = (on_left * (256u - f) + on_right * f + 0x8000u) >> 16u;
    }
    pixels[word] = pack4xU8(bytes);
}
