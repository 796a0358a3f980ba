//! Reading the data sets.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tenure_learn::table::{Column, Table};

/// A file of comma-separated text, whole.
pub(crate) struct Sheet {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Reads a file, unpacking it when its name ends with `.gz`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("no {}", path.display()))?;
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn Read> = if packed {
            Box::new(flate2::read::GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let lossy = |record: &csv::ByteRecord| {
            record
                .iter()
                .map(|field| String::from_utf8_lossy(field).into_owned())
                .collect::<Vec<_>>()
        };
        let names = lossy(reader.byte_headers()?);
        let rows = reader
            .byte_records()
            .map(|record| Ok(lossy(&record?)))
            .collect::<Result<Vec<_>>>()?;
        ensure!(!rows.is_empty(), "{} has no rows", path.display());
        Ok(Self { names, rows })
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&str>> {
        let place = self.names.iter().position(|found| found == name);
        let place = place.with_context(|| format!("no column {name}"))?;
        Ok(self
            .rows
            .iter()
            .map(|row| row.get(place).map_or("", String::as_str))
            .collect())
    }

    /// NaN where there is no number.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        Ok(self
            .texts(name)?
            .iter()
            .map(|text| text.trim().parse().unwrap_or(f64::NAN))
            .collect())
    }

    /// All columns but the named ones: quantities where at least one value is a number, else names.
    pub(crate) fn table(&self, but: &[&str]) -> Result<Table> {
        let mut columns = Vec::new();
        for name in self
            .names
            .iter()
            .filter(|name| !but.contains(&name.as_str()))
        {
            let numbers = self.numbers(name)?;
            columns.push(if numbers.iter().all(|number| number.is_nan()) {
                Column::category(name, self.texts(name)?)
            } else {
                Column::number(name, numbers)
            });
        }
        Ok(Table::new(columns)?)
    }
}
