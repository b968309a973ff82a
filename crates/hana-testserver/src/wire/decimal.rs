//! The 16-byte DECIMAL of type 5: 113 bits of mantissa, 14 of exponent biased by 6176, one of sign.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, Signed as _, ToPrimitive as _};

use super::bytes::{Malformed, Reader};

const BIAS: i64 = 6176;
const MANTISSA_BITS: u32 = 113;
/// NULL is a value of its own. Source: captures.
pub(crate) const NULL: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70];

/// Encodes with at most 34 digits.
pub(crate) fn encode(number: &BigDecimal) -> [u8; 16] {
    let number = number.with_prec(34).normalized();
    let (mantissa, scale) = number.as_bigint_and_exponent();
    let exponent = u128::try_from(BIAS - scale).unwrap_or_default() & 0x3fff;
    let magnitude = mantissa.abs().to_u128().unwrap_or_default();
    let sign = u128::from(mantissa.is_negative());
    (magnitude | exponent << MANTISSA_BITS | sign << 127).to_le_bytes()
}

/// Decodes; `None` is NULL.
pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Option<BigDecimal>, Malformed> {
    let bytes = reader.take(16)?;
    if bytes.last().is_some_and(|byte| byte & 0x70 == 0x70) {
        return Ok(None);
    }
    let bits = Reader::new(bytes).signed(16)?.cast_unsigned();
    let mantissa = BigInt::from(bits & ((1 << MANTISSA_BITS) - 1));
    let exponent = i64::try_from(bits >> MANTISSA_BITS & 0x3fff)
        .map_err(|_| Malformed("a decimal's exponent"))?;
    let signed = if bits >> 127 == 1 {
        -mantissa
    } else {
        mantissa
    };
    Ok(Some(BigDecimal::new(signed, BIAS - exponent)))
}

/// The unscaled number of a fixed decimal.
pub(crate) fn unscaled(number: &BigDecimal, scale: u8) -> i128 {
    let (digits, _) = number
        .with_scale_round(i64::from(scale), RoundingMode::Down)
        .into_bigint_and_exponent();
    digits.to_i128().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn decimals_come_back() {
        for text in [
            "0",
            "1",
            "-1",
            "12.34",
            "-0.0001",
            "1234567890123456789012345678901234",
            "1e20",
        ] {
            let number = BigDecimal::from_str(text).unwrap();

            let decoded = decode(&mut Reader::new(&encode(&number))).unwrap();

            assert_eq!(decoded, Some(number), "{text}");
        }
        assert_eq!(decode(&mut Reader::new(&NULL)).unwrap(), None);
    }
}
