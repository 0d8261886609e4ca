//! Windows: stretches of the calendar, UTC, for which there can be a limit. Times are whole seconds since 1970.

/// A kind of window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Window {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
}

/// How many kinds there are.
pub const WINDOWS: usize = 6;

const DAY: u64 = 86_400;

impl Window {
    /// All kinds, shortest first; a kind's place is its number.
    pub const ALL: [Self; WINDOWS] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::Year,
    ];

    /// Its name in configuration and header values.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The first second of the window in which `time` lies.
    #[must_use]
    pub fn start(self, time: u64) -> u64 {
        match self {
            Self::Second => time,
            Self::Minute => time - time % 60,
            Self::Hour => time - time % 3600,
            Self::Day => time - time % DAY,
            Self::Month => {
                let date = Date::of(time);
                (time / DAY - (date.day - 1)) * DAY
            }
            Self::Year => {
                let date = Date::of(time);
                days_before_year(date.year) * DAY
            }
        }
    }

    /// The first second after the window in which `time` lies.
    #[must_use]
    pub fn end(self, time: u64) -> u64 {
        match self {
            Self::Second => time + 1,
            Self::Minute => self.start(time) + 60,
            Self::Hour => self.start(time) + 3600,
            Self::Day => self.start(time) + DAY,
            Self::Month => {
                let date = Date::of(time);
                self.start(time) + month_length(date.year, date.month) * DAY
            }
            Self::Year => days_before_year(Date::of(time).year + 1) * DAY,
        }
    }
}

/// A date of the Gregorian calendar; month and day count from 1.
pub(crate) struct Date {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
}

impl Date {
    /// Of a second since 1970.
    pub(crate) fn of(time: u64) -> Self {
        let days = time / DAY;
        // At most one year too early: a year has at least 365 days, and 366 is a safe divisor to begin with.
        let mut year = 1970 + days / 366;
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        let mut day = days - days_before_year(year);
        let mut month = 1;
        while day >= month_length(year, month) {
            day -= month_length(year, month);
            month += 1;
        }
        Self {
            year,
            month,
            day: day + 1,
        }
    }
}

/// Days from 1970 to the first of January of `year`.
fn days_before_year(year: u64) -> u64 {
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
}

fn month_length(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(window: Window, time: u64) -> (u64, u64) {
        (window.start(time), window.end(time))
    }

    #[test]
    fn windows_follow_the_calendar() {
        // 2024-02-29 12:34:56
        let leap_day = 1_709_210_096;
        assert_eq!(
            bounds(Window::Minute, leap_day),
            (1_709_210_040, 1_709_210_100)
        );
        assert_eq!(
            bounds(Window::Day, leap_day),
            (1_709_164_800, 1_709_251_200)
        );
        assert_eq!(
            bounds(Window::Month, leap_day),
            (1_706_745_600, 1_709_251_200)
        );
        assert_eq!(
            bounds(Window::Year, leap_day),
            (1_704_067_200, 1_735_689_600)
        );
        // 2026-12-31 23:59:59
        assert_eq!(
            bounds(Window::Month, 1_798_761_599),
            (1_796_083_200, 1_798_761_600)
        );
        assert_eq!(bounds(Window::Year, 0), (0, 31_536_000));
    }

    proptest! {
        #[test]
        fn windows_tile_time(time in 0..u64::from(u32::MAX)) {
            for window in Window::ALL {
                let (start, end) = bounds(window, time);
                prop_assert!(start <= time && time < end);
                prop_assert_eq!(bounds(window, start), (start, end));
                prop_assert_eq!(bounds(window, end - 1), (start, end));
                prop_assert_eq!(window.start(end), end);
            }
        }
    }
}
