//! Maintenance windows: when a tenant may be moved.

use chrono::{
    DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone as _,
    Utc, Weekday,
};
use chrono_tz::Tz;
use tenant_crd::v1::channel::{Day, MaintenanceWindow};

/// A time of the day, on some days of the week, at some place of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    days: Vec<Weekday>,
    start: NaiveTime,
    duration: TimeDelta,
    zone: Tz,
}

/// What is wrong with a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A time of the day that there is not.
    #[error("start {0:?} is no time of the day such as 02:30")]
    Start(String),
    /// A place that nobody knows.
    #[error(
        "timeZone {0:?} is not known; write one of the IANA database, such as Europe/Berlin or UTC"
    )]
    Zone(String),
}

impl TryFrom<&MaintenanceWindow> for Window {
    type Error = WindowError;

    fn try_from(wire: &MaintenanceWindow) -> Result<Self, Self::Error> {
        let start = NaiveTime::parse_from_str(&wire.start, "%H:%M")
            .map_err(|_no_time| WindowError::Start(wire.start.clone()))?;
        let zone = wire
            .time_zone
            .parse()
            .map_err(|_unknown| WindowError::Zone(wire.time_zone.clone()))?;
        Ok(Self {
            days: wire.days.iter().copied().map(weekday).collect(),
            start,
            duration: TimeDelta::from_std(wire.duration.as_duration()).unwrap_or(TimeDelta::MAX),
            zone,
        })
    }
}

const fn weekday(day: Day) -> Weekday {
    match day {
        Day::Monday => Weekday::Mon,
        Day::Tuesday => Weekday::Tue,
        Day::Wednesday => Weekday::Wed,
        Day::Thursday => Weekday::Thu,
        Day::Friday => Weekday::Fri,
        Day::Saturday => Weekday::Sat,
        Day::Sunday => Weekday::Sun,
    }
}

impl Window {
    /// One that never opens.
    pub fn never() -> Self {
        Self {
            days: Vec::new(),
            start: NaiveTime::MIN,
            duration: TimeDelta::zero(),
            zone: Tz::UTC,
        }
    }

    /// Whether it is open.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        // It may have begun yesterday.
        self.starts(now, -1..=0)
            .any(|start| start <= now && now - start < self.duration)
    }

    /// When it opens next, after `now`.
    pub fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.duration <= TimeDelta::zero() {
            return None;
        }
        self.starts(now, 0..=8).find(|start| *start > now)
    }

    fn starts(
        &self,
        now: DateTime<Utc>,
        days: std::ops::RangeInclusive<i64>,
    ) -> impl Iterator<Item = DateTime<Utc>> {
        let today = now.with_timezone(&self.zone).date_naive();
        days.filter_map(move |offset| {
            let distance = Days::new(offset.unsigned_abs());
            let date = if offset < 0 {
                today.checked_sub_days(distance)
            } else {
                today.checked_add_days(distance)
            }?;
            let is_meant = self.days.is_empty() || self.days.contains(&date.weekday());
            is_meant.then(|| self.start_on(date)).flatten()
        })
    }

    /// Where clocks are put forward over it, it begins when they are; where they are put back, the first time.
    fn start_on(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let wanted = date.and_time(self.start);
        (0..=8)
            .find_map(|quarters| {
                let at = wanted.checked_add_signed(TimeDelta::minutes(15 * quarters))?;
                match self.zone.from_local_datetime(&at) {
                    LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time),
                    LocalResult::None => None,
                }
            })
            .map(|time| time.with_timezone(&Utc))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn window(wire: Value) -> Result<Window, WindowError> {
        let wire: MaintenanceWindow = serde_json::from_value(wire).unwrap();
        Window::try_from(&wire)
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(window: &Window, now: &str, open: bool, next: &str) {
        assert_eq!(window.is_open(at(now)), open, "{now}");
        assert_eq!(window.next_opening(at(now)), Some(at(next)), "{now}");
    }

    #[test]
    fn a_window_is_open_on_its_days_at_its_place() {
        let nights = window(json!({
            "days": ["Saturday", "Sunday"], "start": "23:00", "duration": "4h", "timeZone": "Europe/Berlin",
        }))
        .unwrap();
        // 2026-11-28 is a Saturday; Berlin is an hour ahead.
        check(
            &nights,
            "2026-11-25T12:00:00Z",
            false,
            "2026-11-28T22:00:00Z",
        );
        check(
            &nights,
            "2026-11-28T21:59:59Z",
            false,
            "2026-11-28T22:00:00Z",
        );
        check(
            &nights,
            "2026-11-28T22:00:00Z",
            true,
            "2026-11-29T22:00:00Z",
        );
        check(
            &nights,
            "2026-11-29T01:59:59Z",
            true,
            "2026-11-29T22:00:00Z",
        );
        check(
            &nights,
            "2026-11-29T02:00:00Z",
            false,
            "2026-11-29T22:00:00Z",
        );
        // Of Sunday, though it is Monday.
        check(
            &nights,
            "2026-11-30T01:00:00Z",
            true,
            "2026-12-05T22:00:00Z",
        );
    }

    #[test]
    fn without_days_it_is_every_day_and_without_a_place_it_is_utc() {
        let daily = window(json!({"start": "02:30", "duration": "1h"})).unwrap();
        check(&daily, "2026-11-25T02:45:00Z", true, "2026-11-26T02:30:00Z");
        check(
            &daily,
            "2026-11-25T03:30:00Z",
            false,
            "2026-11-26T02:30:00Z",
        );
        let whole_day =
            window(json!({"days": ["Monday"], "start": "00:00", "duration": "24h"})).unwrap();
        check(
            &whole_day,
            "2026-11-30T23:59:59Z",
            true,
            "2026-12-07T00:00:00Z",
        );
    }

    #[test]
    fn clocks_that_are_put_forward_or_back_keep_the_window() {
        let berlin =
            window(json!({"start": "02:30", "duration": "1h", "timeZone": "Europe/Berlin"}))
                .unwrap();
        // 2026-03-29 has no 02:30 there: 03:00 summer time is the first moment after it.
        check(
            &berlin,
            "2026-03-29T00:59:59Z",
            false,
            "2026-03-29T01:00:00Z",
        );
        check(
            &berlin,
            "2026-03-29T01:00:00Z",
            true,
            "2026-03-30T00:30:00Z",
        );
        // 2026-10-25 has two of them: once is enough.
        check(
            &berlin,
            "2026-10-25T00:30:00Z",
            true,
            "2026-10-26T01:30:00Z",
        );
        check(
            &berlin,
            "2026-10-25T01:30:00Z",
            false,
            "2026-10-26T01:30:00Z",
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |start: &str, zone: &str| {
            window(json!({"start": start, "duration": "1h", "timeZone": zone}))
                .unwrap_err()
                .to_string()
        };
        assert!(wrong("25:00", "UTC").contains("no time of the day"));
        assert!(wrong("02:00", "Europe/Atlantis").contains("Europe/Berlin"));
    }
}
