// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/solid.rs. One invocation per word: one colour.

@compute @workgroup_size(64)
fn solid(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let word = id.y * groups.x * 64u + id.x;
    if (word >= work.words) {
        return;
    }
    pixels[word] = work.jobs[job_of_word(word)].fill;
}
