//! The text of the kernels, embedded: one unit of compilation a file of `kernels/`.

/// Stems of the files in `kernels/` that hold entries.
pub(super) const STEMS: &[&str] = &[];

/// What NVRTC compiles for a stem, with the headers put in.
pub(super) fn unit(stem: &str) -> String {
    stem.to_string()
}
