//! Dollars to target: the median time to target at the price of the machine, on demand. What has no known price has no cost:
//! nothing is guessed, and nothing is shared out among the GPUs of a machine that is rented as a whole. A machine that told
//! its type has the price of that type, whichever of its devices computed; of others the card names the type.

use super::family::Family;
use super::group::Group;
use crate::error::{Error, Result};
use crate::record::{Instance, Machine, Record};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The dated table, with what the user says over it.
#[derive(Debug, Clone, Deserialize)]
pub struct Prices {
    /// Day of the table.
    pub date: String,
    /// What its prices are.
    pub what: String,
    /// Region whose prices they are.
    pub region: String,
    machines: Vec<Price>,
    #[serde(skip)]
    own: Vec<(String, f64)>,
    /// What the machines are rented as, by fingerprint.
    #[serde(skip)]
    rented: BTreeMap<String, Instance>,
}

#[derive(Debug, Clone, Deserialize)]
struct Price {
    #[serde(rename = "type")]
    kind: String,
    gpu: Option<String>,
    gpus: u32,
    /// Null where no on-demand price is known.
    usd_per_hour: Option<f64>,
}

impl Default for Prices {
    fn default() -> Self {
        // A test holds that it parses.
        serde_json::from_str(include_str!("prices.json")).expect("the table of prices")
    }
}

impl Prices {
    /// The table under prices of the user's own, each `NAME=X`: a device's name or a word of it (`A10G`), a machine's
    /// fingerprint, or the type it is rented as.
    ///
    /// # Errors
    /// `Input` for what is no such pair.
    pub fn with(own: &[String]) -> Result<Self> {
        let pair = |text: &String| {
            let (name, price) = text.rsplit_once('=')?;
            let price: f64 = price.parse().ok()?;
            let good = !name.trim().is_empty() && price.is_finite() && price >= 0.0;
            good.then(|| (name.trim().to_string(), price))
        };
        let own: Result<Vec<_>> = own
            .iter()
            .map(|text| {
                pair(text).ok_or_else(|| {
                    Error::input(format!(
                        "usd-per-hour `{text}`: give NAME=X, a device's name or a machine's fingerprint and dollars an \
                         hour: A10G=1.006"
                    ))
                })
            })
            .collect();
        Ok(Self {
            own: own?,
            ..Self::default()
        })
    }

    /// The same for machines that may have told what they are rented as.
    #[must_use]
    pub fn on(mut self, machines: &[Machine]) -> Self {
        let rented = machines
            .iter()
            .filter_map(|machine| Some((machine.fingerprint.clone(), machine.instance.clone()?)));
        self.rented.extend(rented);
        self
    }

    /// Dollars an hour for a record's machine, with where the price is from; `None` when it is not known.
    pub fn of(&self, record: &Record) -> Option<(f64, String)> {
        let name = &record.device.name;
        let rented = self.rented.get(&record.machine);
        let own = |(own, _): &&(String, f64)| {
            *own == record.machine || named(name, own) || rented.is_some_and(|at| at.kind == *own)
        };
        if let Some((own, price)) = self.own.iter().rev().find(own) {
            return Some((*price, format!("{own}, as given")));
        }
        let mut machines = self.machines.iter();
        let known = match rented {
            // Another region has other prices.
            Some(rented) if rented.region.as_ref().is_some_and(|at| *at != self.region) => None,
            Some(rented) => machines.find(|price| price.kind == rented.kind),
            None if record.device.kind == "cpu" || record.device.software => None,
            None => machines.find(|price| {
                let gpu = price.gpu.as_ref();
                price.gpus == 1 && gpu.is_some_and(|gpu| named(name, gpu))
            }),
        }?;
        let spot = match rented.and_then(|rented| rented.spot) {
            Some(true) => "; it was a spot instance, which costs less",
            _ => "",
        };
        let from = format!("{} on demand, {}{spot}", known.kind, self.date);
        Some((known.usd_per_hour?, from))
    }

    /// Dollars to target; `None` without a price or without the target.
    pub fn to_target(&self, row: &Family) -> Option<f64> {
        Some(row.to_target_s()? / 3600.0 * self.of(row.median())?.0)
    }

    /// What every price used is, and which machines have none, in sentences.
    pub fn sentences(&self, groups: &[&Group], machines: &[Machine]) -> Vec<String> {
        let rows = || groups.iter().flat_map(|group| group.records());
        let device = |row: &Record| {
            let machine = machines.iter().find(|m| m.fingerprint == row.machine);
            match (row.device.kind.as_str(), machine) {
                ("cpu", Some(machine)) => machine.cpu.clone(),
                _ => row.device.name.clone(),
            }
        };
        let mut known: Vec<String> = rows()
            .filter_map(|row| {
                let (price, from) = self.of(row)?;
                Some(format!("{}: {price} USD an hour ({from})", device(row)))
            })
            .collect();
        let mut unknown: Vec<String> = rows()
            .filter(|row| self.of(row).is_none() && row.to_target_s().is_some())
            .map(|row| {
                let (rented, key) = match self.rented.get(&row.machine) {
                    Some(Instance { kind, region, .. }) => {
                        let region = region.iter().map(|region| format!(" in {region}"));
                        (format!(", {kind}{}", region.collect::<String>()), kind)
                    }
                    None => (String::new(), &row.machine),
                };
                format!(
                    "{} (machine {}{rented}): no price is known; give one with --usd-per-hour '{key}=X'",
                    device(row),
                    row.machine
                )
            })
            .collect();
        for list in [&mut known, &mut unknown] {
            list.sort();
            list.dedup();
        }
        known.extend(unknown);
        known
    }
}

/// Joules to target, at the mean power of a solve of the median seed; `None` where they were not measured or the target was
/// missed.
pub fn joules_to_target(row: &Family) -> Option<f64> {
    Some(row.median().energy.as_ref()?.watts * row.to_target_s()?)
}

/// Whether a device's name is this one, or has it among its words: `L4` is no part of `NVIDIA L40S`.
fn named(name: &str, wanted: &str) -> bool {
    let same = |word: &str| word.eq_ignore_ascii_case(wanted);
    same(name)
        || name
            .split(|c: char| c.is_whitespace() || c == '-')
            .any(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    fn to_target(prices: &Prices, record: &Record) -> Option<f64> {
        prices.to_target(&Family::new(vec![record]))
    }

    fn on(name: &str) -> Record {
        let mut record = fixture::race().remove(0);
        record.device.kind = "cuda".into();
        record.device.name = name.into();
        let id = record.case.replace("cpu@1", "cuda:0");
        fixture::rename(&mut record, id);
        record.time.as_mut().unwrap().to_target_s = vec![3600.0];
        record
    }

    #[test]
    fn a_card_of_the_table_costs_its_machine_and_an_unknown_one_costs_nothing_known() {
        let prices = Prices::default();
        assert_eq!(to_target(&prices, &on("NVIDIA A10G")), Some(1.006));
        assert_eq!(to_target(&prices, &on("NVIDIA L4")), Some(0.8048));
        assert_eq!(to_target(&prices, &on("NVIDIA L40S")), Some(1.861));
        assert_eq!(to_target(&prices, &on("NVIDIA H100 80GB HBM3")), Some(6.88));
        assert_eq!(to_target(&prices, &on("NVIDIA H200")), None);
        assert_eq!(to_target(&prices, &fixture::race()[0]), None);
    }

    #[test]
    fn a_machine_that_tells_its_type_costs_that_whichever_device_computes() {
        let rented = |kind: &str, region: &str, spot| {
            let instance = Instance {
                provider: "aws".into(),
                kind: kind.into(),
                region: Some(region.into()),
                spot: Some(spot),
                image: None,
            };
            let machine = Machine {
                instance: Some(instance),
                ..fixture::machine()
            };
            Prices::default().on(&[machine])
        };
        let cpu = &fixture::race()[0];
        fn price(prices: &Prices, record: &Record) -> Option<f64> {
            prices.of(record).map(|(price, _)| price)
        }
        let here = rented("g5.xlarge", "us-east-1", false);
        assert_eq!(price(&here, cpu), Some(1.006));
        assert_eq!(price(&here, &on("NVIDIA A10G")), Some(1.006));
        // The whole machine is rented, also where its card alone would name a smaller one.
        let large = rented("p5.48xlarge", "us-east-1", false);
        assert_eq!(price(&large, &on("NVIDIA H100")), Some(55.04));
        let spot = rented("g5.xlarge", "us-east-1", true);
        assert!(spot.of(cpu).unwrap().1.contains("spot instance"));
        // Nothing is known of another region's prices, nor of a type that is not in the table.
        for unknown in [
            rented("g5.xlarge", "eu-west-1", false),
            rented("x9.large", "us-east-1", false),
        ] {
            assert_eq!(price(&unknown, &on("NVIDIA A10G")), None);
            assert_eq!(price(&unknown, cpu), None);
        }
        let own = Prices::with(&["x9.large=3".to_string()]).unwrap();
        let instance = rented("x9.large", "us-east-1", false).rented;
        let own = Prices {
            rented: instance,
            ..own
        };
        assert_eq!(price(&own, cpu), Some(3.0));
    }

    #[test]
    fn what_the_user_says_holds_over_the_table() {
        let own = ["A10G=2".to_string(), "4f1c0a9e=0.5".to_string()];
        let prices = Prices::with(&own[..1]).unwrap();
        assert_eq!(to_target(&prices, &on("NVIDIA A10G")), Some(2.0));
        let prices = Prices::with(&own).unwrap();
        assert_eq!(prices.of(&fixture::race()[0]).unwrap().0, 0.5);
        for wrong in ["A10G", "=1", "A10G=cheap", "A10G=-1", "A10G=nan"] {
            let error = Prices::with(&[wrong.to_string()]).unwrap_err().to_string();
            assert!(
                error.contains("NAME=X") && error.lines().count() == 1,
                "{error}"
            );
        }
    }

    #[test]
    fn a_case_that_misses_its_target_has_no_cost() {
        let mut record = on("NVIDIA A10G");
        record.status = crate::record::Status::Budget;
        assert_eq!(to_target(&Prices::default(), &record), None);
    }

    #[test]
    fn joules_to_target_are_the_mean_power_for_that_time() {
        let mut record = fixture::race().remove(0);
        let joules = |record: &Record| joules_to_target(&Family::new(vec![record]));
        assert_eq!(joules(&record), None);
        let target_s = record.to_target_s().unwrap();
        record.energy = Some(crate::record::Energy {
            source: "nvml".into(),
            joules: 9.0,
            watts: 300.0,
            solves: 7,
            clock_mhz: None,
            temperature_c: None,
            throttled_repeats: 0,
            throttle: vec![],
        });
        assert_eq!(joules(&record), Some(300.0 * target_s));
    }

    #[test]
    fn a_machine_without_a_price_is_told_how_to_give_one() {
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let words = Prices::default().sentences(&[&groups[0]], &[fixture::machine()]);
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].contains("--usd-per-hour '4f1c0a9e=X'"));
    }
}
