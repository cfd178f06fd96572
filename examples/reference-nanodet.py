#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reference boxes of nanodet.onnx on the clip, written independently of the detector element.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy onnxruntime==1.31.1
    /tmp/venv/bin/python examples/reference-nanodet.py > tests/data/nanodet-vtest.json
    /tmp/venv/bin/python examples/reference-nanodet.py --truth gt.txt

The first form writes the JSON that the detector's tests compare with; the second prints how many
annotated people (MOTChallenge format, every fifth frame) are less than half covered by the boxes.
Needs ffmpeg and the files of examples/fetch-assets.

Frame to input: I420 as decoded, to RGB after BT.601 (studio range, each chroma sample for its 2x2
pixels), scaled to fit 416x416 by bilinear sampling at half-pixel centres without low-pass filter,
(value - mean) / std, centred; the border is 0 after that, which is the mean colour. (A border of
114,114,114 before it gives the same figures on this clip.)

Output to boxes: per side the expectation over the softmax of 11 logits, times the stride, from the
centre of the cell (column + 0.5, row + 0.5) * stride; every class with a score above 0.3 is a
candidate; class-wise greedy non-maximum suppression at IoU 0.6.
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np
import onnxruntime

WIDTH, HEIGHT, SIDE, BINS = 768, 576, 416, 11
STRIDES = (8, 16, 32)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SCORE, IOU = 0.3, 0.6
OUTPUTS = [f"{kind}_{s}" for kind in ("cls", "dis") for s in STRIDES]
ASSETS = pathlib.Path(__file__).resolve().parent / "assets"


def frames():
    """All frames of the clip as RGB, float32 0..255."""
    command = ["ffmpeg", "-v", "error", "-i", ASSETS / "vtest.avi", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
        while len(data := ffmpeg.stdout.read(WIDTH * HEIGHT * 3 // 2)) == WIDTH * HEIGHT * 3 // 2:
            planes = np.frombuffer(data, np.uint8).astype(np.float32)
            y = (planes[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH) - 16) * (255 / 219)
            chroma = planes[WIDTH * HEIGHT :].reshape(2, HEIGHT // 2, WIDTH // 2) - 128
            u, v = chroma.repeat(2, 1).repeat(2, 2) * (255 / 224)
            rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], 2)
            yield np.clip(np.round(rgb), 0, 255)


def bilinear(image, axis, size):
    at = np.clip((np.arange(size) + 0.5) * image.shape[axis] / size - 0.5, 0, image.shape[axis] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, image.shape[axis] - 1)
    part = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return image.take(low, axis) * (1 - part) + image.take(high, axis) * part


def letterbox(rgb):
    """The input tensor, and scale and offsets that lead from the frame to it."""
    scale = min(SIDE / rgb.shape[1], SIDE / rgb.shape[0])
    width, height = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    tensor = np.zeros((SIDE, SIDE, 3), np.float32)
    scaled = bilinear(bilinear(rgb, 0, height), 1, width)
    tensor[top : top + height, left : left + width] = (scaled - np.float32(MEAN)) / np.float32(STD)
    return tensor.transpose(2, 0, 1)[None].copy(), scale, left, top


def cells(outputs):
    """Per stride: class scores [N, 80], boxes [N, 4] in pixels of the 416x416 input, logits [N, 44]."""
    for stride, scores, logits in zip(STRIDES, outputs[:3], outputs[3:]):
        row, column = np.divmod(np.arange(len(scores[0])), SIDE // stride)
        weights = np.exp(logits[0].reshape(-1, 4, BINS))
        distance = (weights / weights.sum(2, keepdims=True) * np.arange(BINS)).sum(2) * stride
        x, y = (column + 0.5) * stride, (row + 0.5) * stride
        left, top, right, bottom = distance.T
        yield stride, scores[0], np.stack([x - left, y - top, x + right, y + bottom], 1), logits[0]


def candidates(outputs, scale, left, top):
    """Rows of x0, y0, x1, y1 in pixels of the frame, score, class; best first."""
    rows = []
    for _, scores, boxes, _ in cells(outputs):
        boxes = (boxes - [left, top, left, top]) / scale
        cell, label = np.nonzero(scores > SCORE)
        rows.append(np.column_stack([boxes[cell], scores[cell, label], label]))
    rows = np.concatenate(rows)
    return rows[np.argsort(-rows[:, 4], kind="stable")]


def suppress(rows):
    kept = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        kept.append(best)
        width = np.minimum(best[2], rows[:, 2]) - np.maximum(best[0], rows[:, 0])
        height = np.minimum(best[3], rows[:, 3]) - np.maximum(best[1], rows[:, 1])
        both = width.clip(0) * height.clip(0)
        area = (best[2] - best[0]) * (best[3] - best[1])
        either = area + (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1]) - both
        rows = rows[(rows[:, 5] != best[5]) | (both / either <= IOU)]
    return kept


def numbers(values, digits):
    return [round(float(v), digits) for v in values]


def exposure(run, path):
    truth = {}
    for line in open(path):
        frame, _, x, y, w, h, *_ = map(float, line.split(","))
        truth.setdefault(int(frame), []).append((x, y, w, h))
    total = exposed = 0
    for index, rgb in enumerate(frames()):
        if index % 5:
            continue
        masked = np.zeros((HEIGHT, WIDTH), bool)
        for x0, y0, x1, y1, _, label in suppress(candidates(*run(rgb))):
            if label == 0:
                w, h = 0.1 * (x1 - x0), 0.1 * (y1 - y0)
                rows = slice(max(0, int(y0 - h)), max(0, int(np.ceil(y1 + h))))
                masked[rows, max(0, int(x0 - w)) : max(0, int(np.ceil(x1 + w)))] = True
        for x, y, w, h in truth.get(index + 1, []):
            rows = slice(max(0, round(y)), min(HEIGHT, round(y + h)))
            total += 1
            exposed += masked[rows, max(0, round(x)) : min(WIDTH, round(x + w))].mean() < 0.5
    print(f"{exposed} of {total} annotated people ({100 * exposed / total:.2f} %) less than half covered,")
    print(f"by boxes of score {SCORE} and more, grown by 10 % of their size on every side")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--truth")
    parser.add_argument("frame", type=int, nargs="*", default=[100, 400, 700], help="counted from 0")
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(ASSETS / "nanodet.onnx", providers=["CPUExecutionProvider"])

    def run(rgb):
        tensor, *place = letterbox(rgb)
        return session.run(OUTPUTS, {"input": tensor}), *place

    if arguments.truth:
        return exposure(run, arguments.truth)
    result = {
        "about": "nanodet.onnx on frames of vtest.avi (768x576), made by examples/reference-nanodet.py, which says how",
        "score_threshold": SCORE,
        "iou_threshold": IOU,
        "box": "x0, y0, x1, y1 in pixels of the frame, neither rounded nor clipped",
        "frames": [],
    }
    for index, rgb in enumerate(frames()):
        if index not in arguments.frame:
            continue
        outputs, *place = run(rgb)
        best = []
        for stride, scores, boxes, logits in cells(outputs):
            for cell in np.argsort(-scores.max(1), kind="stable")[:3]:
                label = int(scores[cell].argmax())
                best.append({
                    "stride": stride, "cell": int(cell), "class": label,
                    "score": round(float(scores[cell, label]), 5),
                    "logits": numbers(logits[cell], 5),
                    "input_box": numbers(boxes[cell], 4),
                })
        found = candidates(outputs, *place)
        result["frames"].append({
            "index": index,
            "candidates": len(found),
            "top_scores": numbers(found[:10, 4], 4),
            "boxes": [
                {"class": int(r[5]), "score": round(float(r[4]), 4), "box": numbers(r[:4], 2)} for r in suppress(found)
            ],
            "cells": best,
        })
    print(json.dumps(result, separators=(",", ":")).replace('{"', '\n{"'))


if __name__ == "__main__":
    main()
