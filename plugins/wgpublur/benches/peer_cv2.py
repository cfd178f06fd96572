#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Times OpenCV's filters and our masks in turns on the same frames; benches/against-opencv calls it.

OpenCV gets one thread and destinations that are there already, and is measured on the same picture twice: as BGR,
which is what its users have, and on the planes of NV12, with half the radius on the half-size chroma, which is
what our masks work on. Before anything is timed, our pixelated frame is compared byte by byte with the same worked
out here from the clear one.
"""
import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

WIDTH, HEIGHT, CELLS = 1920, 1080, 6
FRAMES = 16  # 50 MB of NV12, 100 MB of BGR: more than a cache holds


def pictures(clip):
    """FRAMES pictures as BGR, and what they show."""
    capture = cv2.VideoCapture(clip) if os.path.exists(clip) else None
    frames = []
    while capture is not None and len(frames) < FRAMES:
        there, frame = capture.read()
        if not there:
            break
        frames.append(cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    if len(frames) == FRAMES:
        return frames, "vtest.avi at 1920x1080"
    print(f"{clip} is missing, run ./examples/fetch-assets: measured on noise over a gradient instead")
    random = np.random.default_rng(1)
    ramp = np.linspace(0, 191, WIDTH, dtype=np.float32)[None, :, None]
    return [
        (ramp + random.integers(0, 64, (HEIGHT, WIDTH, 3))).astype(np.uint8) for _ in range(FRAMES)
    ], "noise over a gradient"


def nv12(bgr):
    """Luma and interleaved chroma of a picture."""
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    luma, quarter = i420[:HEIGHT], WIDTH * HEIGHT // 4
    u, v = i420[HEIGHT:].reshape(2, quarter)
    chroma = np.stack([u, v], axis=1).reshape(HEIGHT // 2, WIDTH // 2, 2)
    return np.ascontiguousarray(luma), np.ascontiguousarray(chroma)


class Ours:
    """Our side, in a process of its own."""

    def __init__(self, program, frames):
        arguments = [program, frames, str(WIDTH), str(HEIGHT)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f"error: our side ended at the order \"{order}\"; its message is above")
        return answer

    def times(self, mode):
        return [int(word) / 1e6 for word in self.ask(f"time {mode} {CELLS}").split()]

    def masked(self, mode, frame, seed, key, path):
        self.ask(f"dump {mode} {CELLS} {frame} {seed} {key} {path}")
        raw = np.fromfile(path, np.uint8)
        return raw[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH), raw[WIDTH * HEIGHT :].reshape(
            HEIGHT // 2, WIDTH // 2, 2
        )


def half_sip_hash_2_4(key, words):
    """HalfSipHash-2-4 of 32-bit words, with a 32-bit result, after the paper of Aumasson and Bernstein."""
    mask = 0xFFFFFFFF
    rotate = lambda x, n: ((x << n) | (x >> (32 - n))) & mask
    a, b, c, d = key[0], key[1], key[0] ^ 0x6C796765, key[1] ^ 0x74656462

    def rounds(n):
        nonlocal a, b, c, d
        for _ in range(n):
            a = (a + b) & mask
            b = rotate(b, 5) ^ a
            a = rotate(a, 16)
            c = (c + d) & mask
            d = rotate(d, 8) ^ c
            a = (a + d) & mask
            d = rotate(d, 7) ^ a
            c = (c + b) & mask
            b = rotate(b, 13) ^ c
            c = rotate(c, 16)

    for word in [*words, (4 * len(words) << 24) & mask]:
        d ^= word
        rounds(2)
        a ^= word
    c ^= 0xFF
    rounds(4)
    return b ^ d


def pixelated(plane, first_bit, seed, key):
    """A plane masked as a whole, from the description in the documentation of privacy_shaders alone."""
    height, width = plane.shape[:2]
    samples = plane.reshape(height, width, -1)
    out = np.empty_like(samples)
    # About square cells, CELLS of them along the longer side of the frame.
    across = [CELLS * side / max(WIDTH, HEIGHT) for side in (WIDTH, HEIGHT)]
    nx, ny = (max(1, int(n + 0.5)) for n in across)
    for cell in range(nx * ny):
        cy, cx = divmod(cell, nx)
        rows = slice(cy * height // ny, (cy + 1) * height // ny)
        columns = slice(cx * width // nx, (cx + 1) * width // nx)
        part = samples[rows, columns].astype(np.int64)
        noise = half_sip_hash_2_4(
            (seed & 0xFFFFFFFF, seed >> 32), (key & 0xFFFFFFFF, key >> 32, cell)
        )
        for channel in range(samples.shape[2]):
            count = part[:, :, channel].size
            # The nearest of 32 levels, then two bits that each move it half a step on average.
            level = min(31, (int(part[:, :, channel].sum()) + 4 * count) // (8 * count))
            bits = noise >> (first_bit + 2 * channel)
            level += (bits & 1) + (bits >> 1 & 1) - 1
            out[rows, columns, channel] = 8 * min(31, max(0, level))
    return out.reshape(plane.shape)


def check(ours, planes, folder):
    """Ends the program unless our pixelated frames are what they should be."""
    for frame, seed, key in [(0, 1, 2), (FRAMES - 1, 0x0123456789ABCDEF, 0xFEDCBA9876543210)]:
        masked = ours.masked("pixelate", frame, seed, key, os.path.join(folder, "masked"))
        for number, (clear, got) in enumerate(zip(planes[frame], masked)):
            want = pixelated(clear, 2 * number, seed, key)
            if not np.array_equal(want, got):
                at = np.argwhere(want != got)[0]
                sys.exit(
                    f"error: pixelated frame {frame}, plane {number}, {at}: {got[tuple(at)]}, expected "
                    f"{want[tuple(at)]}; the figures would mean nothing"
                )
    print("checked: two of our pixelated frames equal numpy's, every byte")


def timed(work, frames):
    times = []
    for frame in frames:
        began = time.perf_counter()
        work(frame)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def contestants(ours, bgr, planes):
    """Name, picture, and what times it once over all frames."""
    out = np.empty_like(bgr[0])
    luma, chroma = (np.empty_like(p) for p in planes[0])
    small = (CELLS, int(CELLS * HEIGHT / WIDTH + 0.5))

    def on_planes(work):
        def both(frame):
            work(frame[0], luma, 61)
            work(frame[1], chroma, 31)

        return lambda: timed(both, planes)

    def on_bgr(work):
        return lambda: timed(lambda frame: work(frame, out, 61), bgr)

    def gaussian(source, to, size):
        cv2.GaussianBlur(source, (size, size), 0, dst=to)

    def box(source, to, size):
        cv2.blur(source, (size, size), dst=to)

    def pixelate(source, to, _):
        cells = cv2.resize(source, small, interpolation=cv2.INTER_AREA)
        cv2.resize(cells, (to.shape[1], to.shape[0]), dst=to, interpolation=cv2.INTER_NEAREST)

    rows = [(f"wgpublur {mode}", "NV12", lambda mode=mode: ours.times(mode)) for mode in
            ("solid", "pixelate", "blur", "gaussian")]
    for name, work in [
        ("cv2.GaussianBlur k=61", gaussian),
        ("cv2.blur k=61", box),
        ("cv2.resize AREA, NEAREST", pixelate),
    ]:
        rows += [(name, "BGR", on_bgr(work)), (name, "NV12", on_planes(work))]
    return rows


def processor():
    with open("/proc/cpuinfo") as info:
        facts = dict(line.split(":", 1) for line in info if ":" in line)
    named = {name.strip(): value.strip() for name, value in facts.items()}
    return f"{named.get('model name', platform.processor())}, family {named.get('cpu family')}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ours", required=True, help="the program built from benches/opencv.rs")
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--clip", default="examples/assets/vtest.avi")
    a = p.parse_args()
    cv2.setNumThreads(1)
    bgr, what = pictures(a.clip)
    planes = [nv12(picture) for picture in bgr]
    print(f"machine: {processor()}, {os.cpu_count()} cores; {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}")
    print(f"OpenCV {cv2.__version__}, {cv2.getNumThreads()} thread; load average {os.getloadavg()[0]:.2f} at the start")
    print(f"frames: {FRAMES} of {what}; {a.rounds} rounds in turns, the first not counted")
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "frames.nv12")
        with open(raw, "wb") as file:
            for luma, chroma in planes:
                file.write(luma.tobytes() + chroma.tobytes())
        ours = Ours(a.ours, raw)
        check(ours, planes, folder)
        rows = contestants(ours, bgr, planes)
        times = [[] for _ in rows]
        for round_ in range(a.rounds + 1):
            order = range(len(rows)) if round_ % 2 == 0 else reversed(range(len(rows)))
            for row in order:
                taken = rows[row][2]()
                if round_ > 0:
                    times[row] += taken
        ours.process.stdin.close()
        ours.process.wait()
    middle = [float(np.median(t)) for t in times]
    pixelate, blur = middle[1], middle[2]
    print(f"\n{'whole frame, 1 thread':<28}{'picture':<9}{'median ms':>10}{'p95':>9}{'p99':>9}"
          f"{'/ pixelate':>12}{'/ blur':>9}")
    for (name, picture, _), median, taken in zip(rows, middle, times):
        p95, p99 = np.percentile(taken, [95, 99])
        print(f"{name:<28}{picture:<9}{median:>10.3f}{p95:>9.3f}{p99:>9.3f}"
              f"{median / pixelate:>12.1f}{median / blur:>9.1f}")
    print(f"\nN = {len(times[0])} frames each; load average {os.getloadavg()[0]:.2f} at the end")
    print("goals: pixelate at most 0.30 ms and 10 times as fast as cv2.GaussianBlur k=61; blur at most 0.60 ms")


if __name__ == "__main__":
    main()
