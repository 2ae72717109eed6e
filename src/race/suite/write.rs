//! Cases and flags as text: a suite's TOML, and the words of a command line.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::race::axes::Axes;

/// Flags of `gradrace run` without their dashes, and their values: those of one case.
pub type Block = BTreeMap<String, String>;

#[derive(Serialize)]
struct Text<'a> {
    shows: &'a str,
    cases: Vec<Block>,
}

/// A suite of these blocks, one case each, as a TOML file that any version of the program reads that knows the flags.
pub fn text(shows: &str, blocks: &[Block]) -> String {
    let keys = |block: &Block| -> Block {
        let key = |(flag, value): (&String, &String)| (flag.replace('-', "_"), value.clone());
        block.iter().map(key).collect()
    };
    let text = Text {
        shows,
        cases: blocks.iter().map(keys).collect(),
    };
    toml::to_string(&text).expect("words are TOML")
}

/// The flags that give these lists again, as they were typed: `--threads=1,all`.
pub fn flags(axes: &Axes) -> Vec<String> {
    let Ok(Value::Object(lists)) = serde_json::to_value(axes) else {
        return Vec::new();
    };
    let typed = |(key, list): (String, Value)| {
        let flag = key.replace('_', "-");
        let words = list.as_array().cloned().unwrap_or_default();
        let word = move |word: &Value| Some(format!("--{flag}={}", word.as_str()?));
        words.iter().filter_map(word).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(typed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::suite::Suite;

    #[test]
    fn a_suite_of_blocks_is_read_as_it_was_meant() {
        let flags = [
            ("data", "spectrum:n=100,d=8"),
            ("layers", "300,100"),
            ("learning-rate", "0.5"),
            ("repeats", "3"),
            ("threads", "1"),
        ];
        let block: Block = flags.map(|(k, v)| (k.to_string(), v.to_string())).into();
        let text = text("Two cases.", &[block.clone(), block]);
        let suite = Suite::parse("test", &text).unwrap();
        assert_eq!((&*suite.shows, suite.cases.len()), ("Two cases.", 2));
        let axes = &suite.cases[0];
        assert_eq!(axes.data, ["spectrum:n=100,d=8"]);
        assert_eq!(axes.layers, ["300,100"]);
        assert_eq!(axes.learning_rate, ["0.5"]);
        assert_eq!(
            (&*axes.repeats, &*axes.threads),
            (&["3".to_string()][..], &["1".to_string()][..])
        );
    }

    #[test]
    fn flags_are_given_again_as_they_were_typed() {
        let axes = Axes {
            layers: vec!["300,100".into(), "none".into()],
            max_iterations: vec!["5,6".into()],
            ..Axes::default()
        };
        let typed = ["--layers=300,100", "--layers=none", "--max-iterations=5,6"];
        assert_eq!(flags(&axes), typed);
        assert!(flags(&Axes::default()).is_empty());
    }
}
