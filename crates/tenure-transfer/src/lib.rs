//! Much at once, in the forms of files: rows of CSV and JSONL files mapped to calls of the tracking
//! API, and everything of one kind written as JSONL, CSV or Parquet.

pub mod export;
pub mod import;
