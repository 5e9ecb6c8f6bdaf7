//! Numbers, digit by digit.

use crate::Json;

/// The digits read so far: a number is `mantissa * 10^exponent`.
#[derive(Default)]
pub(crate) struct Digits {
    mantissa: u64,
    exponent: i32,
    /// Digits that no longer fit the mantissa were left out.
    cut: bool,
}

/// Powers of ten that an `f64` holds exactly.
const EXACT: i32 = 22;

impl Digits {
    /// Takes one more digit, 0 to 9, before or behind the point.
    pub(crate) fn push(&mut self, digit: u8, fraction: bool) {
        const LAST: u64 = u64::MAX / 10;
        let room = self.mantissa < LAST || self.mantissa == LAST && digit <= (u64::MAX % 10) as u8;
        if room && !self.cut {
            self.mantissa = self.mantissa * 10 + u64::from(digit);
            self.exponent -= i32::from(fraction);
        } else {
            self.cut = true;
            self.exponent += i32::from(!fraction);
        }
    }

    /// Moves the point.
    pub(crate) fn scale(&mut self, exponent: i32) {
        self.exponent = self.exponent.saturating_add(exponent);
    }

    /// The number of digits without sign, point and exponent.
    pub(crate) fn whole(&self) -> Option<Json<'static>> {
        (!self.cut).then_some(Json::Whole(self.mantissa))
    }

    /// The nearest `f64`; `None` beyond its range. With more than 15 digits, or beyond 10^22, the last bit may be
    /// off, as with every reader that has no big numbers.
    pub(crate) fn real(&self, negative: bool) -> Option<Json<'static>> {
        let mut number = self.mantissa as f64;
        let mut left = self.exponent.clamp(-400, 400);
        while left != 0 && number != 0.0 {
            let step = left.clamp(-EXACT, EXACT);
            let power = power_of_ten(step.unsigned_abs());
            number = if step > 0 { number * power } else { number / power };
            left -= step;
        }
        let number = if negative { -number } else { number };
        number.is_finite().then_some(Json::Real(number))
    }
}

/// Exact up to 10^22.
fn power_of_ten(exponent: u32) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}
