//! From the rows of a file to calls, as a mapping says.

mod calls;
mod mapping;
mod source;
mod value;

use std::path::Path;

use anyhow::{Context, Result};

pub use calls::Mapper;
pub use mapping::{Format, Mapping};
pub use source::{Cells, Row, Rows};

/// Hash of the content of a file, as ids of its rows begin with.
pub fn file_id(path: &Path) -> Result<String> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}
