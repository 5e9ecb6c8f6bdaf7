//! The files of a bench: checked before anything runs, and written whole or not at all.

use std::path::{Path, PathBuf};

use meshedflow_origin::atomic::{self, Batch, Mode};

use super::{Race, chart, json};
use crate::failure::Failure;

/// Where the results go.
pub(super) struct Files {
    json: Option<PathBuf>,
    svg: Option<PathBuf>,
}

impl Files {
    /// Paths that can be written to, as far as one can know without writing.
    pub(super) fn check(json: Option<&Path>, svg: Option<&Path>) -> Result<Self, Failure> {
        for (flag, path) in [("--json", json), ("--svg", svg)] {
            if let Some(path) = path {
                writable(path).map_err(|why| {
                    Failure::Input(format!(
                        "{flag} {}: {why}; expected a file that can be written",
                        path.display()
                    ))
                })?;
            }
        }
        if let (Some(a), Some(b)) = (json, svg)
            && a == b
        {
            let name = a.display();
            return Err(Failure::Input(format!(
                "--svg {name}: is the file of --json, too; expected another one"
            )));
        }
        Ok(Self { json: json.map(Path::to_path_buf), svg: svg.map(Path::to_path_buf) })
    }

    /// Writes both, or neither.
    pub(super) fn write(&self, race: &Race) -> Result<(), Failure> {
        let mut batch = Batch::default();
        let mut stage = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
            Some(path) => batch.stage(path, text().as_bytes(), Mode::Public),
            None => Ok(()),
        };
        stage(&self.json, &|| json::json(race)).map_err(Failure::run("--json"))?;
        stage(&self.svg, &|| chart::svg(race)).map_err(Failure::run("--svg"))?;
        batch.publish().map_err(Failure::run("results"))
    }
}

fn writable(path: &Path) -> Result<(), String> {
    if path.as_os_str().is_empty() {
        return Err("is empty".into());
    }
    if path.is_dir() || path.file_name().is_none() {
        return Err("is a directory".into());
    }
    atomic::check(path).map_err(|e| e.to_string())
}
