//! SHA-256 in hex of files and elements, which identifies samples in records.

use sha2::{Digest, Sha256};
use std::io::Read;

/// SHA-256 of the little-endian bytes of f32 values, in hex.
pub(super) fn of_f32(x: &[f32]) -> String {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(1 << 16);
    for block in x.chunks(1 << 14) {
        bytes.clear();
        block
            .iter()
            .for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
        hash.update(&bytes);
    }
    hex(hash)
}

/// SHA-256 of bytes, in hex.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A reader that hashes the bytes read through it.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Hashing {
            inner,
            hash: Sha256::new(),
        }
    }

    /// SHA-256, in hex, of all bytes read so far.
    pub(super) fn sha256(self) -> String {
        hex(self.hash)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // At most 1 MB at a time, so that the bytes are still in the cache when they are hashed.
        let limit = buffer.len().min(1 << 20);
        let read = self.inner.read(&mut buffer[..limit])?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_reads_all_and_agrees_with_one_call() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut reader = Hashing::new(bytes.as_slice());
        let mut copy = Vec::new();
        reader.read_to_end(&mut copy).expect("memory");
        assert_eq!(copy, bytes);
        assert_eq!(reader.sha256(), of_bytes(&bytes));
    }
}
