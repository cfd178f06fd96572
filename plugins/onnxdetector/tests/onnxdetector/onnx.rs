// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tiny ONNX models, written byte by byte: protocol buffers with the field numbers of onnx.proto.

/// Sizes of a tensor; -1 leaves one free.
pub type Shape<'a> = &'a [i64];

/// Parts of a model file (ModelProto, IR version 8, operator set 13).
#[derive(Default)]
pub struct Model {
    graph: Vec<u8>,
    outside: Vec<u8>,
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn integer(number: u64, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3, &mut out);
    varint(value as u64, &mut out);
    out
}

fn bytes(number: u64, data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(data.len() as u64, &mut out);
    out.extend_from_slice(data);
    out
}

const FLOAT: i64 = 1;
const INT64: i64 = 7;

fn value_info(name: &str, shape: Shape<'_>, kind: i64) -> Vec<u8> {
    let dims: Vec<u8> = shape
        .iter()
        .flat_map(|&d| {
            bytes(
                1,
                if d < 0 {
                    bytes(2, "free")
                } else {
                    integer(1, d)
                },
            )
        })
        .collect();
    let tensor = [integer(1, kind), bytes(2, dims)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

impl Model {
    pub fn input(self, name: &str, shape: Shape<'_>) -> Self {
        self.with(11, value_info(name, shape, FLOAT))
    }

    pub fn output(self, name: &str, shape: Shape<'_>) -> Self {
        self.with(12, value_info(name, shape, FLOAT))
    }

    /// A node with integer attributes.
    pub fn node(self, op: &str, inputs: &[&str], output: &str, attributes: &[(&str, i64)]) -> Self {
        let mut node: Vec<u8> = inputs.iter().flat_map(|i| bytes(1, i)).collect();
        node.extend(bytes(2, output));
        node.extend(bytes(4, op));
        for (name, value) in attributes {
            let attribute = [bytes(1, name), integer(3, *value), integer(20, 2)].concat();
            node.extend(bytes(5, attribute));
        }
        self.with(1, node)
    }

    pub fn constant(self, name: &str, shape: Shape<'_>, values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut tensor: Vec<u8> = shape.iter().flat_map(|&d| integer(1, d)).collect();
        tensor.extend(integer(2, FLOAT));
        tensor.extend(bytes(8, name));
        tensor.extend(bytes(9, raw));
        self.with(5, tensor)
    }

    /// A constant whose values lie in the file `location`.
    pub fn external_constant(self, name: &str, shape: Shape<'_>, location: &str) -> Self {
        let mut tensor: Vec<u8> = shape.iter().flat_map(|&d| integer(1, d)).collect();
        tensor.extend(integer(2, FLOAT));
        tensor.extend(bytes(8, name));
        let entry = [bytes(1, "location"), bytes(2, location)].concat();
        tensor.extend(bytes(13, entry));
        tensor.extend(integer(14, 1));
        self.with(5, tensor)
    }

    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.outside
            .extend(bytes(14, [bytes(1, key), bytes(2, value)].concat()));
        self
    }

    fn with(mut self, number: u64, message: Vec<u8>) -> Self {
        self.graph.extend(bytes(number, message));
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        let graph = [self.graph, bytes(2, "tiny")].concat();
        [
            integer(1, 8),
            bytes(7, graph),
            bytes(8, [bytes(1, ""), integer(2, 13)].concat()),
            self.outside,
        ]
        .concat()
    }

    /// Writes the file into a folder that lives as long as the test.
    pub fn file(self, folder: &tempfile::TempDir, name: &str) -> std::path::PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// Side of the input of the tiny YOLOX models, and its cells: 16 of stride 8, 4 of 16, 1 of 32.
pub const SIDE: u32 = 32;
pub const CELLS: usize = 21;

/// A row of a YOLOX output: a box of `size` pixels around the centre of its cell.
pub fn row(stride: f32, size: f32, objectness: f32, scores: &[f32]) -> Vec<f32> {
    let side = (size / stride).ln();
    [&[0.5, 0.5, side, side, objectness], scores].concat()
}

/// A YOLOX model of two classes that always reports `values` (21 rows of 7).
pub fn yolox(values: &[f32]) -> Model {
    assert_eq!(values.len(), CELLS * 7);
    Model::default()
        .input("images", &[1, 3, SIDE.into(), SIDE.into()])
        .constant("values", &[1, CELLS as i64, 7], values)
        .node("Identity", &["values"], "output", &[])
        .output("output", &[1, CELLS as i64, 7])
        .metadata("labels", r#"["person","car"]"#)
}

/// The same with its values in another file.
pub fn external(location: &str) -> Model {
    Model::default()
        .input("images", &[1, 3, SIDE.into(), SIDE.into()])
        .external_constant("values", &[1, CELLS as i64, 7], location)
        .node("Identity", &["values"], "output", &[])
        .output("output", &[1, CELLS as i64, 7])
        .metadata("labels", r#"["person","car"]"#)
}

/// The same, but it fails on a frame with a sample of 200 or more.
pub fn moody(values: &[f32]) -> Model {
    let twice = [values, values].concat();
    Model::default()
        .input("images", &[1, 3, SIDE.into(), SIDE.into()])
        .constant("values", &[2, 1, CELLS as i64, 7], &twice)
        .constant("hundred", &[], &[100.0])
        .node("ReduceMax", &["images"], "brightest", &[("keepdims", 0)])
        .node("Div", &["brightest", "hundred"], "hundreds", &[])
        .node("Cast", &["hundreds"], "row", &[("to", INT64)])
        .node("Gather", &["values", "row"], "output", &[("axis", 0)])
        .output("output", &[1, CELLS as i64, 7])
        .metadata("labels", r#"["person","car"]"#)
}
