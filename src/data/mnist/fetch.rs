//! Downloads MNIST; each file is decompressed and verified in memory before it is written.

use super::{LONGEST, SHA256, decompressed, put, right};
use crate::data::{folder, hash};
use crate::error::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Base URLs of the `.gz` files, in the order in which they are tried.
pub(super) const MIRRORS: [&str; 2] = [
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
];

/// Fetches the files that `folder` lacks. Returns the reason if that was not possible.
pub(super) fn download(folder: &Path, mirrors: &[String], quiet: bool) -> Result<Option<String>> {
    let wanted: Vec<usize> = (0..SHA256.len()).filter(|&i| !right(folder, i)).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    if mirrors.is_empty() {
        return Ok(Some(
            "it is not on this machine and GRADRACE_OFFLINE forbids fetching it".to_string(),
        ));
    }
    // A mirror that fails is not asked again, so its timeout is paid only once.
    let mut mirrors: Vec<&String> = mirrors.iter().collect();
    let mut reasons = Vec::new();
    for i in wanted {
        loop {
            let Some(mirror) = mirrors.first() else {
                let reasons = reasons.join("; ");
                return Ok(Some(format!(
                    "it is not on this machine and could not be fetched ({reasons})"
                )));
            };
            match request(mirror, i, quiet) {
                Ok(bytes) => break put(folder, i, &bytes)?,
                Err(reason) => {
                    reasons.push(format!("{}: {reason}", host(mirror)));
                    mirrors.remove(0);
                }
            }
        }
    }
    Ok(None)
}

/// Fetches file `i` from one mirror, decompresses and verifies it.
fn request(mirror: &str, i: usize, quiet: bool) -> std::result::Result<Vec<u8>, String> {
    let name = folder::FILES[i];
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(3)))
        .timeout_connect(Some(Duration::from_secs(3)))
        .timeout_recv_response(Some(Duration::from_secs(10)))
        .timeout_global(Some(Duration::from_secs(600)))
        .build()
        .into();
    let one_line = |error: String| error.lines().next().unwrap_or_default().to_string();
    let response = agent.get(format!("{mirror}{name}.gz")).call();
    let body = response
        .map_err(|error| one_line(error.to_string()))?
        .into_body();
    let bar = match quiet {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(body.content_length().unwrap_or(0)),
    };
    let style = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
    bar.set_style(ProgressStyle::with_template(style).map_err(|error| error.to_string())?);
    bar.set_message(name);
    let mut packed = Vec::new();
    let read = bar
        .wrap_read(body.into_reader())
        .take(LONGEST)
        .read_to_end(&mut packed);
    bar.finish_and_clear();
    read.map_err(|error| one_line(error.to_string()))?;
    let reader = flate2::bufread::MultiGzDecoder::new(packed.as_slice());
    let bytes = decompressed(name, reader).map_err(|error| error.to_string())?;
    match hash::of_bytes(&bytes) == SHA256[i] {
        true => Ok(bytes),
        false => Err(format!("{name} has a wrong SHA-256")),
    }
}

fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or(url)
}
