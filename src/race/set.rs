//! Samples with the cases about them: loaded once, checked, and named.

use std::sync::Arc;

use crate::data::{self, Request, Samples, Spec, Standardize};
use crate::error::Result;

use super::case::{Entry, Source};
use super::problem::Problem;
use super::size::Size;

/// Samples that were loaded and checked, with the cases about them.
pub(super) struct Loaded<P: Problem> {
    pub samples: Arc<Samples>,
    /// Their name in case ids.
    pub name: String,
    /// Whether their columns were brought to zero mean and unit variance.
    pub standardized: bool,
    pub material: P::Material,
    /// Seconds that the statistics took, where there are any.
    pub statistics_s: f64,
    /// Cases with their ids.
    pub cases: Vec<(Entry<P>, String)>,
}

impl<P: Problem> Loaded<P> {
    fn new(
        (name, samples): (String, Samples),
        columns: Standardize,
        held: P::Held,
        cases: Vec<(Entry<P>, String)>,
    ) -> Result<Self> {
        let (samples, material, statistics_s) = P::material(samples, columns, held)?;
        Ok(Self {
            samples: Arc::new(samples),
            name,
            standardized: columns == Standardize::Columns,
            material,
            statistics_s,
            cases,
        })
    }
}

/// How samples are found.
pub(super) struct Loader<'a> {
    /// Its spec is not read.
    pub request: &'a Request,
    /// Share of a file's rows that a network is judged by.
    pub test_fraction: Option<f64>,
    /// Whether samples that may wait are loaded when their turn comes: a suite has more of them than memory holds.
    pub lazy: bool,
}

impl Loader<'_> {
    /// Samples, with a word where others than the default stand in.
    pub fn load(&self, source: &Source) -> Result<(Samples, Option<String>)> {
        match source {
            Source::Default => data::default_samples(self.request),
            Source::Spec(_) => Ok((data::load(&self.request(source))?, None)),
        }
    }

    fn request(&self, source: &Source) -> Request {
        let spec = match source {
            Source::Default => String::new(),
            Source::Spec(spec) => spec.clone(),
        };
        Request {
            spec,
            ..self.request.clone()
        }
    }
}

/// Cases about the same samples, not loaded yet.
pub(super) struct Group<P> {
    pub source: Source,
    pub columns: Standardize,
    pub entries: Vec<Entry<P>>,
}

/// Cases about the same samples, which are loaded now or when their turn comes.
pub(super) enum Set<P: Problem> {
    Here(Loaded<P>),
    Later(Source, Standardize, Vec<(Entry<P>, String)>),
}

impl<P: Problem> Group<P> {
    /// Loads the samples and checks the cases against them; `tell` hears a word about the samples.
    pub fn load(
        self,
        loader: &Loader<'_>,
        phase: &mut dyn FnMut(&str),
        note: &mut dyn FnMut(&str),
    ) -> Result<Set<P>> {
        let Self {
            source,
            columns,
            entries,
        } = self;
        if let Some((spec, size)) = waiting::<P>(&source).filter(|_| loader.lazy) {
            let cases = checked(entries, (size.n, size.d), &spec, &spec)?;
            return Ok(Set::Later(source, columns, cases));
        }
        phase(match source {
            Source::Default => "loading mnist",
            Source::Spec(_) => "loading the samples",
        });
        let (samples, word) = loader.load(&source)?;
        word.iter().for_each(|word| note(word));
        let request = loader.request(&source);
        let (samples, held) = P::divide(samples, columns, &request, loader.test_fraction)?;
        let shape = (samples.n, samples.d);
        // The name of a file goes by what is in it, not by what is made of its columns.
        let name = name(&samples);
        let cases = checked(entries, shape, &samples.spec, &name)?;
        Loaded::new((name, samples), columns, held, cases).map(Set::Here)
    }
}

impl<P: Problem> Set<P> {
    /// The cases with their ids.
    pub fn cases(&self) -> &[(Entry<P>, String)] {
        match self {
            Self::Here(set) => &set.cases,
            Self::Later(.., cases) => cases,
        }
    }

    /// The samples, loaded if they are not there yet: known by name, they can be wanting in memory alone.
    pub fn here(self, loader: &Loader<'_>, phase: &mut dyn FnMut(&str)) -> Result<Loaded<P>> {
        match self {
            Self::Here(set) => Ok(set),
            Self::Later(source, columns, cases) => {
                phase("loading the samples");
                let (samples, _) = loader.load(&source)?;
                let request = loader.request(&source);
                let (samples, held) = P::divide(samples, columns, &request, loader.test_fraction)?;
                Loaded::new((name(&samples), samples), columns, held, cases)
            }
        }
    }
}

/// The cases with their ids, each checked against the shape of the samples.
fn checked<P: Problem>(
    entries: Vec<Entry<P>>,
    shape: (usize, usize),
    spec: &str,
    name: &str,
) -> Result<Vec<(Entry<P>, String)>> {
    for entry in &entries {
        entry.case.task.check_shape(shape, spec)?;
    }
    let with_id = |entry: Entry<P>| {
        let id = entry.case.id(name);
        (entry, id)
    };
    Ok(entries.into_iter().map(with_id).collect())
}

/// Name and size of samples that need not be there before the race begins.
fn waiting<P: Problem>(source: &Source) -> Option<(String, Size)> {
    let Source::Spec(text) = source else {
        return None;
    };
    let spec = Spec::parse(text).ok()?;
    Some((
        spec.to_string(),
        Size::of(&spec).filter(|_| P::may_wait(&spec))?,
    ))
}

/// Name of the samples in case ids: a file carries eight digits of its SHA-256.
pub(super) fn name(samples: &Samples) -> String {
    let clean = |c: char| {
        if c.is_whitespace() || c.is_control() || c == '/' {
            '_'
        } else {
            c
        }
    };
    match Spec::parse(&samples.spec) {
        Ok(Spec::Path(_)) | Err(_) => {
            let base: String = samples.spec.chars().map(clean).collect();
            format!("{base}-{}", samples.sha256.get(..8).unwrap_or_default())
        }
        Ok(_) => samples.spec.clone(),
    }
}
