//! How elements lie in a device's memory, for devices that pad the rows of a matrix: the host's rows lie one after the
//! other, and are moved from one form to the other here alone.

use super::{Element, Gemm, Launch};

/// Bindings and loads of 16 bytes need a whole number of them, and no buffer may be empty.
const GRAIN: u64 = 16;

/// How elements lie in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub element: Element,
    pub rows: usize,
    pub columns: usize,
    /// Elements from one row to the next.
    pub stride: usize,
}

impl Layout {
    /// Elements one after the other.
    pub fn plain(element: Element, len: usize) -> Self {
        Self {
            element,
            rows: 1,
            columns: len,
            stride: len,
        }
    }

    /// A matrix whose rows are padded to a multiple of `alignment` elements.
    pub fn padded(element: Element, rows: usize, columns: usize, alignment: usize) -> Self {
        Self {
            element,
            rows,
            columns,
            stride: columns.next_multiple_of(alignment),
        }
    }

    /// Elements, the pad left out.
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Size in memory.
    pub fn bytes(&self) -> u64 {
        let bytes = (self.rows * self.stride * self.element.bytes()) as u64;
        bytes.next_multiple_of(GRAIN).max(GRAIN)
    }

    /// The bytes in memory that hold elements `offset .. offset + len`, and where those lie in them: a run that begins and
    /// ends at multiples of four bytes, as copies must.
    ///
    /// # Panics
    /// When a part of a padded row is meant, or the elements are not there: a caller's bug.
    pub fn span(&self, offset: usize, len: usize) -> Span {
        assert!(
            offset + len <= self.len(),
            "elements {offset}.. +{len} of {}",
            self.len()
        );
        let size = self.element.bytes();
        let (start, end) = if self.stride == self.columns {
            (offset * size, (offset + len) * size)
        } else {
            assert!(
                offset.is_multiple_of(self.columns) && len.is_multiple_of(self.columns),
                "a matrix with padded rows is moved in whole rows"
            );
            let (first, rows) = (offset / self.columns, len / self.columns);
            (
                first * self.stride * size,
                (first + rows) * self.stride * size,
            )
        };
        let begin = start / 4 * 4;
        Span {
            begin: begin as u64,
            bytes: (end.next_multiple_of(4) - begin) as u64,
            lead: start - begin,
        }
    }
}

impl<B> Launch<'_, B> {
    /// [`Launch::check`], and that a matrix whose rows may be padded has rows of the row's length, and no other buffer
    /// has padded rows.
    ///
    /// # Panics
    /// When they do not: a caller's bug.
    pub(super) fn check_layouts(&self, layout: impl Fn(&B) -> Layout) {
        self.check(|buffer| (layout(buffer).element, layout(buffer).len()));
        let row = self.kernel.row();
        for (parameter, buffer) in row.buffers.iter().zip(self.buffers) {
            let (name, of) = (row.name, parameter.name);
            let Layout {
                columns, stride, ..
            } = layout(buffer);
            match parameter.columns {
                Some(wanted) => assert_eq!(
                    wanted(self.sizes),
                    columns,
                    "{name}: {of} has rows of {columns} (alloc_rows)"
                ),
                None => assert_eq!(columns, stride, "{name}: {of} has padded rows"),
            }
        }
    }
}

impl Gemm {
    /// Asserts that A, B and C are large enough and not padded.
    ///
    /// # Panics
    /// When they are not: a caller's bug.
    pub(super) fn check_layouts(&self, [a, b, c]: [Layout; 3]) {
        let Gemm { m, n, k, .. } = *self;
        for (layout, len) in [(a, m * k), (b, k * n), (c, m * n)] {
            let plain = layout.columns == layout.stride;
            assert!(plain && layout.len() >= len, "gemm: {layout:?}");
        }
    }
}

/// A run of bytes in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// First byte, a multiple of four.
    pub begin: u64,
    /// Length, a multiple of four.
    pub bytes: u64,
    /// Where the first element begins in it.
    pub lead: usize,
}

/// Copies rows of `columns * size` bytes into rows of `stride * size`, with zeros between.
pub(super) fn pad(layout: &Layout, from: &[u8], into: &mut [u8]) {
    let (row, stride) = sizes(layout);
    if row == stride {
        into[..from.len()].copy_from_slice(from);
        into[from.len()..].fill(0);
        return;
    }
    for (from, into) in from.chunks_exact(row).zip(into.chunks_exact_mut(stride)) {
        into[..row].copy_from_slice(from);
        into[row..].fill(0);
    }
}

/// The other way round.
pub(super) fn unpad(layout: &Layout, from: &[u8], into: &mut [u8]) {
    let (row, stride) = sizes(layout);
    if row == stride {
        into.copy_from_slice(&from[..into.len()]);
        return;
    }
    for (from, into) in from.chunks_exact(stride).zip(into.chunks_exact_mut(row)) {
        into.copy_from_slice(&from[..row]);
    }
}

/// Bytes of a row without and with its pad.
pub(super) fn sizes(layout: &Layout) -> (usize, usize) {
    let size = layout.element.bytes();
    (layout.columns * size, layout.stride * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_31_bytes_are_padded_to_32_and_come_back() {
        let layout = Layout::padded(Element::U8, 3, 31, 4);
        assert_eq!((layout.stride, layout.bytes(), layout.len()), (32, 96, 93));
        let from: Vec<u8> = (1..=93).collect();
        let mut padded = vec![7u8; 96];
        pad(&layout, &from, &mut padded);
        assert_eq!((padded[30], padded[31], padded[32]), (31, 0, 32));
        let mut back = vec![0u8; 93];
        unpad(&layout, &padded, &mut back);
        assert_eq!(back, from);
        assert_eq!(
            layout.span(31, 62),
            Span {
                begin: 32,
                bytes: 64,
                lead: 0
            }
        );
    }

    #[test]
    fn a_run_of_bytes_is_widened_to_words() {
        let layout = Layout::plain(Element::U8, 10);
        assert_eq!(
            layout.span(5, 3),
            Span {
                begin: 4,
                bytes: 4,
                lead: 1
            }
        );
        assert_eq!(layout.bytes(), 16);
        assert_eq!(Layout::plain(Element::F32, 0).bytes(), 16);
    }

    #[test]
    #[should_panic(expected = "whole rows")]
    fn a_part_of_a_padded_row_is_a_bug() {
        Layout::padded(Element::F32, 2, 3, 4).span(0, 2);
    }
}
