//! Lines with no more points than an eye sees.

use super::super::style::px;

/// The points that a line needs to look the same: those left out lie within a third of a pixel of it (Douglas-Peucker).
pub(super) fn simplified(points: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    if points.len() < 3 {
        return points;
    }
    let close = f64::from(px(0.33));
    let end = points.len() - 1;
    let mut keep = vec![false; points.len()];
    (keep[0], keep[end]) = (true, true);
    let mut open = vec![(0, end)];
    while let Some((first, last)) = open.pop() {
        let (a, b) = (points[first], points[last]);
        let (dx, dy) = (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
        let length = dx.hypot(dy);
        let off = |p: &(i32, i32)| {
            let (px, py) = (f64::from(p.0 - a.0), f64::from(p.1 - a.1));
            match length {
                0.0 => px.hypot(py),
                length => (dx * py - dy * px).abs() / length,
            }
        };
        let inner = (first + 1)..last;
        let Some(furthest) = inner.max_by(|&i, &j| off(&points[i]).total_cmp(&off(&points[j])))
        else {
            continue;
        };
        if off(&points[furthest]) > close {
            keep[furthest] = true;
            open.extend([(first, furthest), (furthest, last)]);
        }
    }
    let kept = points.into_iter().zip(keep).filter(|(_, keep)| *keep);
    kept.map(|(point, _)| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_corners_and_loses_what_lies_on_it() {
        let straight: Vec<(i32, i32)> = (0..100).map(|i| (i * 8, i * 4)).collect();
        assert_eq!(simplified(straight), [(0, 0), (792, 396)]);
        let corner = vec![(0, 0), (40, 0), (80, 1), (80, 400), (80, 800)];
        assert_eq!(simplified(corner), [(0, 0), (80, 1), (80, 800)]);
        assert_eq!(simplified(vec![]), []);
        assert_eq!(simplified(vec![(1, 2)]), [(1, 2)]);
    }
}
