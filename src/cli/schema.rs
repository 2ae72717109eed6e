//! `gradrace schema`.

use clap::Args;

use crate::error::{Error, Result};
use crate::record::schema;

use super::output::{End, print};

/// Print the JSON Schema of the records.
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    /// Prints it.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn run(self) -> Result<End> {
        let text = serde_json::to_string_pretty(&schema::document())
            .map_err(|e| Error::failed(format!("the schema is no JSON: {e}")))?;
        print(&format!("{text}\n"))?;
        Ok(End::Good)
    }
}
