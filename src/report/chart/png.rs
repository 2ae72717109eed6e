//! Charts as PNG, for slides and documents that take no SVG: the same drawing, at twice its size.
//!
//! The letters are those of this machine's fonts: unlike an SVG, the picture is not the same bytes everywhere.

use super::svg::Chart;
use crate::error::{Error, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Pixels of the picture a pixel of the chart.
const SCALE: f32 = 2.0;
/// Families that `sans-serif` stands for, the first that is there; otherwise any.
const SANS: [&str; 6] = [
    "DejaVu Sans",
    "Noto Sans",
    "Liberation Sans",
    "Arial",
    "Helvetica",
    "Segoe UI",
];

/// Draws charts with the fonts that were found once.
#[derive(Debug)]
pub struct Painter {
    options: Options<'static>,
}

impl Painter {
    /// Looks for the system's fonts.
    ///
    /// # Errors
    /// `Unsupported` on a machine without any: a chart without its words is none.
    pub fn new() -> Result<Self> {
        let mut options = Options::default();
        let fonts = options.fontdb_mut();
        fonts.load_system_fonts();
        let families: Vec<String> = fonts
            .faces()
            .filter_map(|face| Some(face.families.first()?.0.clone()))
            .collect();
        let known = SANS
            .iter()
            .find(|name| families.iter().any(|family| family == *name));
        let Some(sans) = known
            .map(|name| name.to_string())
            .or(families.first().cloned())
        else {
            return Err(Error::unsupported(
                "PNG: this machine has no fonts, and a chart needs words: install some (Debian: apt-get install \
                 fonts-dejavu-core), or take the SVG files"
                    .to_string(),
            ));
        };
        fonts.set_sans_serif_family(sans);
        Ok(Self { options })
    }

    /// The bytes of the chart's PNG.
    ///
    /// # Errors
    /// `Failed` when the drawing library gives up.
    pub fn paint(&self, chart: &Chart) -> Result<Vec<u8>> {
        let fail = |what: &dyn std::fmt::Display| {
            Error::failed(format!("cannot draw {} as PNG: {what}", chart.name))
        };
        let tree = Tree::from_str(&chart.svg, &self.options).map_err(|error| fail(&error))?;
        let size = tree.size();
        let pixels = |length: f32| (length * SCALE).ceil() as u32;
        let mut picture = Pixmap::new(pixels(size.width()), pixels(size.height()))
            .ok_or_else(|| fail(&"it has no size"))?;
        let scale = Transform::from_scale(SCALE, SCALE);
        resvg::render(&tree, scale, &mut picture.as_mut());
        picture.encode_png().map_err(|error| fail(&error))
    }
}

#[cfg(test)]
mod needs_fonts {
    use super::super::times;
    use super::*;
    use crate::record::fixture;
    use crate::report::group::groups;

    #[test]
    #[ignore = "needs fonts: scripts/setup installs some"]
    fn a_chart_becomes_a_picture_of_twice_its_size_with_its_words() {
        let painter = Painter::new().expect("fonts");
        let records = fixture::race();
        let (groups, _) = groups(&records);
        let chart = times::chart("x".into(), &groups[0]).unwrap();
        let picture = |chart: &Chart| Pixmap::decode_png(&painter.paint(chart).unwrap()).unwrap();
        let whole = picture(&chart);
        let width = chart.svg.split("width=\"").nth(1).unwrap();
        let width: u32 = width.split('"').next().unwrap().parse().unwrap();
        assert_eq!(whole.width(), 2 * width);
        let dark = |picture: &Pixmap| {
            let pixels = picture.pixels().iter();
            pixels
                .filter(|p| p.alpha() == 255 && p.red() < 100 && p.blue() < 100)
                .count()
        };
        let wordless = Chart {
            svg: chart
                .svg
                .replace("<text", "<desc")
                .replace("</text>", "</desc>"),
            ..chart
        };
        assert!(dark(&whole) > 500 + dark(&picture(&wordless)));
    }

    #[test]
    #[ignore = "needs fonts: scripts/setup installs some"]
    fn what_is_no_drawing_is_an_error_that_names_it() {
        let painter = Painter::new().expect("fonts");
        let chart = Chart {
            name: "times".into(),
            caption: String::new(),
            svg: "<svg".into(),
        };
        let error = painter.paint(&chart).unwrap_err().to_string();
        assert!(
            error.contains("times") && error.lines().count() == 1,
            "{error}"
        );
    }
}
