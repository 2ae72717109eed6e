//! What a launch is made of: dispatches of entries of `shaders/`, with their constants, uniforms and bindings.
//!
//! Plain data, which the geometry writes and the device carries out.

pub(super) use crate::device::scratch::Scratch;

/// Sizes that suit an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuning {
    /// Whether the adapter computes on the processor.
    pub software: bool,
    /// Invocations of a workgroup that walks over vectors.
    pub width: usize,
    /// Workgroups that fill the adapter.
    pub groups: usize,
    /// Largest workgroup.
    pub max_width: usize,
    /// Bytes of workgroup memory.
    pub memory: usize,
    /// Largest binding, in bytes.
    pub max_bytes: u64,
}

/// Values of pipeline-overridable constants.
pub(super) type Constants = Vec<(&'static str, u32)>;

/// A buffer of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// The launch's argument of that place.
    Argument(usize),
    /// Memory of the device between two passes, of at least so many bytes.
    Scratch(Scratch, u64),
}

/// Buffers by their names.
pub(super) type Bindings = Vec<(&'static str, Binding)>;

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    pub entry: &'static str,
    pub constants: Constants,
    pub groups: [usize; 3],
    /// The uniform, word by word.
    pub parameters: Vec<u32>,
    /// At least as many turns as an invocation makes in all its loops.
    pub turns: usize,
    /// Buffers by their names in the shader (see [`buffer_of`]). A name that the entry uses and nothing is given for gets
    /// an empty buffer, and one that it does not use is passed over.
    pub bindings: Bindings,
}

/// The buffer that a variable of a shader names. WGSL binds one under a second name where it is read as another type, or
/// written where others only read it: `x_packed` is `x`, `control_rw` is `control`, `z_read` is `z`.
pub(super) fn buffer_of(variable: &str) -> &str {
    let endings = ["_packed", "_rw", "_read"];
    let buffer = endings.iter().find_map(|end| variable.strip_suffix(end));
    buffer.unwrap_or(variable)
}
