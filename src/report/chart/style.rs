//! Colours, strokes and letters that charts share.
//!
//! Colours are those of Okabe and Ito, told apart by every kind of colour vision: a rule has one in every chart, and dashes
//! tell lines of one rule apart. Ink, grid and paper are the constants below and nothing else, so that a page can turn
//! exactly these dark.

use crate::record::Record;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Lesser text.
pub const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);
/// Background.
pub const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// What has no rule, and references: told apart from every rule.
pub const GREY: RGBColor = RGBColor(0x7D, 0x86, 0x90);

/// The rules' colours: the palette without its yellow and its black.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// Dashes of the first, second, ... line of one colour in a chart, as SVG has them; the first is solid.
pub(super) const DASHES: [&str; 4] = ["", "56 32", "16 24", "64 24 16 24"];

/// The colour of a record's rule, the same in every chart and that of its variants; grey without a rule. Rules beyond the six
/// share their colours: dashes tell them apart.
pub(super) fn rule_color(record: &Record) -> RGBColor {
    let rules = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"];
    let Some(optimizer) = &record.optimizer else {
        return GREY;
    };
    let name = optimizer.name.split(':').next().unwrap_or_default();
    let index = rules.iter().position(|rule| *rule == name);
    PALETTE[index.unwrap_or_else(|| name.bytes().map(usize::from).sum::<usize>() % PALETTE.len())]
}

/// Units of the drawing per pixel: the SVG backend rounds to whole units, and curves need finer ones.
pub(super) const UNITS: f64 = 8.0;

/// Pixels to units.
pub(super) fn px(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

/// A text style: size in pixels, anchored as said.
pub(super) fn text(size: f64, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    // The backend divides sizes by 1.24.
    ("sans-serif", size * UNITS * 1.24)
        .into_font()
        .color(&color)
        .pos(Pos::new(h, v))
}

/// A line of so many pixels.
pub(super) fn stroke(color: RGBColor, width: f64) -> ShapeStyle {
    ShapeStyle {
        color: color.to_rgba(),
        filled: false,
        stroke_width: px(width) as u32,
    }
}

/// Width in hundredths of the size of each character from blank to tilde: those of DejaVu Sans, the widest of the fonts
/// that `sans-serif` stands for.
pub(super) const WIDTHS: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 54, 100, 69, 69, 70, 78, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75,
    79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62, 69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36,
    64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];

/// Width in pixels that a text takes at a size at the most: the viewer's font is not known here.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let width = |c: char| match (c as usize).checked_sub(32).and_then(|at| WIDTHS.get(at)) {
        Some(width) => f64::from(*width),
        None => 100.0,
    };
    size / 100.0 * text.chars().map(width).sum::<f64>()
}

/// A text of at most so many characters, cut at its end with a mark.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let kept: String = text.chars().take(most - 1).collect();
    kept + "\u{2026}"
}

/// A colour as SVG has it.
pub(super) fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_of_texts_are_those_of_the_widest_font() {
        // DejaVu Sans sets it 130.2 pixels wide.
        let width = text_width("momentum/cpu/seed2", 11.5);
        assert!((130.2..134.0).contains(&width), "{width}");
        assert_eq!(text_width("\u{2026}", 10.0), 10.0);
    }

    #[test]
    fn long_texts_are_cut_with_a_mark() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("größer", 4), "grö\u{2026}");
    }
}
