//! The `Date` header, formatted once a second.

use std::cell::Cell;

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_BYTES: usize = 29;

/// A worker's current date.
#[derive(Debug)]
pub struct DateCache {
    second: Cell<u64>,
    text: Cell<[u8; DATE_BYTES]>,
}

impl Default for DateCache {
    fn default() -> Self {
        Self {
            second: Cell::new(0),
            text: Cell::new(format_date(0)),
        }
    }
}

impl DateCache {
    /// The date at `wall` µs since 1970.
    #[must_use]
    pub fn at(&self, wall: u64) -> [u8; DATE_BYTES] {
        let second = wall / 1_000_000;
        if self.second.replace(second) != second {
            self.text.set(format_date(second));
        }
        self.text.get()
    }
}

/// Civil date from days, counted in years that begin in March so that the leap day comes last.
fn format_date(second: u64) -> [u8; DATE_BYTES] {
    const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] = [
        b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Jan",
        b"Feb",
    ];
    let days = second / 86_400;
    let since_era = days + 719_468;
    let era = since_era / 146_097;
    let day_of_era = since_era % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u64::from(month >= 10);
    let mut text = *b"___, 00 ___ 0000 00:00:00 GMT";
    let digits =
        |value: u64, place: u64| b"0123456789"[usize::try_from(value / place % 10).unwrap_or(0)];
    let at = |list: u64| usize::try_from(list).unwrap_or(0);
    text[..3].copy_from_slice(WEEKDAYS[at(days % 7)]);
    text[8..11].copy_from_slice(MONTHS[at(month)]);
    for (position, value, place) in [
        (5, day, 10),
        (6, day, 1),
        (12, year, 1000),
        (13, year, 100),
        (14, year, 10),
        (15, year, 1),
        (17, second / 3600 % 24, 10),
        (18, second / 3600 % 24, 1),
        (20, second / 60 % 60, 10),
        (21, second / 60 % 60, 1),
        (23, second % 60, 10),
        (24, second % 60, 1),
    ] {
        text[position] = digits(value, place);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(
                std::str::from_utf8(&DateCache::default().at(second * 1_000_000)),
                Ok(text)
            );
        }
    }
}
