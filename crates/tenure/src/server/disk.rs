//! How much room is left for the data.

use std::path::Path;

/// Bytes that this user may still write on the disk of a folder.
pub(crate) fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A number of bytes as people read it.
pub(crate) fn readable_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KB", "MB", "GB", "TB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1_000.0 && unit + 1 < UNITS.len() {
        amount /= 1_000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{amount:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_a_folder_tells_its_free_room() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("no/such/place")).is_err());
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        assert_eq!(readable_bytes(999), "999 bytes");
        assert_eq!(readable_bytes(2_500_000_000), "2.5 GB");
    }
}
