//! Exact decimals, as shopspring/decimal has them: `0.1 + 0.2` is `0.3`.

use num_bigint::{BigInt, Sign};

/// Digits behind the point of a quotient.
const QUOTIENT_DIGITS: u32 = 16;

/// `digits * 10^-scale`
pub(super) struct Decimal {
    digits: BigInt,
    scale: u32,
}

impl Decimal {
    /// The shortest decimal that reads back as this float; none of what is not finite.
    pub(super) fn from_float(float: f64) -> Option<Self> {
        if !float.is_finite() {
            return None;
        }
        let text = format!("{float}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let scale = u32::try_from(fraction.len()).ok()?;
        Some(Self { digits, scale })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e-{}", self.digits, self.scale)
            .parse()
            .unwrap_or_default()
    }

    pub(super) fn plus(self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        let digits = self.scaled(scale) + other.scaled(scale);
        Self { digits, scale }
    }

    pub(super) fn minus(self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        let digits = self.scaled(scale) - other.scaled(scale);
        Self { digits, scale }
    }

    pub(super) fn times(self, other: &Self) -> Self {
        Self {
            digits: self.digits * &other.digits,
            scale: self.scale + other.scale,
        }
    }

    /// Rounded half away from zero. The divisor is not zero.
    pub(super) fn over(self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        let numerator = self.scaled(scale) * power(QUOTIENT_DIGITS);
        let denominator = other.scaled(scale);
        let quotient = &numerator / &denominator;
        let rest: BigInt = (&numerator - &quotient * &denominator) * 2;
        let negative = (numerator.sign() == Sign::Minus) != (denominator.sign() == Sign::Minus);
        let digits = if rest.magnitude() < denominator.magnitude() {
            quotient
        } else if negative {
            quotient - 1
        } else {
            quotient + 1
        };
        Self {
            digits,
            scale: QUOTIENT_DIGITS,
        }
    }

    fn scaled(&self, scale: u32) -> BigInt {
        &self.digits * power(scale - self.scale)
    }
}

fn power(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}
