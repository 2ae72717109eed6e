//! What a launch is made of: passes over entries of `kernels/`, the units that those are compiled in, their arguments.
//!
//! Plain data, which the geometry writes, a chain joins, and a driver runs.

use std::fmt;
use std::rc::Rc;

use crate::kernel::{Family, Rule};

pub(super) use crate::device::scratch::Scratch;

/// Most passes of a chain: a step of PCA has six, and a longer chain takes longer to compile and serves less often.
pub(super) const CHAINED: usize = 8;
/// Name of a chain's entry.
pub(super) const CHAIN_ENTRY: &str = "chain";

/// Most threads of a block that works on block vectors.
pub(super) const MAX_THREADS: usize = 1024;
/// product.cu: threads of a block of teams, and of one that takes several rows of v.
pub(super) const TEAM_THREADS: usize = 256;

/// What the geometry depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tuning {
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Shared memory that a block may have without asking, in bytes (48 KiB on every card).
    pub shared_bytes: usize,
    /// Most passes of a chain; with 1 there are none.
    pub chained: usize,
}

/// What is compiled at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    /// The file of a family.
    File(Family),
    /// The file of the rules with this one.
    Rule(Rule),
    /// Some entries of a family's file.
    Entries(Family, &'static [&'static str]),
    /// Entries that one block runs one after the other.
    Chain(Rc<[Part]>),
}

/// As messages call it.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::File(family) | Unit::Entries(family, _) => {
                write!(f, "kernels/{}.cu", family.name())
            }
            Unit::Rule(rule) => write!(f, "the rule {}", rule.name()),
            Unit::Chain(parts) => {
                let entries: Vec<&str> = parts.iter().map(|part| part.entry).collect();
                write!(f, "the chain of {}", entries.join(", "))
            }
        }
    }
}

/// What holds an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// A file of `kernels/`.
    File(Family),
    /// The text made of a rule.
    Rule(Rule),
}

impl Origin {
    pub fn family(self) -> Family {
        match self {
            Self::File(family) => family,
            Self::Rule(_) => Family::Rules,
        }
    }
}

/// An entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// What holds it.
    pub origin: Origin,
    /// Name of the entry.
    pub entry: &'static str,
    /// Its threads, the first ones of the block.
    pub threads: u32,
}

/// An argument of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Argument {
    /// The launch's buffer of this place.
    Buffer(usize),
    /// Scratch memory of at least so many bytes.
    Scratch(Scratch, usize),
    /// A size.
    U32(u32),
    /// A size that may pass 2^32.
    U64(u64),
    /// A scalar.
    F32(f32),
}

/// One launch of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pass {
    /// What it is compiled in.
    pub unit: Unit,
    /// Name of the entry.
    pub entry: &'static str,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block (one dimension).
    pub block: u32,
    /// Dynamic shared memory in bytes.
    pub shared: u32,
    /// Arguments in the entry's order.
    pub arguments: Vec<Argument>,
}
