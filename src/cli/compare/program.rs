//! A gradrace program that is raced: a process of its own, whose records are kept.

use std::fs;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::output::End;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::record::file::{MACHINE, RECORDS};
use crate::record::read::read;

/// How long the parent sleeps between two looks at its child: it must not take a core from it.
const SLEEP: Duration = Duration::from_millis(20);
/// Lines of what a program said that are shown where it failed.
const SAID: usize = 3;

/// One side of a comparison by rounds.
pub struct Program {
    /// The program, as it was given.
    path: PathBuf,
    /// Where its records are kept.
    folder: PathBuf,
}

/// How a race ended.
pub enum Ended {
    /// With everything measured.
    Good,
    /// By Ctrl-C: what was done until then is kept.
    Interrupted,
    /// With an error, in one line.
    Failed(Error),
}

impl Program {
    /// A program whose records go into a folder that has none yet.
    ///
    /// # Errors
    /// `Input` where the folder has records.
    pub fn new(path: PathBuf, folder: PathBuf) -> Result<Self> {
        if folder.join(RECORDS).exists() {
            let place = folder.display();
            return Err(Error::input(format!(
                "{place} has the records of another comparison: name a new folder with --out"
            )));
        }
        Ok(Self { path, folder })
    }

    /// Races with these arguments of `gradrace run`, and gives the records of this round.
    ///
    /// # Errors
    /// `Input` where the program cannot be started, or its records cannot be read or kept.
    pub fn race(
        &self,
        arguments: &[String],
        interrupted: &AtomicBool,
    ) -> Result<(Ended, Vec<Record>)> {
        let place = tempfile::tempdir().map_err(|e| {
            Error::input(format!(
                "no temporary folder: {e}: set TMPDIR to one that can be written"
            ))
        })?;
        let (status, said) = self.wait(arguments, place.path(), interrupted)?;
        let records = match place.path().join(RECORDS).is_file() {
            true => self.keep(place.path())?,
            false => Vec::new(),
        };
        let ended = match status.code().and_then(|code| u8::try_from(code).ok()) {
            _ if interrupted.load(Ordering::SeqCst) => Ended::Interrupted,
            Some(0) if records.is_empty() => {
                let path = self.path.display();
                Ended::Failed(Error::input(format!(
                    "{path} wrote no records: give the path of a gradrace program"
                )))
            }
            Some(0) => Ended::Good,
            Some(code) if code == End::Interrupted.code() => Ended::Interrupted,
            _ => Ended::Failed(self.failed(status, &said)),
        };
        Ok((ended, records))
    }

    fn failed(&self, status: ExitStatus, said: &str) -> Error {
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = lines[lines.len().saturating_sub(SAID)..].join(" ");
        let what = match last.is_empty() {
            true => "it said nothing; its records tell which case failed".into(),
            false => last,
        };
        let (path, folder) = (self.path.display(), self.folder.display());
        let message = format!("{path} ended with {status} (records in {folder}): {what}");
        match status.code() {
            Some(2) => Error::input(message),
            _ => Error::failed(message.replace(['\n', '\r'], " ")),
        }
    }

    /// Runs the program to its end; also gives what it wrote to standard error.
    fn wait(
        &self,
        arguments: &[String],
        out: &Path,
        interrupted: &AtomicBool,
    ) -> Result<(ExitStatus, String)> {
        let path = self.path.display();
        let lost =
            |e: std::io::Error| Error::input(format!("cannot watch {path}: {e}: race again"));
        // A file, not a pipe, which would have to be emptied while the child runs.
        let mut said = tempfile::tempfile().map_err(lost)?;
        let mut command = Command::new(&self.path);
        command
            .arg("run")
            .args(arguments)
            .args(["--quiet", "--out"])
            .arg(out)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.try_clone().map_err(lost)?);
        let mut child = apart(&mut command).spawn().map_err(|e| {
            Error::input(format!(
                "cannot start {path}: {e}: give the path of a gradrace program"
            ))
        })?;
        let mut told = false;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(lost)? {
                break status;
            }
            if interrupted.load(Ordering::SeqCst) && !told {
                stop(&mut child);
                told = true;
            }
            std::thread::sleep(SLEEP);
        };
        let mut text = Vec::new();
        said.rewind().map_err(lost)?;
        said.read_to_end(&mut text).map_err(lost)?;
        Ok((status, String::from_utf8_lossy(&text).into_owned()))
    }

    /// Appends the records of a round, each without its arrays, which would be the same every round.
    fn keep(&self, round: &Path) -> Result<Vec<Record>> {
        let lost = |e: std::io::Error| {
            let place = self.folder.display();
            Error::input(format!(
                "cannot write {place}: {e}: name another folder with --out"
            ))
        };
        let results = read(&[round.to_path_buf()])?;
        let text = fs::read_to_string(round.join(RECORDS)).map_err(lost)?;
        let mut lines = String::new();
        // A last line that an interrupt cut is no record.
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            if let Ok(mut record) = serde_json::from_str::<serde_json::Value>(line) {
                record["artifacts"] = serde_json::json!({});
                lines += &format!("{record}\n");
            }
        }
        fs::create_dir_all(&self.folder).map_err(lost)?;
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(RECORDS));
        file.and_then(|mut file| file.write_all(lines.as_bytes()))
            .map_err(lost)?;
        if round.join(MACHINE).is_file() {
            fs::copy(round.join(MACHINE), self.folder.join(MACHINE)).map_err(lost)?;
        }
        Ok(results.records)
    }
}

/// Out of reach of the terminal's Ctrl-C, which goes to a whole group: a child that gets two would stop at once and lose its case.
#[cfg(unix)]
fn apart(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

/// The terminal's Ctrl-C reaches the child.
#[cfg(not(unix))]
fn apart(command: &mut Command) -> &mut Command {
    command
}

/// As Ctrl-C does: the child ends after its step.
#[cfg(unix)]
fn stop(child: &mut Child) {
    if let Ok(id) = libc::pid_t::try_from(child.id()) {
        // SAFETY: a plain system call, on a child that has not been waited for.
        unsafe { libc::kill(id, libc::SIGINT) };
    }
}

/// It has heard of it already.
#[cfg(not(unix))]
fn stop(_: &mut Child) {}
