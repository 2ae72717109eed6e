//! MNIST: found on disk or fetched, and always verified before the `mnist` crate, which panics on bad files, reads it.
//!
//! The search order is `--data-dir`, `$GRADRACE_DATA`, the cache folder, each together with its subfolder `mnist`, and
//! then a download. A damaged file in one of the first two is an error, because a user put it there; a damaged file in
//! the cache is fetched again. The crate reads decompressed files from a folder. They are kept in the cache, or in a
//! temporary folder if the cache is not writable. A file is moved into place only after it has been verified.

mod fetch;
#[cfg(test)]
mod tests;

use super::{Samples, folder, hash, idx, path};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// SHA-256 of the four decompressed files (gzip bytes differ between mirrors), in the order of `folder::FILES`.
const SHA256: [&str; 4] = [
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
];

/// Bytes of the largest decompressed file. A longer file cannot be right, so reading stops there.
const LONGEST: u64 = 47_040_016;

/// The samples, or the reason why there are none.
pub(super) enum Opened {
    Samples(Box<Samples>),
    Absent(String),
}

/// The folders to search and the mirrors to fetch from.
struct Places {
    /// `--data-dir` and `$GRADRACE_DATA`; read only.
    given: Vec<PathBuf>,
    /// The program's own cache folder; writable.
    cache: Option<PathBuf>,
    /// Base URLs; empty if fetching is forbidden.
    mirrors: Vec<String>,
    quiet: bool,
}

impl Places {
    fn of_this_user(data_dir: Option<&Path>, quiet: bool) -> Places {
        use etcetera::BaseStrategy;
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let environment = named("GRADRACE_DATA").map(PathBuf::from);
        let cache = etcetera::choose_base_strategy().ok();
        let offline = named("GRADRACE_OFFLINE").is_some_and(|value| value != "0");
        Places {
            given: data_dir
                .map(Path::to_path_buf)
                .into_iter()
                .chain(environment)
                .collect(),
            cache: cache.map(|base| base.cache_dir().join("gradrace").join("mnist")),
            mirrors: fetch::MIRRORS
                .iter()
                .filter(|_| !offline)
                .map(|mirror| mirror.to_string())
                .collect(),
            quiet,
        }
    }

    /// The first given folder that holds at least one of the four files.
    fn found(&self) -> Option<PathBuf> {
        let folders = self
            .given
            .iter()
            .flat_map(|place| [place.clone(), place.join("mnist")]);
        folders
            .into_iter()
            .find(|folder| holds(folder).any(|there| there))
    }
}

/// Which of the four files a folder holds; their contents are not checked.
fn holds(folder: &Path) -> impl Iterator<Item = bool> + '_ {
    folder::FILES
        .iter()
        .map(|name| folder::locate(folder, name).is_some())
}

/// The folder in which MNIST would be found without a download. Does not check the files.
pub fn find(data_dir: Option<&Path>) -> Option<PathBuf> {
    let places = Places::of_this_user(data_dir, true);
    places.found().or_else(|| {
        places
            .cache
            .filter(|folder| holds(folder).all(|there| there))
    })
}

/// Fetches the missing MNIST files into `data_dir`, or into the cache folder if that is `None`, and returns the folder.
///
/// Files that are already there are verified, not fetched.
///
/// # Errors
/// `Error::Input` if no mirror can be reached or the folder cannot be written.
pub fn fetch(data_dir: Option<&Path>, quiet: bool) -> Result<PathBuf> {
    let places = Places::of_this_user(None, quiet);
    let Some(folder) = data_dir.map(Path::to_path_buf).or(places.cache) else {
        let next = "give a folder with --data-dir";
        return Err(Error::input(format!(
            "mnist: no cache folder found for this user; {next}"
        )));
    };
    std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    match fetch::download(&folder, &places.mirrors, quiet)? {
        None => Ok(folder),
        Some(why) => Err(absent(&why)),
    }
}

/// Training or test images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Training,
    Test,
}

/// Loads the test images from the same place as the training images.
pub(super) fn load_test(data_dir: Option<&Path>, quiet: bool) -> Result<Samples> {
    match open_in(&Places::of_this_user(data_dir, quiet), Part::Test)? {
        Opened::Samples(samples) => Ok(*samples),
        Opened::Absent(why) => Err(absent(&why)),
    }
}

/// Loads the 60,000 training images.
///
/// # Errors
/// `Error::Input` if they can be neither found nor fetched, or if the files found are damaged.
pub(super) fn load(data_dir: Option<&Path>, quiet: bool) -> Result<Samples> {
    match open(data_dir, quiet)? {
        Opened::Samples(samples) => Ok(*samples),
        Opened::Absent(why) => Err(absent(&why)),
    }
}

/// Loads the 60,000 training images, or returns the reason why they are not available.
///
/// # Errors
/// `Error::Input` if the files found are damaged.
pub(super) fn open(data_dir: Option<&Path>, quiet: bool) -> Result<Opened> {
    if let Some(folder) = data_dir {
        std::fs::read_dir(folder).map_err(|error| path::io_error(folder, &error))?;
    }
    open_in(&Places::of_this_user(data_dir, quiet), Part::Training)
}

fn open_in(places: &Places, part: Part) -> Result<Opened> {
    // Keeps the temporary folder alive until the files have been read.
    let mut temporary = None;
    let mut room = || -> Result<PathBuf> {
        if let Some(cache) = &places.cache
            && std::fs::create_dir_all(cache).is_ok()
            && tempfile::tempfile_in(cache).is_ok()
        {
            return Ok(cache.clone());
        }
        let folder =
            tempfile::tempdir().map_err(|error| cannot_write(&std::env::temp_dir(), &error))?;
        Ok(temporary.insert(folder).path().to_path_buf())
    };
    let folder = match places.found() {
        Some(folder) => unpack(&folder, room)?,
        None => {
            let cached = places.cache.as_ref().filter(|cache| complete(cache));
            match cached {
                Some(cache) => cache.clone(),
                None => {
                    let folder = room()?;
                    if let Some(why) = fetch::download(&folder, &places.mirrors, places.quiet)? {
                        return Ok(Opened::Absent(why));
                    }
                    folder
                }
            }
        }
    };
    let Some(base) = folder.to_str() else {
        let message = format!(
            "{}: the path is not UTF-8; give another folder with --data-dir",
            folder.display()
        );
        return Err(Error::input(message));
    };
    let mut mnist = mnist::MnistBuilder::new().base_path(base).finalize();
    if part == Part::Test {
        let samples = folder::images("mnist".to_string(), 28, mnist.tst_img, mnist.tst_lbl);
        return Ok(Opened::Samples(Box::new(samples)));
    }
    // The crate joins training and test images and splits them again, which leaves spare capacity.
    mnist.trn_img.shrink_to_fit();
    let samples = folder::images("mnist".to_string(), 28, mnist.trn_img, mnist.trn_lbl);
    Ok(Opened::Samples(Box::new(samples)))
}

/// Returns a folder with the four verified files, decompressed and under their standard names: `folder` itself if it
/// already qualifies, otherwise `room()` after copying the files there.
fn unpack(folder: &Path, room: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    let files = folder::locate_all(folder)?;
    let mut ready = true;
    let mut contents = Vec::new();
    for (i, path) in files.iter().enumerate() {
        let name = path.display().to_string();
        let bytes = decompressed(&name, idx::open(path)?)?;
        if hash::of_bytes(&bytes) != SHA256[i] {
            return Err(Error::input(format!(
                "{name}: not MNIST's (the SHA-256 of its content differs); remove it so that it is fetched, \
                 or give the folder itself as --data to use other files"
            )));
        }
        ready &= path
            .metadata()
            .is_ok_and(|facts| facts.len() == bytes.len() as u64);
        ready &= path.ends_with(folder::FILES[i]);
        contents.push(bytes);
    }
    if ready {
        return Ok(folder.to_path_buf());
    }
    let room = room()?;
    for (i, bytes) in contents.iter().enumerate() {
        if !right(&room, i) {
            put(&room, i, bytes)?;
        }
    }
    Ok(room)
}

/// Reads one of the four files, at most one byte beyond the largest valid length.
fn decompressed(name: &str, reader: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| idx::broken(name, &error))?;
    Ok(bytes)
}

/// Whether the folder holds file `i` decompressed, under its standard name and with the right content.
fn right(folder: &Path, i: usize) -> bool {
    let Ok(file) = File::open(folder.join(folder::FILES[i])) else {
        return false;
    };
    let mut hashing = hash::Hashing::new(file.take(LONGEST + 1));
    std::io::copy(&mut hashing, &mut std::io::sink()).is_ok() && hashing.sha256() == SHA256[i]
}

fn complete(folder: &Path) -> bool {
    (0..SHA256.len()).all(|i| right(folder, i))
}

/// Writes file `i` to a temporary file and renames it, so that an interrupted run leaves no partial file.
fn put(folder: &Path, i: usize, bytes: &[u8]) -> Result<()> {
    let path = folder.join(folder::FILES[i]);
    let write = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // Temporary files are private by default; a data file follows the user's umask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| cannot_write(&path, &error))
}

fn absent(why: &str) -> Error {
    Error::input(format!(
        "mnist: {why}; put the four files into a folder and name it with --data-dir, or use --data digits"
    ))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::input(format!(
        "{}: cannot be written ({error}); give a writable folder with --data-dir",
        path.display()
    ))
}
