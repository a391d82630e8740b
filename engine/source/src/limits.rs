//! How much a source may bring: one set of bounds for git trees and archives.

/// Bounds on what is read into memory; each is named in the error that its breach causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "every limit says that it is one")]
pub struct Limits {
    /// Files, links and directories in one tree, before ignore rules.
    pub entries_max: usize,
    /// Directories above a file.
    pub depth_max: usize,
    /// Bytes in one path.
    pub path_bytes_max: usize,
    /// Bytes in one file that the ignore rules keep.
    pub file_bytes_max: u64,
    /// Bytes in all files that the ignore rules keep.
    pub total_bytes_max: u64,
    /// Bytes received from a server in one answer (a listing of references, or a pack).
    pub received_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries_max: 250_000,
            depth_max: 128,
            path_bytes_max: 4096,
            file_bytes_max: 32 << 20,
            total_bytes_max: 512 << 20,
            received_bytes_max: 1 << 30,
        }
    }
}
