//! Lists of words, and the values that words stand for.

use serde::{Deserialize, Deserializer};

use super::case::Batch;
use crate::error::{Error, Result};
use crate::optimizer::WarmUp;

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    One(Scalar),
    Many(Vec<Scalar>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(i64),
    Real(f64),
}

/// Reads a list of words. A suite may write one value for a list of one, and numbers as numbers.
///
/// # Errors
/// The parser's, for anything else.
pub fn list<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    let word = |scalar| match scalar {
        Scalar::Text(text) => text,
        Scalar::Whole(number) => number.to_string(),
        Scalar::Real(number) => number.to_string(),
    };
    Ok(match Value::deserialize(from)? {
        Value::One(scalar) => vec![word(scalar)],
        Value::Many(scalars) => scalars.into_iter().map(word).collect(),
    })
}

/// The pieces of a comma-separated list.
pub fn split(text: &str) -> Vec<String> {
    text.split(',')
        .map(|piece| piece.trim().to_string())
        .collect()
}

/// A whole number from 1 to 2^24, up to which f32 counts exactly.
///
/// # Errors
/// `Input` with what is accepted.
pub fn whole(what: &str, text: &str) -> Result<usize> {
    text.parse()
        .ok()
        .filter(|value| (1..=1 << 24).contains(value))
        .ok_or_else(|| {
            Error::input(format!(
                "{what} `{text}`: give a whole number from 1 to 2^24"
            ))
        })
}

/// A number above 0.
///
/// # Errors
/// `Input` with what is accepted.
pub fn positive(what: &str, text: &str) -> Result<f64> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value > 0.0)
        .ok_or_else(|| Error::input(format!("{what} `{text}`: give a number above 0")))
}

/// A learning rate; `auto` is `None`.
///
/// # Errors
/// `Input` with what is accepted.
pub fn rate(text: &str) -> Result<Option<f64>> {
    if text == "auto" {
        return Ok(None);
    }
    positive("learning-rate", text).map(Some).map_err(|_| {
        Error::input(format!(
            "learning-rate `{text}`: give `auto` or a number above 0"
        ))
    })
}

/// Steps of a warm-up: a number, or a share with `%`.
///
/// # Errors
/// `Input` with what is accepted.
pub fn warm_up(text: &str) -> Result<WarmUp> {
    let read = match text.strip_suffix('%') {
        Some(share) => share
            .parse()
            .ok()
            .filter(|share| (0.0..=100.0).contains(share))
            .map(WarmUp::Percent),
        None => text.parse().ok().map(WarmUp::Steps),
    };
    match read {
        Some(WarmUp::Steps(0)) => Ok(WarmUp::None),
        Some(WarmUp::Percent(0.0)) => Ok(WarmUp::None),
        Some(warm_up) => Ok(warm_up),
        None => Err(Error::input(format!(
            "warm-up `{text}`: give a number of steps, or a share of them from 0% to 100%"
        ))),
    }
}

/// Rows of a step: `full`, or a mini-batch.
///
/// # Errors
/// `Input` with what is accepted.
pub fn batch(text: &str) -> Result<Batch> {
    if text == "full" {
        return Ok(Batch::Full);
    }
    whole("batch", text).map(Batch::Rows).map_err(|_| {
        Error::input(format!(
            "batch `{text}`: give `full` or a number of rows from 1"
        ))
    })
}

/// Hidden layers of one network: widths with commas between, or `none`.
///
/// # Errors
/// `Input` with what is accepted.
pub fn layers(text: &str) -> Result<Vec<usize>> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let width = |piece: &str| whole("layers", piece.trim());
    let widths: Result<Vec<usize>> = text.split(',').map(width).collect();
    widths.map_err(|_| {
        Error::input(format!(
            "layers `{text}`: give the widths of the hidden layers, 300,100, each from 1, or `none`"
        ))
    })
}

/// A weight decay.
///
/// # Errors
/// `Input` with what is accepted.
pub fn weight_decay(text: &str) -> Result<f64> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value >= 0.0)
        .ok_or_else(|| Error::input(format!("weight-decay `{text}`: give a number from 0")))
}

/// A seed.
///
/// # Errors
/// `Input` with what is accepted.
pub fn seed(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        Error::input(format!(
            "seed `{text}`: give a whole number from 0 to 2^64 - 1"
        ))
    })
}
