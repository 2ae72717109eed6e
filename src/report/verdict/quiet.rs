//! What of the records counts where other programs disturbed the race.

use super::effect;
use crate::record::Record;

/// Undisturbed repeats of a round from which its disturbed ones do not count.
const ENOUGH: usize = 3;

/// How many repeats other programs disturbed, those measured again among them, and how many there were; `None` where the record
/// does not say.
pub(super) fn disturbance(record: &Record) -> Option<(usize, usize)> {
    let time = record.time.as_ref()?;
    let noise = time.noise.as_ref()?;
    let set_aside = time.set_aside_s.len();
    let disturbed = noise.iter().filter(|noise| noise.disturbed).count();
    Some((disturbed + set_aside, noise.len() + set_aside))
}

pub(super) fn share(counts: impl Iterator<Item = (usize, usize)>) -> Option<f64> {
    let sum = |x: (usize, usize), y: (usize, usize)| (x.0 + y.0, x.1 + y.1);
    let (some, all) = counts.reduce(sum)?;
    (all > 0).then(|| some as f64 / all as f64)
}

/// Times to target of a round's repeats: the undisturbed ones, where there are enough of them.
pub(super) fn repeats(record: &Record) -> Option<Vec<f64>> {
    record.to_target_s()?;
    let time = record.time.as_ref()?;
    let Some(noise) = &time.noise else {
        return Some(time.to_target_s.clone());
    };
    let both = time.to_target_s.iter().zip(noise);
    let quiet: Vec<f64> = both
        .filter(|(_, noise)| !noise.disturbed)
        .map(|(time, _)| *time)
        .collect();
    Some(match quiet.len() {
        ENOUGH.. => quiet,
        _ => time.to_target_s.clone(),
    })
}

/// Whether other programs disturbed every repeat of a round: then it tells of them, not of the program.
fn disturbed_whole(record: &Record) -> bool {
    let noise = record.time.as_ref().and_then(|time| time.noise.as_ref());
    noise.is_some_and(|noise| !noise.is_empty() && noise.iter().all(|noise| noise.disturbed))
}

/// Leaves out rounds that were disturbed as a whole: of two sides with as many rounds a pair where one of them was. Where fewer than
/// [`effect::FEWEST`] would be left, all stay.
pub(super) fn clean<'a>(a: &[&'a Record], b: &[&'a Record]) -> [Vec<&'a Record>; 2] {
    let whole = |record: &&Record| !disturbed_whole(record);
    if a.len() == b.len() {
        let both = a.iter().zip(b).filter(|(a, b)| whole(a) && whole(b));
        let (left, right): (Vec<&Record>, Vec<&Record>) = both.map(|(a, b)| (*a, *b)).unzip();
        if left.len() >= effect::FEWEST {
            return [left, right];
        }
    } else {
        let of = |side: &[&'a Record]| -> Vec<&'a Record> {
            side.iter()
                .copied()
                .filter(|record| whole(record))
                .collect()
        };
        let (left, right) = (of(a), of(b));
        if left.len().min(right.len()) >= effect::FEWEST {
            return [left, right];
        }
    }
    [a.to_vec(), b.to_vec()]
}
