//! What the sections of a page are made of.

use crate::report::chart::Chart;
use crate::report::markup::escape;
use std::fmt::Write;

/// A chart in its frame.
pub fn figure(chart: &Chart) -> String {
    format!("<figure>{}</figure>\n", chart.svg)
}

/// A list of sentences; nothing for none.
pub fn list(sentences: &[String]) -> String {
    if sentences.is_empty() {
        return String::new();
    }
    let item = |sentence: &String| format!("<li>{}</li>\n", escape(sentence));
    format!(
        "<ul>\n{}</ul>\n",
        sentences.iter().map(item).collect::<String>()
    )
}

/// A table that a script may sort; cells are escaped here.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = "<div class=\"scroll\"><table class=\"sorts words\">\n<tr>".to_string();
    for head in heads {
        let _ = write!(text, "<th>{head}</th>");
    }
    text += "</tr>\n";
    for row in rows {
        text += "<tr>";
        for cell in row {
            let _ = write!(text, "<td>{}</td>", escape(cell));
        }
        text += "</tr>\n";
    }
    text + "</table></div>\n"
}

/// Where the section of a group begins.
pub fn anchor(index: usize) -> String {
    format!("task{}", index + 1)
}
