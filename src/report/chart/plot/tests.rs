use super::*;

fn plot(lines: Vec<Line>) -> Plot {
    let scale = |axis| NamedAxis {
        axis,
        name: "n".into(),
        tick: |v| v.to_string(),
    };
    Plot {
        name: "x".into(),
        caption: "c".into(),
        x: scale(Axis::log(1.0, 100.0)),
        y: scale(Axis::log(1e-3, 1.0)),
        lines,
        levels: vec![],
        more: None,
    }
}

#[test]
fn names_are_text_and_a_long_one_is_whole_where_a_pointer_asks() {
    let line = Line {
        points: vec![(1.0, 1.0), (10.0, 0.1)],
        ..Line::new(format!("<i>{}", "x".repeat(60)), INK)
    };
    let other = Line {
        label: "b".into(),
        ..line.clone()
    };
    let svg = plot(vec![line.clone(), other]).draw().unwrap().svg;
    assert!(!svg.contains("<i>"));
    assert!(svg.contains(&format!("<title>&lt;i&gt;{}</title>", "x".repeat(60))));
    assert!(svg.contains("\u{2026}"));
    // The second line of the same colour is told apart by its dashes.
    assert_eq!(svg.matches(DASHES[1]).count(), 2);
}

#[test]
fn a_plot_without_lines_is_still_a_chart() {
    let svg = plot(vec![]).draw().unwrap().svg;
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
}
