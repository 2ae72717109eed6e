//! The matrix product of software adapters, `gemm_direct`, unrolled by the program.
//!
//! On a processor workgroup memory is its own cache behind a barrier, and llvmpipe loads lane by lane, so that loads bind:
//! a workgroup is one vector of eight lanes without any, each lane keeps 16 x 32 sums and reads both factors from memory,
//! 48 loads of a vec4 for 2,048 multiply-adds of one. Arrays would stay in memory there (3.6 GFLOP/s at order 1024 on two
//! Zen 3 cores, against 5.4): every sum is a variable of its own, which no one would write by hand.

use std::fmt::Write;

/// Rows of sums of a lane, and vec4s of columns.
const ROWS: usize = 16;
const VECTORS: usize = 8;
/// Lanes of a workgroup along the rows and the columns of C.
const HIGH: usize = 2;
const WIDE: usize = 4;
/// Rows and columns of C that a workgroup computes.
pub(super) const TILE_M: usize = HIGH * ROWS;
pub(super) const TILE_N: usize = 4 * WIDE * VECTORS;

/// The entry for a product whose rows are all whole vec4s, if there is one.
pub(super) fn entry(transpose_a: bool, transpose_b: bool) -> Option<&'static str> {
    match (transpose_a, transpose_b) {
        (false, false) => Some("gemm_direct"),
        (true, false) => Some("gemm_direct_ta"),
        (false, true) => Some("gemm_direct_tb"),
        (true, true) => None,
    }
}

/// The text: m, n and k are multiples of four, but for m where A is stored as it is. `CHUNK` is a sum's longest run.
pub(super) fn text() -> String {
    let mut text = String::from(
        "
struct Params { m: u32, n: u32, k: u32, begin: u32, end: u32, alpha: f32, beta: f32 }
@group(0) @binding(0) var<storage, read> a4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
const CHUNK: u32 = 1024u;

fn store(i: u32, q: u32, sums: vec4<f32>, beta: f32) {
    if i < params.m && 4u * q < params.n {
        let at = i * params.n + 4u * q;
        var value = params.alpha * sums;
        if beta != 0.0 {
            value += beta * vec4<f32>(c[at], c[at + 1u], c[at + 2u], c[at + 3u]);
        }
        c[at] = value.x;
        c[at + 1u] = value.y;
        c[at + 2u] = value.z;
        c[at + 3u] = value.w;
    }
}
",
    );
    for [transpose_a, transpose_b] in [[false, false], [true, false], [false, true]] {
        let product = Product {
            name: entry(transpose_a, transpose_b).expect("one of the three"),
            turned_a: transpose_a,
            turned_b: transpose_b,
        };
        product
            .write(&mut text)
            .expect("a string takes what is written");
    }
    text
}

/// One entry.
struct Product {
    name: &'static str,
    /// Whether A, and whether B, is stored transposed.
    turned_a: bool,
    turned_b: bool,
}

/// Components of a vec4.
const PARTS: [&str; 4] = ["x", "y", "z", "w"];

impl Product {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        write!(
            text,
            "
@compute @workgroup_size({lanes})
fn {name}(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let i0 = {ROWS}u * ({HIGH}u * group.y + lane / {WIDE}u);
    let q0 = {VECTORS}u * {WIDE}u * group.x + lane % {WIDE}u;
",
            lanes = HIGH * WIDE,
            name = self.name,
        )?;
        self.places(text)?;
        writeln!(
            text,
            "for (var chunk = params.begin; chunk < params.end; chunk += CHUNK) {{ let end = min(chunk + CHUNK, params.end) / 4u;"
        )?;
        for e in 0..ROWS * VECTORS {
            writeln!(text, "var c{e} = vec4<f32>(0.0);")?;
        }
        writeln!(text, "for (var k = chunk / 4u; k < end; k++) {{")?;
        self.loads(text)?;
        self.sums(text)?;
        writeln!(
            text,
            "}} let beta = select(1.0, params.beta, chunk == params.begin);"
        )?;
        for r in 0..ROWS {
            for j in 0..VECTORS {
                let (e, column) = (r * VECTORS + j, j * WIDE);
                writeln!(text, "store(i0 + {r}u, q0 + {column}u, c{e}, beta);")?;
            }
        }
        writeln!(text, "}}\n}}")
    }

    /// Where the rows of A and the columns of B lie. What lies past the end is read as the last that is there, and not
    /// stored.
    fn places(&self, text: &mut String) -> std::fmt::Result {
        if self.turned_a {
            for r in 0..ROWS / 4 {
                writeln!(
                    text,
                    "let p{r} = min(i0 / 4u + {r}u, max(params.m / 4u, 1u) - 1u);"
                )?;
            }
        } else {
            for r in 0..ROWS {
                writeln!(
                    text,
                    "let p{r} = min(i0 + {r}u, max(params.m, 1u) - 1u) * (params.k / 4u);"
                )?;
            }
        }
        for j in 0..VECTORS {
            let column = j * WIDE;
            writeln!(
                text,
                "let o{j} = min(q0 + {column}u, max(params.n / 4u, 1u) - 1u);"
            )?;
        }
        Ok(())
    }

    /// Four rows of B, and those of A where they are stored transposed.
    fn loads(&self, text: &mut String) -> std::fmt::Result {
        for j in 0..VECTORS {
            if self.turned_b {
                let row = |r: usize| format!("b4[(4u * o{j} + {r}u) * (params.k / 4u) + k]");
                let rows = [row(0), row(1), row(2), row(3)].join(", ");
                writeln!(text, "let t{j} = transpose(mat4x4<f32>({rows}));")?;
            }
            for l in 0..4 {
                if self.turned_b {
                    writeln!(text, "let b{l}_{j} = t{j}[{l}];")?;
                } else {
                    writeln!(
                        text,
                        "let b{l}_{j} = b4[(4u * k + {l}u) * (params.n / 4u) + o{j}];"
                    )?;
                }
            }
        }
        if self.turned_a {
            for l in 0..4 {
                for r in 0..ROWS / 4 {
                    writeln!(
                        text,
                        "let x{l}_{r} = a4[(4u * k + {l}u) * (params.m / 4u) + p{r}];"
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The multiply-adds of four terms.
    fn sums(&self, text: &mut String) -> std::fmt::Result {
        for r in 0..ROWS {
            if !self.turned_a {
                writeln!(text, "let x{r} = a4[p{r} + k];")?;
            }
            for j in 0..VECTORS {
                for (l, part) in PARTS.iter().enumerate() {
                    let x = if self.turned_a {
                        format!("x{l}_{}.{}", r / 4, PARTS[r % 4])
                    } else {
                        format!("x{r}.{part}")
                    };
                    let e = r * VECTORS + j;
                    writeln!(text, "c{e} = fma(vec4<f32>({x}), b{l}_{j}, c{e});")?;
                }
            }
        }
        Ok(())
    }
}
