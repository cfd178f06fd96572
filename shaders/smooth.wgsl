// SPDX-License-Identifier: MIT OR Apache-2.0
// Twin: cpu/smooth.rs. A Gaussian over the values of the cells, across and then down. One invocation per
// cell. Beyond the edges the values stay what they are there.

const INVOCATIONS: u32 = 64u;

// Into `sums`, in 1/256.
@compute @workgroup_size(INVOCATIONS)
fn smooth_across(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = id.y * groups.x * INVOCATIONS + id.x;
    if (index >= work.cells) {
        return;
    }
    let job = work.jobs[job_of_cell(index)];
    let at = (index - job.first_cell) % job.nx;
    let row = index - at;
    var sum = values[job.weights] * bytes_of(values[index]);
    for (var i = 1u; i <= job.radius; i = i + 1u) {
        let left = values[row + max(at, i) - i];
        let right = values[row + min(at + i, job.nx - 1u)];
        sum = sum + values[job.weights + i] * (bytes_of(left) + bytes_of(right));
    }
    sums[index] = (sum + vec4(0x80u)) >> vec4(8u);
}

// Back into `values`.
@compute @workgroup_size(INVOCATIONS)
fn smooth_down(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = id.y * groups.x * INVOCATIONS + id.x;
    if (index >= work.cells) {
        return;
    }
    let job = work.jobs[job_of_cell(index)];
    let at = (index - job.first_cell) / job.nx;
    let column = index - at * job.nx;
    var sum = values[job.weights] * sums[index];
    for (var i = 1u; i <= job.radius; i = i + 1u) {
        let above = sums[column + (max(at, i) - i) * job.nx];
        let below = sums[column + min(at + i, job.ny - 1u) * job.nx];
        sum = sum + values[job.weights + i] * (above + below);
    }
    let bytes = (sum + vec4(0x800000u)) >> vec4(24u);
    values[index] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}
