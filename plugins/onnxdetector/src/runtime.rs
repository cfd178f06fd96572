// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding and loading ONNX Runtime: one library and one environment per process.
//!
//! The library is loaded when the first element starts and never before, so that the plugin registers on
//! a host without it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use once_cell::sync::OnceCell;
use ort::logging::LogLevel;

/// ONNX Runtime, loaded.
#[derive(Debug)]
pub struct Runtime {
    /// Holds the threads and the logger of every session; lives as long as the process.
    pub environment: ort::environment::Environment,
    /// Version, as far as the library tells it, and how it was built.
    pub version: String,
}

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A path was given and there is nothing.
    #[error(
        "{origin} is \"{path}\", and there is no such file. Give the path of libonnxruntime.so, or fetch one with ./examples/fetch-assets"
    )]
    Missing {
        /// Property or variable that named it.
        origin: &'static str,
        /// What it held.
        path: String,
    },
    /// Nothing was given and the usual folders hold none.
    #[error(
        "libonnxruntime.so was not found. Looked in {looked}. Set the property runtime-library or the variable ORT_DYLIB_PATH to its path, fetch one with ./examples/fetch-assets, or install it (Debian 13: apt install libonnxruntime1.21)"
    )]
    NotFound {
        /// Every folder that was searched.
        looked: String,
    },
    /// The file is there and is not a library that can be used.
    #[error("\"{path}\" is not a usable ONNX Runtime 1.{least} or later for this machine: {why}", least = ort::MINOR_VERSION)]
    Unusable {
        /// The file.
        path: String,
        /// What the loader says.
        why: String,
    },
    /// This process already runs another library; a process can only hold one.
    #[error(
        "runtime-library is \"{asked}\", but this process already runs the ONNX Runtime of \"{loaded}\", and a process can only run one. Give every onnxdetector the same runtime-library, or start a new process"
    )]
    Other {
        /// The path asked for.
        asked: String,
        /// The path in use.
        loaded: String,
    },
    /// The library is loaded and refused to set up its environment.
    #[error("ONNX Runtime could not be set up: {0}")]
    Environment(String),
}

/// Where to look, most specific first.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Property `runtime-library`.
    pub property: Option<PathBuf>,
    /// Variable `ORT_DYLIB_PATH`.
    pub variable: Option<PathBuf>,
    /// Folders to look in when neither is set.
    pub folders: Vec<PathBuf>,
    /// Where ONNX Runtime's warnings and errors go; to the standard error output when it is `None`.
    pub log: Option<fn(LogLevel, &str)>,
}

static LIBRARY: OnceCell<PathBuf> = OnceCell::new();
static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// Loads ONNX Runtime, or returns the one that this process has loaded already.
pub fn load(search: &Search) -> Result<&'static Runtime, RuntimeError> {
    let library = LIBRARY.get_or_try_init(|| {
        let path = search.find()?;
        open(&path)?;
        Ok(path)
    })?;
    if let Some(asked) = &search.property
        && search.find()? != *library
    {
        return Err(RuntimeError::Other {
            asked: asked.display().to_string(),
            loaded: library.display().to_string(),
        });
    }
    RUNTIME.get_or_try_init(|| {
        let mut builder = ort::init().with_name("gst-privacy").with_telemetry(false);
        if let Some(log) = search.log {
            builder = builder.with_logger(Arc::new(
                move |level: LogLevel, _: &str, _: &str, _: &str, message: &str| {
                    log(level, message);
                },
            ));
        }
        let environment = builder
            .build()
            .map_err(|e| RuntimeError::Environment(e.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        let minor =
            ort::util::probe(library).map_or_else(|| "1".to_owned(), |minor| format!("1.{minor}"));
        Ok(Runtime {
            environment,
            version: format!("{minor} ({})", ort::info()),
        })
    })
}

/// Makes `path` the library of this process. Any other call into `ort` before this one would panic when
/// it finds no library, which is why nothing in this crate calls it first.
fn open(path: &Path) -> Result<(), RuntimeError> {
    let unusable = |why: String| RuntimeError::Unusable {
        path: path.display().to_string(),
        why,
    };
    match ort::util::probe(path) {
        Some(minor) if minor < ort::MINOR_VERSION => {
            return Err(unusable(format!("it is version 1.{minor}")));
        }
        Some(_) => {}
        // `init_from` says more about what is wrong, and refuses the same files.
        None => {
            return Err(unusable(match ort::init_from(path) {
                Err(e) => e.to_string(),
                Ok(_) => "it does not tell a version of 1.x".to_owned(),
            }));
        }
    }
    ort::init_from(path)
        .map(|_| ())
        .map_err(|e| unusable(e.to_string()))
}

impl Search {
    /// The search of an element whose plugin lies in `plugin_folder`.
    pub fn new(property: Option<PathBuf>, plugin_folder: Option<&Path>) -> Self {
        let mut folders: Vec<PathBuf> = plugin_folder.map(Path::to_path_buf).into_iter().collect();
        if let Some(paths) = std::env::var_os("LD_LIBRARY_PATH") {
            folders.extend(std::env::split_paths(&paths).filter(|p| p.is_absolute()));
        }
        folders.extend(
            [
                "/usr/local/lib",
                "/usr/local/lib64",
                multiarch_folder(),
                "/usr/lib64",
                "/usr/lib",
                "/opt/onnxruntime/lib",
            ]
            .map(PathBuf::from),
        );
        Self {
            property,
            variable: std::env::var_os("ORT_DYLIB_PATH")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from),
            folders,
            log: None,
        }
    }

    /// The absolute path of the library, links resolved: `ort` would take a relative one from the folder
    /// of the executable, which is that of gst-launch-1.0.
    fn find(&self) -> Result<PathBuf, RuntimeError> {
        for (origin, path) in [
            ("property runtime-library", &self.property),
            ("variable ORT_DYLIB_PATH", &self.variable),
        ] {
            if let Some(path) = path {
                return path
                    .canonicalize()
                    .ok()
                    .filter(|p| p.is_file())
                    .ok_or_else(|| RuntimeError::Missing {
                        origin,
                        path: path.display().to_string(),
                    });
            }
        }
        self.folders
            .iter()
            .find_map(|folder| in_folder(folder))
            .ok_or_else(|| RuntimeError::NotFound {
                looked: self
                    .folders
                    .iter()
                    .map(|f| f.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// `libonnxruntime.so`, or one with a version behind it as packages without development files have.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| is_library(name))
        .collect();
    names.sort();
    names
        .iter()
        .find_map(|name| folder.join(name).canonicalize().ok())
        .filter(|path| path.is_file())
}

fn is_library(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so."))
}

/// Folder of Debian's multiarch layout.
fn multiarch_folder() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "/usr/lib/aarch64-linux-gnu",
        "arm" => "/usr/lib/arm-linux-gnueabihf",
        "riscv64" => "/usr/lib/riscv64-linux-gnu",
        _ => "/usr/lib/x86_64-linux-gnu",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_comes_before_the_variable_and_both_before_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path.canonicalize().unwrap()
        };
        let (a, b) = (file("a.so"), file("b.so"));
        let versioned = file("libonnxruntime.so.1.21");
        file("libonnxruntime_providers_shared.so");
        let mut search = Search {
            property: Some(a.clone()),
            variable: Some(b.clone()),
            folders: vec!["/nonexistent".into(), folder.path().to_path_buf()],
            log: None,
        };
        assert_eq!(search.find().unwrap(), a);
        search.property = None;
        assert_eq!(search.find().unwrap(), b);
        search.variable = None;
        assert_eq!(search.find().unwrap(), versioned);
        let plain = file("libonnxruntime.so");
        assert_eq!(search.find().unwrap(), plain);
    }

    #[test]
    fn errors_say_where_it_looked_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let search = Search {
            folders: vec![folder.path().to_path_buf(), "/nonexistent".into()],
            ..Default::default()
        };
        let text = search.find().unwrap_err().to_string();
        for part in [
            path.as_str(),
            "/nonexistent",
            "runtime-library",
            "ORT_DYLIB_PATH",
            "./examples/fetch-assets",
            "libonnxruntime1.21",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        let text = Search {
            property: Some("/nonexistent/x.so".into()),
            ..Default::default()
        }
        .find()
        .unwrap_err()
        .to_string();
        assert!(text.contains("runtime-library") && text.contains("/nonexistent/x.so"));
    }
}
