use super::*;
use crate::define::Audience;
use crate::expr::Aggregate;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

fn spec(function: Function, property: Option<&str>, window: Option<Window>) -> SeriesSpec {
    SeriesSpec::of(
        Audience::Person,
        &Aggregate {
            function,
            event: "x".into(),
            property: property.map(Into::into),
            window,
            filter: None,
        },
    )
}

fn days(length: i64, offset: i64) -> Window {
    Window {
        length_ms: length * DAY_MS,
        offset_ms: offset * DAY_MS,
    }
}

#[test]
fn a_window_loses_an_event_exactly_when_it_is_as_old_as_the_window_is_long() {
    let window = days(7, 0);
    let spec = spec(Function::Count, None, Some(window));
    let mut series = Series::default();
    series.push(Timestamp(0), Observed::Time, &spec, Timestamp(0));
    let before = series.count(Some(window), Timestamp(7 * DAY_MS - 1));
    assert_eq!(before.value, 1);
    assert_eq!(before.next_change_at, Some(Timestamp(7 * DAY_MS)));
    assert_eq!(series.count(Some(window), Timestamp(7 * DAY_MS)).value, 0);
    assert_eq!(series.count(None, Timestamp(7 * DAY_MS)).value, 1);
}

#[test]
fn a_window_in_the_past_gains_an_event_exactly_when_it_is_old_enough() {
    let window = days(7, 7);
    let spec = spec(Function::Count, None, Some(window));
    let mut series = Series::default();
    series.push(Timestamp(0), Observed::Time, &spec, Timestamp(0));
    let before = series.count(Some(window), Timestamp(7 * DAY_MS - 1));
    assert_eq!(
        (before.value, before.next_change_at),
        (0, Some(Timestamp(7 * DAY_MS)))
    );
    let inside = series.count(Some(window), Timestamp(7 * DAY_MS));
    assert_eq!(
        (inside.value, inside.next_change_at),
        (1, Some(Timestamp(14 * DAY_MS)))
    );
}

#[test]
fn the_moment_at_which_too_few_events_are_left_is_found_at_once() {
    let window = days(7, 0);
    let spec = spec(Function::Count, None, Some(window));
    let mut series = Series::default();
    for hour in [5, 1, 3, 3, 2] {
        series.push(
            Timestamp(hour * HOUR_MS),
            Observed::Time,
            &spec,
            Timestamp(DAY_MS),
        );
    }
    let flip = series.next_count_flip(window, Timestamp(DAY_MS), |count| count >= 2);
    assert_eq!(flip, Some(Timestamp(7 * DAY_MS + 3 * HOUR_MS)));
}

#[test]
fn beyond_a_thousand_points_the_edge_of_a_window_is_off_by_less_than_half_a_percent() {
    let windows = [days(1, 0), days(30, 0), days(90, 0)];
    let spec = spec(Function::Count, None, Some(windows[2]));
    let mut series = Series::default();
    let every_ms = 7 * MINUTE_MS;
    let now = Timestamp(90 * DAY_MS);
    for at in (1..=now.0 / every_ms).map(|step| Timestamp(step * every_ms)) {
        series.push(at, Observed::Time, &spec, at);
    }
    for window in windows {
        let exact = (window.length_ms / every_ms) as f64;
        let seen = series.count(Some(window), now).value as f64;
        assert!(
            (seen - exact).abs() <= exact * 0.005 + 1.0,
            "{seen} of {exact}"
        );
    }
    let bytes = postcard::to_stdvec(&series).unwrap().len();
    assert!(bytes < 64 * 1024, "a hot series takes {bytes} bytes");
}

#[test]
fn distinct_people_are_told_apart_and_follow_a_merge() {
    let window = days(7, 0);
    let spec = spec(Function::ActivePeople, None, Some(window));
    let mut series = Series::default();
    for (at, person) in [(1, 7), (2, 8), (3, 7), (1, 9)] {
        series.push(Timestamp(at), Observed::Key(person), &spec, Timestamp(10));
    }
    assert_eq!(series.distinct(Some(window), Timestamp(10)).value, 3);
    series.rename_person(PersonId(9), PersonId(8));
    let seen = series.distinct(Some(window), Timestamp(10));
    assert_eq!(seen.value, 2);
    assert_eq!(seen.next_change_at, Some(Timestamp(7 * DAY_MS + 2)));
}

#[test]
fn two_halves_merged_are_the_whole() {
    let window = days(7, 0);
    for (function, property) in [
        (Function::Count, None),
        (Function::Sum, Some("n")),
        (Function::Last, Some("n")),
        (Function::Distinct, Some("n")),
    ] {
        let spec = spec(function, property, Some(window));
        let mut whole = Series::default();
        let mut halves = [Series::default(), Series::default()];
        for step in 0..40_i64 {
            let at = Timestamp(step * 37 % 23);
            let observed = match spec.kind {
                SeriesKind::Times => Observed::Time,
                SeriesKind::Numbers => Observed::Number(step as f64),
                SeriesKind::Values => Observed::Value(Value::Number(step as f64)),
                _ => Observed::Key(step as u128 % 5),
            };
            whole.push(at, observed.clone(), &spec, Timestamp(50));
            halves[usize::from(step % 3 == 0)].push(at, observed, &spec, Timestamp(50));
        }
        let [mut left, right] = halves;
        left.merge(right);
        let now = Timestamp(60);
        assert_eq!(left.count(None, now), whole.count(None, now));
        assert_eq!(
            left.number(function, Some(window), now),
            whole.number(function, Some(window), now)
        );
        assert_eq!(
            left.value(function, Some(window), now),
            whole.value(function, Some(window), now)
        );
        assert_eq!(
            left.distinct(Some(window), now),
            whole.distinct(Some(window), now)
        );
    }
}

#[test]
fn an_empty_series_takes_one_pointer() {
    assert_eq!(std::mem::size_of::<Series>(), std::mem::size_of::<usize>());
}
