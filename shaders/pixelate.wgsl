// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/pixelate.rs. One invocation per word: flat cells.

@compute @workgroup_size(64)
fn pixelate(
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
    let cy = cell_at(row, job.ny, job.height);
    var bytes = vec4<u32>();
    for (var lane = 0u; lane < 4u; lane = lane + 1u) {
        let at = column * 4u + lane;
        let sample = min(at / job.channels, job.width - 1u);
        let cell = cy * job.nx + cell_at(sample, job.nx, job.width);
        bytes[lane] = values[job.first_value + cell * job.channels + at % job.channels];
    }
    pixels[word] = pack4xU8(bytes);
}
