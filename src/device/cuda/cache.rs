//! Compiled kernels on disk, in the user's cache folder: a later run starts without the compiler's time.
//!
//! An entry is named by a hash of everything that makes it (source, options with the architecture, compiler version) and
//! begins with a hash of its own bytes, so that one cut short or damaged counts as missing. A cache that cannot be read or
//! written is no error: it is only slower.

use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Bytes of the hash that an entry begins with.
const HASH: usize = 32;

/// A folder of compiled kernels.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    /// `None` where there is no such folder.
    folder: Option<PathBuf>,
}

impl Cache {
    /// In the user's cache folder.
    pub fn of_the_user() -> Self {
        use etcetera::BaseStrategy;
        let base = etcetera::choose_base_strategy().ok();
        Self {
            folder: base.map(|base| base.cache_dir().join("gradrace").join("cuda")),
        }
    }

    fn path(&self, parts: &[&str]) -> Option<PathBuf> {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts read alike.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let name: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Some(self.folder.as_ref()?.join(name))
    }

    /// The entry made of these parts, where it is there and whole.
    pub fn read(&self, parts: &[&str]) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.path(parts)?).ok()?;
        let (hash, image) = bytes.split_at_checked(HASH)?;
        let whole = !image.is_empty() && Sha256::digest(image)[..] == *hash;
        whole.then(|| image.to_vec())
    }

    /// Keeps an entry, where that can be: written beside its place and moved there, so that nobody reads a half.
    pub fn write(&self, parts: &[&str], image: &[u8]) {
        let Some(path) = self.path(parts) else { return };
        let Some(folder) = path.parent() else { return };
        let kept = std::fs::create_dir_all(folder)
            .and_then(|()| tempfile::NamedTempFile::new_in(folder))
            .and_then(|mut file| {
                file.write_all(&Sha256::digest(image))?;
                file.write_all(image)?;
                Ok(file.persist(&path)?)
            });
        // A read-only or full disk costs the next run its time, and this one nothing.
        drop(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: PathBuf) -> Cache {
        Cache {
            folder: Some(folder),
        }
    }

    #[test]
    fn an_entry_comes_back_for_the_same_parts_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path().join("gradrace").join("cuda"));
        assert_eq!(cache.read(&["source", "sm_90"]), None);
        cache.write(&["source", "sm_90"], b"image");
        assert_eq!(cache.read(&["source", "sm_90"]).unwrap(), b"image");
        for parts in [&["source", "sm_80"][..], &["sources", "m_90"], &["source"]] {
            assert_eq!(cache.read(parts), None, "{parts:?}");
        }
        cache.write(&["source", "sm_90"], b"newer");
        assert_eq!(cache.read(&["source", "sm_90"]).unwrap(), b"newer");
    }

    #[test]
    fn a_damaged_entry_counts_as_missing_and_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path().to_path_buf());
        let path = cache.path(&["x"]).unwrap();
        cache.write(&["x"], b"image");
        let whole = std::fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..HASH], &whole[..3], &[]] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(cache.read(&["x"]), None);
        }
        cache.write(&["x"], b"image");
        assert_eq!(cache.read(&["x"]).unwrap(), b"image");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let cache = cache(file.join("cuda"));
        cache.write(&["x"], b"image");
        assert_eq!(cache.read(&["x"]), None);
        let nowhere = Cache { folder: None };
        nowhere.write(&["x"], b"image");
        assert_eq!(nowhere.read(&["x"]), None);
    }
}
