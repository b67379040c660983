//! The little randomness that a client needs.

use std::time::Duration;

/// A random UUID (version 4).
pub(crate) fn uuid() -> String {
    let bits = (u128::from(number()) << 64) | u128::from(number());
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// So long, or up to a fifth longer: not all who lost the same daemon shall come back in the same moment.
pub(crate) fn scattered(delay: Duration) -> Duration {
    let fraction = (number() >> 11) as f64 / (1_u64 << 53) as f64;
    delay.mul_f64(1.0 + 0.2 * fraction)
}

fn number() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_of_version_4_and_another_each_time() {
        let (one, two) = (uuid(), uuid());
        assert_ne!(one, two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }

    #[test]
    fn a_delay_is_scattered_upwards_by_a_fifth_at_most() {
        let second = Duration::from_secs(1);
        for _ in 0..100 {
            let delay = scattered(second);
            assert!(delay >= second && delay <= second.mul_f64(1.2), "{delay:?}");
        }
    }
}
