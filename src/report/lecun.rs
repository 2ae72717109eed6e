//! Rows of the table that LeCun kept for MNIST (LeCun, Bottou, Bengio and Haffner, 1998, and later entries): test errors
//! without preprocessing and without distortions, beside which our networks are set.

use crate::record::Record;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Hidden layers.
    pub layers: &'static [usize],
    /// The network, and how it was trained.
    pub network: &'static str,
    /// Test error as a fraction.
    pub error: f64,
}

/// The rows whose networks the program can train; no preprocessing, no distortions.
pub const ROWS: [Row; 6] = [
    row(&[], "linear, MSE", 0.12),
    row(&[300], "300 hidden, MSE", 0.047),
    row(&[1000], "1000 hidden, MSE", 0.045),
    row(&[300, 100], "300-100", 0.0305),
    row(&[500, 150], "500-150", 0.0295),
    row(&[500, 300], "500-300, cross-entropy, weight decay", 0.0153),
];

const fn row(layers: &'static [usize], network: &'static str, error: f64) -> Row {
    Row {
        layers,
        network,
        error,
    }
}

/// The row of a record's network; `None` for other networks and for other samples than MNIST.
pub fn row_of(record: &Record) -> Option<&'static Row> {
    let network = record.network.as_ref()?;
    record.data.as_ref().filter(|data| data.spec == "mnist")?;
    ROWS.iter().find(|row| row.layers == network.layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::networks;

    #[test]
    fn a_network_on_mnist_stands_beside_its_own_row_and_one_on_other_samples_beside_none() {
        let mut record = networks().remove(0);
        assert_eq!(row_of(&record).unwrap().error, 0.047);
        record.network.as_mut().unwrap().layers = vec![7];
        assert_eq!(row_of(&record), None);
        record.network.as_mut().unwrap().layers = vec![500, 300];
        assert_eq!(row_of(&record).unwrap().error, 0.0153);
        record.data.as_mut().unwrap().spec = "digits".into();
        assert_eq!(row_of(&record), None);
    }
}
