// SPDX-License-Identifier: MIT OR Apache-2.0
//! One model, loaded and checked.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use ort::{
    logging::LogLevel,
    memory::Allocator,
    session::{Session, builder::GraphOptimizationLevel},
    value::{Outlet, Tensor, TensorElementType},
};
use sha2::{Digest, Sha256};

use crate::{
    biometrics::{self, Claims, Refusal},
    decode::{DecodeError, Decoder, Family, Output},
    labels::{self, LabelError},
    preprocess::InputSpec,
    runtime::{self, Runtime, RuntimeError, Search},
};

/// What is asked of a model.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Property `model-file`.
    pub model_file: Option<PathBuf>,
    /// Property `label-file`.
    pub label_file: Option<PathBuf>,
    /// Property `decoder`; `None` for whichever fits.
    pub family: Option<Family>,
    /// Threads that share one inference; 0 leaves it to ONNX Runtime.
    pub threads: usize,
    /// Where ONNX Runtime may be.
    pub search: Search,
}

/// A model that can be run.
#[derive(Debug)]
pub struct Model {
    /// The ONNX Runtime that runs it.
    pub runtime: &'static Runtime,
    /// Labels of its classes, in their order.
    pub labels: Vec<String>,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// How its outputs are read.
    pub decoder: Decoder,
    /// What its input expects.
    pub input: InputSpec,
    /// The file leaves the size of the input free.
    free_size: bool,
    session: Session,
    /// Owned and refilled in place: an input that borrows its memory must not be cloned or bound
    /// (this version of `ort` then waits for ever).
    tensor: Tensor<f32>,
}

/// Why a model cannot be used. Nothing may be stamped without one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The property is not set.
    #[error(
        "model-file is not set: give the path of an ONNX detector, or fetch one with ./examples/fetch-assets"
    )]
    NoModel,
    /// A file that a property names is not there.
    #[error(
        "{property} is \"{path}\", and there is no such file: give the path of {what}, or fetch one with ./examples/fetch-assets"
    )]
    Missing {
        /// Property that names it.
        property: &'static str,
        /// Its value.
        path: String,
        /// What the file should be.
        what: &'static str,
    },
    /// A file that a property names cannot be read.
    #[error("{property} \"{path}\" cannot be read: {why}")]
    Read {
        /// Property that names it.
        property: &'static str,
        /// Its value.
        path: String,
        /// What the system says.
        why: String,
    },
    /// There is no ONNX Runtime.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// ONNX Runtime does not accept the file.
    #[error(
        "model-file \"{path}\" cannot be loaded by ONNX Runtime: {why}. It is damaged, is not an ONNX file or needs a newer runtime"
    )]
    Session {
        /// Its value.
        path: String,
        /// What ONNX Runtime says.
        why: String,
    },
    /// The model wants something else than one picture.
    #[error(
        "model-file \"{path}\" has the inputs {inputs}: one float32 picture of 1x3xheightxwidth is expected, both sizes fixed or, for CenterFace, both free"
    )]
    Input {
        /// Its value.
        path: String,
        /// What the model has.
        inputs: String,
    },
    /// The model identifies or characterises people.
    #[error("model-file \"{path}\" is refused. {refusal}")]
    Biometrics {
        /// Its value.
        path: String,
        /// Why, in English and French.
        refusal: Refusal,
    },
    /// No decoder fits.
    #[error("model-file \"{path}\": {error}")]
    Decoder {
        /// Its value.
        path: String,
        /// What does not fit.
        error: DecodeError,
    },
    /// Labels do not fit.
    #[error(transparent)]
    Labels(#[from] LabelError),
}

/// Why one inference failed. The frame then counts as not looked at.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// ONNX Runtime reports an error.
    #[error("ONNX Runtime: {0}")]
    Session(#[from] ort::Error),
    /// An output is not what the file declared.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Model {
    /// Reads and checks everything; nothing is left for the first frame to find out.
    pub fn load(request: &Request) -> Result<Self, LoadError> {
        let path = request.model_file.as_ref().ok_or(LoadError::NoModel)?;
        let bytes = read(path, "model-file", "an ONNX detector", MAX_MODEL)?;
        let label_text = request
            .label_file
            .as_ref()
            .map(|path| {
                let bytes = read(path, "label-file", "a text file of labels", MAX_LABELS)?;
                String::from_utf8(bytes).map_err(|e| LoadError::Read {
                    property: "label-file",
                    path: path.display().to_string(),
                    why: e.to_string(),
                })
            })
            .transpose()?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let runtime = runtime::load(&request.search)?;
        let path = path.display().to_string();

        let unloadable = |why: ort::Error| LoadError::Session {
            path: path.clone(),
            why: why.to_string(),
        };
        let session = open(runtime, &bytes, request.threads).map_err(unloadable)?;
        drop(bytes);

        let inputs: Vec<Output> = session.inputs().iter().map(declared).collect();
        let outputs: Vec<Output> = session.outputs().iter().map(declared).collect();
        let (claims, label_json) = claims(&session, &inputs, &outputs).map_err(unloadable)?;
        let refused = |refusal| LoadError::Biometrics {
            path: path.clone(),
            refusal,
        };
        biometrics::check(&outputs, &claims).map_err(refused)?;
        let unfit = || LoadError::Input {
            path: path.clone(),
            inputs: crate::decode::describe(&inputs),
        };
        let picture = picture(&inputs).ok_or_else(unfit)?;
        let (width, height) = picture.unwrap_or((FREE_SIDE, FREE_SIDE));
        let decoder = match Decoder::find(request.family, (width, height), &outputs) {
            Ok(decoder) => decoder,
            Err(error) => {
                biometrics::check_unread(&outputs).map_err(refused)?;
                return Err(LoadError::Decoder { path, error });
            }
        };
        let free_size = picture.is_none();
        if free_size && !matches!(decoder, Decoder::CenterFace(_)) {
            return Err(unfit());
        }
        let labels = labels::find(label_text.as_deref(), label_json.as_deref(), &decoder)?;
        // Once more with the labels that count, which may come from the label file.
        let claims = Claims {
            labels: labels.clone(),
            ..Default::default()
        };
        biometrics::check(&[], &claims).map_err(refused)?;

        let tensor = tensor(width, height).map_err(unloadable)?;
        Ok(Self {
            runtime,
            labels,
            sha256,
            input: decoder.input(width, height),
            decoder,
            free_size,
            session,
            tensor,
        })
    }

    /// Chooses the size of the input for frames of `frame` (width, height) pixels, where the file leaves it
    /// free: the longer side becomes 640 pixels, both a multiple of 32.
    pub fn fit(&mut self, frame: (u32, u32)) -> Result<(), RunError> {
        if !self.free_size {
            return Ok(());
        }
        let longer = f64::from(frame.0.max(frame.1).max(1));
        let side = |size: u32| {
            let scaled = f64::from(size) * f64::from(FREE_SIDE) / longer;
            (scaled.ceil() as u32).div_ceil(32).max(1) * 32
        };
        let (width, height) = (side(frame.0), side(frame.1));
        self.tensor = tensor(width, height)?;
        self.decoder.resize(width, height)?;
        self.input = self.decoder.input(width, height);
        Ok(())
    }

    /// The input, to be refilled in place before [`Model::run`].
    pub fn tensor(&mut self) -> Result<&mut [f32], RunError> {
        Ok(self.tensor.try_extract_tensor_mut::<f32>()?.1)
    }

    /// Runs the model on what the input holds and gives its outputs to `read`, in the order of
    /// [`Decoder::outputs`].
    pub fn run<T>(
        &mut self,
        read: impl FnOnce(&Decoder, &[&[f32]]) -> Result<T, DecodeError>,
    ) -> Result<T, RunError> {
        let outputs = self.session.run(ort::inputs![&self.tensor])?;
        let data = self
            .decoder
            .outputs()
            .into_iter()
            .map(|name| Ok(outputs[name].try_extract_tensor::<f32>()?.1))
            .collect::<Result<Vec<_>, ort::Error>>()?;
        Ok(read(&self.decoder, &data)?)
    }
}

/// Reads a file that a property names, `limit` bytes at most.
fn read(
    path: &Path,
    property: &'static str,
    what: &'static str,
    limit: u64,
) -> Result<Vec<u8>, LoadError> {
    let failed = |why: String| LoadError::Read {
        property,
        path: path.display().to_string(),
        why,
    };
    let unopened = |e: std::io::Error| {
        if e.kind() == std::io::ErrorKind::NotFound {
            LoadError::Missing {
                property,
                path: path.display().to_string(),
                what,
            }
        } else {
            failed(e.to_string())
        }
    };
    let regular = |m: &std::fs::Metadata| m.is_file();
    // Asked before it is opened, because opening a pipe waits until somebody writes to it. A device would
    // never end, and its hash would say nothing.
    let found = std::fs::metadata(path).map_err(unopened)?;
    let file = regular(&found)
        .then(|| File::open(path).map_err(unopened))
        .transpose()?
        .filter(|file| file.metadata().is_ok_and(|m| regular(&m)))
        .ok_or_else(|| failed("it is not a regular file".to_owned()))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(e.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(failed(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Protocol buffers, and so ONNX files, end at 2 GiB.
const MAX_MODEL: u64 = 2 << 30;
const MAX_LABELS: u64 = 1 << 20;

fn open(runtime: &Runtime, bytes: &[u8], threads: usize) -> Result<Session, ort::Error> {
    let recover = |e: ort::Error<_>| ort::Error::new(e.to_string());
    Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(recover)?
        .with_intra_threads(threads)
        .map_err(recover)?
        // Spinning threads would take a whole core each between two frames of a camera.
        .with_intra_op_spinning(false)
        .map_err(recover)?
        .with_parallel_execution(false)
        .map_err(recover)?
        .with_log_level(LogLevel::Warning)
        .map_err(recover)?
        // Weights in other files would be looked for in the folder of the process, and the SHA-256 of the
        // model would say nothing of them. Nothing can be found below a file.
        .with_config_entry(
            "session.model_external_initializers_file_folder_path",
            "/dev/null",
        )
        .map_err(recover)?
        .commit_from_memory(bytes)
}

fn declared(outlet: &Outlet) -> Output {
    Output {
        name: outlet.name().to_owned(),
        shape: outlet
            .dtype()
            .tensor_shape()
            .map(|shape| shape.to_vec())
            .unwrap_or_default(),
        float32: outlet.dtype().tensor_type() == Some(TensorElementType::Float32),
    }
}

fn tensor(width: u32, height: u32) -> Result<Tensor<f32>, ort::Error> {
    let shape = [1, 3, height as usize, width as usize];
    Tensor::new(&Allocator::default(), shape)
}

/// Longer side of an input whose size is free: more costs more and finds smaller faces.
const FREE_SIDE: u32 = 640;

/// Width and height of the one input if it is a picture; `Some(None)` where both are free.
fn picture(inputs: &[Output]) -> Option<Option<(u32, u32)>> {
    let [input] = inputs else { return None };
    match input.shape[..] {
        [1 | -1, 3, ..=-1, ..=-1] if input.float32 => Some(None),
        [1 | -1, 3, height, width] if input.float32 => {
            let side = |d: i64| u32::try_from(d).ok().filter(|d| (1..=8192).contains(d));
            Some(Some((side(width)?, side(height)?)))
        }
        _ => None,
    }
}

/// What the file says of itself, and its metadata `labels`.
fn claims(
    session: &Session,
    inputs: &[Output],
    outputs: &[Output],
) -> Result<(Claims, Option<String>), ort::Error> {
    let metadata = session.metadata()?;
    let labels = metadata.custom("labels");
    let mut texts: Vec<String> = inputs
        .iter()
        .chain(outputs)
        .map(|o| o.name.clone())
        .collect();
    texts.extend(
        [
            metadata.description(),
            metadata.graph_description(),
            metadata.producer(),
            metadata.name(),
            metadata.domain(),
        ]
        .into_iter()
        .flatten(),
    );
    for key in metadata.custom_keys()? {
        if key != "labels" && key != "names" {
            texts.extend(metadata.custom(&key));
        }
        texts.push(key);
    }
    Ok((
        Claims {
            texts,
            labels: Vec::new(),
        },
        labels,
    ))
}
