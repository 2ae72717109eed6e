//! Lists that are crossed into cases: what the flags and the blocks of a suite have in common.

use serde::Deserialize;

use crate::data::Spec;
use crate::error::{Error, Result};

use super::case::{Case, Source};
use super::device::{DeviceSpec, Found, Threads};
use super::name::{Kind, Named};
use super::words::{Words, batch, layers, positive, rate, seed, weight_decay, whole};

/// One list a parameter; an empty one takes the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // Each is the flag of that name.
pub struct Axes {
    pub problem: Words,
    pub data: Words,
    pub standardize: Words,
    pub layers: Words,
    pub weight_decay: Words,
    pub method: Words,
    pub operator: Words,
    pub optimizer: Words,
    pub gradient: Words,
    pub device: Words,
    pub threads: Words,
    pub components: Words,
    pub batch: Words,
    pub epochs: Words,
    pub learning_rate: Words,
    pub tolerance: Words,
    pub target: Words,
    pub max_iterations: Words,
    pub time_limit: Words,
    pub repeats: Words,
    pub seed: Words,
    pub precision: Words,
    /// No flag: a block of a suite that holds the work for software adapters, with the cpu beside them, and for no other
    /// device. See [`super::suite::Suite::entries`].
    pub software: bool,
}

/// Tells which devices there are; asked only where a list of devices leaves it open.
pub type Present<'a> = dyn Fn() -> Vec<Found> + 'a;

/// A device of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The device.
    pub spec: DeviceSpec,
    /// Whether it, or the number of its threads, was named rather than found.
    pub by_name: bool,
    /// Whether it is there as a software emulation of a GPU.
    pub software: bool,
}

/// A case with how it is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The case, settled.
    pub case: Case,
    /// Repeats; `None` goes on until the noise is low, or stable, or the time is up.
    pub repeats: Option<usize>,
    /// Whether the device was asked for by name: then its absence is an error.
    pub named: bool,
}

impl Axes {
    /// Whether these flags describe cases of their own, rather than narrow a suite to a device or a measuring time.
    pub fn describe_cases(&self) -> bool {
        let kept = Self {
            device: Words::default(),
            threads: Words::default(),
            repeats: Words::default(),
            time_limit: Words::default(),
            ..self.clone()
        };
        kept != Self::default()
    }

    /// A block of a suite under these flags: choices that the block makes itself are narrowed to those that the flags
    /// name, everything else that the flags say holds instead. `None` when no choice is left.
    pub fn narrow(&self, block: &Self) -> Option<Self> {
        let over = |flag: &Words, own: &Words| if flag.is_empty() { own } else { flag }.clone();
        let keep = |flag: &Words, own: &Words| {
            if flag.is_empty() || own.is_empty() {
                return Some(over(flag, own));
            }
            let both = own.kept_by(flag);
            (!both.is_empty()).then_some(both)
        };
        Some(Self {
            problem: keep(&self.problem, &block.problem)?,
            method: keep(&self.method, &block.method)?,
            operator: keep(&self.operator, &block.operator)?,
            optimizer: keep(&self.optimizer, &block.optimizer)?,
            gradient: keep(&self.gradient, &block.gradient)?,
            data: over(&self.data, &block.data),
            standardize: over(&self.standardize, &block.standardize),
            layers: over(&self.layers, &block.layers),
            weight_decay: over(&self.weight_decay, &block.weight_decay),
            device: over(&self.device, &block.device),
            threads: over(&self.threads, &block.threads),
            components: over(&self.components, &block.components),
            batch: over(&self.batch, &block.batch),
            epochs: over(&self.epochs, &block.epochs),
            learning_rate: over(&self.learning_rate, &block.learning_rate),
            tolerance: over(&self.tolerance, &block.tolerance),
            target: over(&self.target, &block.target),
            max_iterations: over(&self.max_iterations, &block.max_iterations),
            time_limit: over(&self.time_limit, &block.time_limit),
            repeats: over(&self.repeats, &block.repeats),
            seed: over(&self.seed, &block.seed),
            precision: over(&self.precision, &block.precision),
            software: block.software,
        })
    }

    /// Every case of the crossed lists on every device of the list, or on all that are there. `named`: whether the devices
    /// and their threads come from the command line, where a device that is not there is an error.
    ///
    /// # Errors
    /// `Input` for an unknown name or a value that a parameter cannot have.
    pub fn entries(&self, named: bool, present: &Present<'_>) -> Result<Vec<Entry>> {
        self.entries_on(&self.devices(present)?, named)
    }

    /// Every case of the crossed lists on these devices, once, in the order of the lists.
    ///
    /// # Errors
    /// As [`Axes::entries`].
    pub fn entries_on(&self, devices: &[Choice], named: bool) -> Result<Vec<Entry>> {
        let repeats = match self.repeats.as_slice() {
            [] => None,
            [one] => Some(whole("repeats", one)?),
            _ => return Err(Error::input("repeats takes one number for all cases")),
        };
        let mut cases = vec![Case::default()];
        // Equal specs become equal words; a path stays as it is, to be opened.
        let source = |text: &str| {
            Ok(Source::Spec(match Spec::parse(text)? {
                Spec::Path(_) => text.to_string(),
                spec => spec.to_string(),
            }))
        };
        cross(&mut cases, &self.problem, Named::parse, |c, x| {
            c.problem = x
        })?;
        cross(&mut cases, &self.data, source, |c, x| c.source = x)?;
        cross(&mut cases, &self.standardize, Named::parse, |c, x| {
            c.standardize = x
        })?;
        cross(&mut cases, &self.layers, layers, |c, x| c.layers = Some(x))?;
        cross(&mut cases, &self.weight_decay, weight_decay, |c, x| {
            c.weight_decay = x
        })?;
        cross(&mut cases, &self.method, Named::parse, |c, x| c.method = x)?;
        cross(&mut cases, &self.operator, Named::parse, |c, x| {
            c.operator = Some(x)
        })?;
        cross(&mut cases, &self.batch, batch, |c, x| c.batch = Some(x))?;
        cross(&mut cases, &self.optimizer, Named::parse, |c, x| {
            c.optimizer = Some(x)
        })?;
        cross(&mut cases, &self.gradient, Named::parse, |c, x| {
            c.gradient = Some(x)
        })?;
        cross(&mut cases, &self.learning_rate, rate, |c, x| {
            c.learning_rate = x
        })?;
        let k = |text: &str| whole("components", text);
        cross(&mut cases, &self.components, k, |c, x| c.components = x)?;
        cross(&mut cases, &self.precision, Named::parse, |c, x| {
            c.precision = Some(x)
        })?;
        let target = |text: &str| positive("target", text);
        cross(&mut cases, &self.target, target, |c, x| c.target = Some(x))?;
        let tolerance = |text: &str| positive("tolerance", text);
        cross(&mut cases, &self.tolerance, tolerance, |c, x| {
            c.tolerance = x
        })?;
        let iterations = |text: &str| whole("max-iterations", text).map(|x| x as u64);
        cross(&mut cases, &self.max_iterations, iterations, |c, x| {
            c.max_iterations = x
        })?;
        let limit = |text: &str| positive("time-limit", text);
        cross(&mut cases, &self.time_limit, limit, |c, x| {
            c.time_limit_s = x
        })?;
        let epochs = |text: &str| whole("epochs", text).map(|x| x as u64);
        cross(&mut cases, &self.epochs, epochs, |c, x| c.epochs = x)?;
        cross(&mut cases, &self.seed, seed, |c, x| c.seed = x)?;

        let mut entries: Vec<Entry> = Vec::new();
        for case in cases {
            for choice in devices {
                let case = Case {
                    device: choice.spec,
                    ..case.clone()
                }
                .settled();
                let named = named && choice.by_name;
                if entries.iter().all(|entry| entry.case != case) {
                    entries.push(Entry {
                        case,
                        repeats,
                        named,
                    });
                }
            }
        }
        Ok(entries)
    }

    /// Devices crossed with threads.
    ///
    /// # Errors
    /// `Input` for an unknown device or no number of threads.
    pub fn devices(&self, present: &Present<'_>) -> Result<Vec<Choice>> {
        let mut threads = vec![];
        for text in self.threads.as_slice() {
            threads.push(match text.as_str() {
                "all" => Threads::All,
                text => Threads::Count(whole("threads", text).map_err(|_| {
                    Error::input(format!(
                        "threads `{text}`: give `all` or a whole number from 1"
                    ))
                })?),
            });
        }
        let all = || {
            present().into_iter().map(|found| Choice {
                spec: found.spec,
                by_name: false,
                software: found.software,
            })
        };
        let mut choices: Vec<Choice> = vec![];
        for text in self.device.as_slice() {
            match text.as_str() {
                "all" => choices.extend(all()),
                text => {
                    let spec = DeviceSpec::parse(text)?;
                    let software =
                        spec.kind == Kind::Wgpu && all().any(|c| c.spec == spec && c.software);
                    choices.push(Choice {
                        spec,
                        by_name: true,
                        software,
                    });
                }
            }
        }
        if choices.is_empty() {
            choices.extend(all());
        }
        let crossed = choices
            .into_iter()
            .flat_map(|choice| match choice.spec.kind {
                Kind::Cpu if !threads.is_empty() => threads
                    .iter()
                    .map(|&threads| Choice {
                        spec: DeviceSpec {
                            threads,
                            ..choice.spec
                        },
                        by_name: choice.by_name || threads != Threads::All,
                        ..choice
                    })
                    .collect(),
                _ => vec![choice],
            });
        Ok(crossed.collect())
    }
}

/// Crosses the cases with a list: each case once a value, in the order of the list.
fn cross<T: Clone>(
    cases: &mut Vec<Case>,
    words: &Words,
    parse: impl Fn(&str) -> Result<T>,
    set: impl Fn(&mut Case, T),
) -> Result<()> {
    let values = words
        .as_slice()
        .iter()
        .map(|word| parse(word))
        .collect::<Result<Vec<T>>>()?;
    if !values.is_empty() {
        let crossed = std::mem::take(cases).into_iter().flat_map(|case| {
            values
                .iter()
                .map(|value| {
                    let mut case = case.clone();
                    set(&mut case, value.clone());
                    case
                })
                .collect::<Vec<_>>()
        });
        *cases = crossed.collect();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> Vec<Found> {
        vec![Found {
            spec: DeviceSpec::cpu(Threads::All),
            software: false,
        }]
    }

    fn ids(axes: &Axes) -> Vec<String> {
        axes.entries(true, &cpu)
            .unwrap()
            .iter()
            .map(|entry| entry.case.id("x"))
            .collect()
    }

    #[test]
    fn lists_are_crossed_and_equal_cases_are_one() {
        let axes = Axes {
            method: Words::split("deflation,direct"),
            optimizer: Words::split("sgd,adam"),
            threads: Words::split("1,all"),
            ..Axes::default()
        };
        let ids = ids(&axes);
        assert_eq!(ids.len(), 6, "{ids:?}");
        assert_eq!(ids[0], "pca/x/deflation/samples/sgd/k10/cpu@1/f32");
        assert_eq!(ids[5], "pca/x/direct/k10/cpu/f64");
    }

    #[test]
    fn auto_is_the_case_that_it_stands_for() {
        let ids = |problem: &str, data: &str| {
            ids(&Axes {
                problem: Words::split(problem),
                data: Words::split(data),
                standardize: Words::split("auto,none,columns"),
                threads: Words::split("1"),
                ..Axes::default()
            })
        };
        let pca = "pca/x/deflation/samples/sgd/k10/cpu@1/f32";
        let columns = format!("{pca}/standardize-columns");
        assert_eq!(ids("pca", "x.npy"), [pca, &columns]);
        let mlp = "mlp/x/300-100/sgd/cpu@1/f32";
        let none = format!("{mlp}/standardize-none");
        assert_eq!(ids("mlp", "x.npy"), [mlp, &none]);
        let columns = format!("{mlp}/standardize-columns");
        for images in ["mnist", "digits", "."] {
            assert_eq!(ids("mlp", images), [mlp, &columns]);
        }
    }

    #[test]
    fn flags_narrow_the_choices_of_a_block_and_replace_the_rest() {
        let block = Axes {
            method: Words::split("deflation,subspace"),
            optimizer: Words::split("sgd,adam,momentum"),
            components: Words::split("10"),
            ..Axes::default()
        };
        let flags = Axes {
            method: Words::split("subspace,direct"),
            components: Words::split("3"),
            gradient: Words::split("plain"),
            ..Axes::default()
        };
        let narrowed = flags.narrow(&block).unwrap();
        assert_eq!(narrowed.method, Words::split("subspace"));
        assert_eq!(narrowed.optimizer, block.optimizer);
        assert_eq!(narrowed.components, Words::split("3"));
        assert_eq!(narrowed.gradient, Words::split("plain"));
        let flags = Axes {
            optimizer: Words::split("rmsprop"),
            ..Axes::default()
        };
        assert_eq!(flags.narrow(&block), None);
    }

    #[test]
    fn a_device_is_named_when_it_or_its_threads_are() {
        let named = |device: &str, threads: &str| {
            let list = |text: &str| {
                if text.is_empty() {
                    Words::default()
                } else {
                    Words::split(text)
                }
            };
            let axes = Axes {
                device: list(device),
                threads: list(threads),
                ..Axes::default()
            };
            axes.entries(true, &cpu)
                .unwrap()
                .iter()
                .map(|entry| entry.named)
                .collect::<Vec<_>>()
        };
        assert_eq!(named("", ""), [false]);
        assert_eq!(named("all", "1,all"), [true, false]);
        assert_eq!(named("cpu,cuda:0", ""), [true, true]);
    }

    #[test]
    fn a_value_that_a_parameter_cannot_have_is_refused_in_one_line() {
        let one = |set: fn(&mut Axes, Words), text: &str| {
            let mut axes = Axes::default();
            set(&mut axes, Words::split(text));
            let error = axes.entries(true, &cpu).expect_err(text).to_string();
            assert_eq!(error.lines().count(), 1);
            error
        };
        assert!(one(|a, w| a.components = w, "0").contains("components `0`"));
        assert!(one(|a, w| a.components = w, "3,,4").contains("components ``"));
        assert!(one(|a, w| a.learning_rate = w, "fast").contains("auto"));
        assert!(one(|a, w| a.target = w, "-1").contains("above 0"));
        assert!(one(|a, w| a.tolerance = w, "nan").contains("above 0"));
        assert!(one(|a, w| a.batch = w, "0").contains("full"));
        assert!(one(|a, w| a.threads = w, "0").contains("all"));
        assert!(one(|a, w| a.seed = w, "-1").contains("seed"));
        assert!(one(|a, w| a.repeats = w, "1,2").contains("one number"));
        assert!(one(|a, w| a.problem = w, "pka").contains("did you mean pca?"));
        assert!(one(|a, w| a.standardize = w, "colums").contains("did you mean columns?"));
        assert!(one(|a, w| a.layers = w, "0").contains("from 1"));
        assert!(one(|a, w| a.weight_decay = w, "-1").contains("from 0"));
        assert!(one(|a, w| a.optimizer = w, "momentun").contains("did you mean momentum?"));
    }
}
