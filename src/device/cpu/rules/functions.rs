//! The functions of rules, in f32; what is once a step is computed in f64.

use crate::kernel::FLUSH;

/// The functions of one type.
macro_rules! functions {
    ($float:ty) => {
        #[inline(always)]
        pub fn sqrt(x: $float) -> $float {
            x.sqrt()
        }
        #[inline(always)]
        pub fn abs(x: $float) -> $float {
            x.abs()
        }
        #[inline(always)]
        pub fn square(x: $float) -> $float {
            x * x
        }
        #[inline(always)]
        pub fn power(x: $float, y: $float) -> $float {
            x.powf(y)
        }
        #[inline(always)]
        pub fn sign(x: $float) -> $float {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        }
        #[inline(always)]
        pub fn min(x: $float, y: $float) -> $float {
            if x < y { x } else { y }
        }
        #[inline(always)]
        pub fn max(x: $float, y: $float) -> $float {
            if x > y { x } else { y }
        }
        #[inline(always)]
        pub fn exp(x: $float) -> $float {
            x.exp()
        }
        #[inline(always)]
        pub fn log(x: $float) -> $float {
            x.ln()
        }
        #[inline(always)]
        pub fn expm1(x: $float) -> $float {
            x.exp_m1()
        }
    };
}

functions!(f32);

/// The same in f64.
pub mod wide {
    functions!(f64);
}

#[inline(always)]
pub fn flush(x: f32) -> f32 {
    if x.abs() < FLUSH as f32 { 0.0 } else { x }
}
