//! Draws one digit: 28 x 28 bytes from a stream of random numbers.
//!
//! ```text
//! points of the glyph, each with a random offset         tremor of the hand
//! -> curves sampled as short segments
//! -> stretched, sheared, rotated, shifted                pose on the paper
//! -> displaced by a smooth random field (4 x 4 nodes)    elastic distortion
//! -> ink: distance to the nearest segment, soft edge     pen width and blur
//! ```
//!
//! Only additions, products, quotients and square roots are used, which IEEE 754 rounds exactly: no sine, no
//! exponential, no fused multiply-add. The bytes are therefore the same on every machine.

use super::glyphs::{GLYPHS, Point, Stroke};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Side of an image in pixels.
pub(super) const SIDE: usize = 28;

/// Nodes along each side of the elastic field.
const NODES: usize = 4;
/// Number of segments between two points of a curve.
const CUTS: usize = 5;
/// Height and width, in pixels, of the box a glyph is drawn in before stretching.
const BOX: f32 = 19.0;

// Standard deviations of what varies between handwritings. A test of the parent module holds the resulting difficulty.
const TREMBLE: f32 = 0.030;
const STRETCH: f32 = 0.14;
const SHEAR: f32 = 0.18;
const TURN: f32 = 0.13;
const SHIFT: f32 = 0.8;
const ELASTIC: f32 = 1.2;

/// Draws a digit of the class into `image` (SIDE x SIDE, zeros).
pub(super) fn draw(class: usize, rng: &mut ChaCha8Rng, image: &mut [u8]) {
    let variants = GLYPHS[class];
    let glyph = variants[rng.random_range(0..variants.len())];
    let paper = Paper::random(rng);
    let pen = Pen::random(rng);
    let mut nearest = [f32::INFINITY; SIDE * SIDE];
    for stroke in glyph {
        let (points, curved) = match stroke {
            Stroke::Line(points) => (points, false),
            Stroke::Curve(points) => (points, true),
        };
        let trembled: Vec<Point> = points
            .iter()
            .map(|(x, y)| (x + TREMBLE * normal(rng), y + TREMBLE * normal(rng)))
            .collect();
        let path: Vec<Point> = sampled(&trembled, curved)
            .into_iter()
            .map(|p| paper.place(p))
            .collect();
        for pair in path.windows(2) {
            pen.approach(pair[0], pair[1], &mut nearest);
        }
    }
    for (pixel, &squared) in image.iter_mut().zip(&nearest) {
        *pixel = pen.ink(squared);
    }
}

/// Approximately standard normal, bounded by 3.5: a scaled sum of four uniform numbers.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let sum: f32 = (0..4).map(|_| rng.random::<f32>()).sum();
    (sum - 2.0) * 1.732_050_8
}

/// A uniform number between `low` and `high`.
fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Samples a path at points close enough to join by straight segments and to distort one by one.
fn sampled(points: &[Point], curved: bool) -> Vec<Point> {
    let mut path = Vec::with_capacity(points.len() * CUTS);
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    for i in 0..points.len() as isize - 1 {
        let (before, from, to, after) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        for cut in 0..CUTS {
            let t = cut as f32 / CUTS as f32;
            let along = |p: f32, a: f32, b: f32, n: f32| match curved {
                false => a + (b - a) * t,
                // Catmull-Rom: passes through a and b with slopes (b - p) / 2 and (n - a) / 2.
                true => {
                    let (slope, bend) = (b - p, 2.0 * p - 5.0 * a + 4.0 * b - n);
                    a + 0.5 * t * (slope + t * (bend + t * (3.0 * (a - b) + n - p)))
                }
            };
            path.push((
                along(before.0, from.0, to.0, after.0),
                along(before.1, from.1, to.1, after.1),
            ));
        }
    }
    path.extend(points.last());
    path
}

/// Pose of the glyph on the paper: an affine map and an elastic field.
struct Paper {
    /// x' = a x + b y + c, y' = d x + e y + f, with x and y measured from the centre of the glyph.
    affine: [f32; 6],
    /// Displacement at each node, in pixels.
    field: [Point; NODES * NODES],
}

impl Paper {
    fn random(rng: &mut ChaCha8Rng) -> Paper {
        let width = BOX * (1.0 + STRETCH * normal(rng));
        let height = BOX * (1.0 + 0.5 * STRETCH * normal(rng));
        let shear = SHEAR * normal(rng);
        // With h the tangent of half the angle, cosine and sine are (1 - h^2) / (1 + h^2) and 2 h / (1 + h^2).
        let half = 0.5 * TURN * normal(rng);
        let (cos, sin) = (
            (1.0 - half * half) / (1.0 + half * half),
            2.0 * half / (1.0 + half * half),
        );
        let centre = SIDE as f32 / 2.0;
        let (x, y) = (centre + SHIFT * normal(rng), centre + SHIFT * normal(rng));
        let mut field = [(0.0, 0.0); NODES * NODES];
        for node in &mut field {
            *node = (ELASTIC * normal(rng), ELASTIC * normal(rng));
        }
        // Stretch, then shear (x against y, upwards to the right), then rotate.
        Paper {
            affine: [
                cos * width,
                -(cos * shear + sin) * height,
                x,
                sin * width,
                (cos - sin * shear) * height,
                y,
            ],
            field,
        }
    }

    /// Maps a point of the unit box to pixels.
    fn place(&self, (x, y): Point) -> Point {
        let [a, b, c, d, e, f] = self.affine;
        let (x, y) = (x - 0.5, y - 0.5);
        let (x, y) = (a * x + b * y + c, d * x + e * y + f);
        let node = |v: f32| {
            let v = (v / (SIDE as f32 / (NODES - 1) as f32)).clamp(0.0, (NODES - 1) as f32 - 0.001);
            let part = v - v.floor();
            // Smoothstep, so that the field has no kinks at its nodes.
            (v as usize, part * part * (3.0 - 2.0 * part))
        };
        let ((i, u), (j, v)) = (node(x), node(y));
        let blend = |pick: fn(&Point) -> f32| {
            let at = |i: usize, j: usize| pick(&self.field[j * NODES + i]);
            let (top, bottom) = (
                at(i, j) * (1.0 - u) + at(i + 1, j) * u,
                at(i, j + 1) * (1.0 - u) + at(i + 1, j + 1) * u,
            );
            top * (1.0 - v) + bottom * v
        };
        (x + blend(|p| p.0), y + blend(|p| p.1))
    }
}

/// Width, blur and darkness of the pen.
struct Pen {
    /// Half the width of the line in pixels, measured to the middle of its edge.
    radius: f32,
    /// Width in pixels of the edge, over which the ink fades.
    edge: f32,
    /// Grey value of full ink, up to 255.
    dark: f32,
}

impl Pen {
    fn random(rng: &mut ChaCha8Rng) -> Pen {
        Pen {
            radius: between(rng, 0.7, 1.8),
            edge: between(rng, 0.9, 1.8),
            dark: between(rng, 175.0, 255.0),
        }
    }

    /// Lowers `nearest`, the squared distance to the nearest segment, for every pixel that this segment could ink.
    fn approach(&self, (ax, ay): Point, (bx, by): Point, nearest: &mut [f32; SIDE * SIDE]) {
        let reach = self.radius + self.edge / 2.0;
        let pixels = |a: f32, b: f32| {
            let low = (a.min(b) - reach - 0.5).ceil().max(0.0) as usize;
            let high = (a.max(b) + reach - 0.5).floor();
            // A segment left of or above the image inks nothing; the cast would turn a negative bound into pixel 0.
            low..if high < 0.0 {
                0
            } else {
                (high as usize + 1).min(SIDE)
            }
        };
        let (dx, dy) = (bx - ax, by - ay);
        let squared_length = (dx * dx + dy * dy).max(1e-12);
        for row in pixels(ay, by) {
            for column in pixels(ax, bx) {
                let (px, py) = (column as f32 + 0.5 - ax, row as f32 + 0.5 - ay);
                let t = ((px * dx + py * dy) / squared_length).clamp(0.0, 1.0);
                let (ex, ey) = (px - t * dx, py - t * dy);
                let pixel = &mut nearest[row * SIDE + column];
                *pixel = pixel.min(ex * ex + ey * ey);
            }
        }
    }

    /// Grey value at a squared distance from the centre line.
    fn ink(&self, squared: f32) -> u8 {
        let depth = ((self.radius - squared.sqrt()) / self.edge + 0.5).clamp(0.0, 1.0);
        (self.dark * depth * depth * (3.0 - 2.0 * depth) + 0.5) as u8
    }
}
