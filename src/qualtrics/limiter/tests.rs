//! The limiter under random arrivals.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn admitted(limiter: &mut Limiter, now: Instant) -> u32 {
    (0..)
        .take_while(|_| limiter.admit(now) == Admission::Now)
        .fold(0, |count, _| count + 1)
}

#[test]
fn a_full_window_opens_exactly_when_the_oldest_call_leaves_it() {
    let start = Instant::now();
    let mut limiter = Limiter::new(2);
    for second in [0, 10] {
        let now = start + SECOND * second;
        assert_eq!(limiter.admit(now), Admission::Now);
        limiter.finish(now, Ending::Answered, now + SECOND);
    }

    let opens = start + SECOND * 61;
    assert_eq!(limiter.admit(start + SECOND * 20), Admission::At(opens));
    assert_eq!(
        limiter.admit(opens - Duration::from_nanos(1)),
        Admission::At(opens)
    );
    assert_eq!(limiter.admit(opens), Admission::Now);
}

#[test]
fn what_was_never_sent_is_not_counted() {
    let now = Instant::now();
    let mut limiter = Limiter::new(1);

    for _ in 0..10 {
        assert_eq!(limiter.admit(now), Admission::Now);
        limiter.finish(now, Ending::Unsent, now);
    }

    assert_eq!(limiter.calls_left(now), 1);
}

#[test]
fn calls_in_flight_are_bounded() {
    let now = Instant::now();
    let mut limiter = Limiter::new(1000);

    assert_eq!(admitted(&mut limiter, now), 8);
    assert_eq!(limiter.admit(now), Admission::AfterAnother);
    limiter.finish(now, Ending::Answered, now);
    assert_eq!(limiter.admit(now), Admission::Now);
}

/// Sends one call that is answered 429.
fn limited(limiter: &mut Limiter, now: Instant, retry_after: Option<u64>) -> Duration {
    assert_eq!(limiter.admit(now), Admission::Now);
    limiter.finish(
        now,
        Ending::Limited(retry_after.map(Duration::from_secs)),
        now,
    );
    limiter.paused_until().unwrap() - now
}

#[test]
fn a_429_pauses_for_what_it_names_and_five_seconds_at_least() {
    for (named, seconds) in [(None, 5), (Some(0), 5), (Some(12), 12), (Some(900), 900)] {
        let mut limiter = Limiter::new(200);
        assert_eq!(
            limited(&mut limiter, Instant::now(), named),
            SECOND * seconds
        );
    }
}

#[test]
fn the_second_429_in_a_row_pauses_for_a_minute_and_a_success_forgets_the_first() {
    let mut now = Instant::now();
    let mut limiter = Limiter::new(200);

    assert_eq!(limited(&mut limiter, now, None), SECOND * 5);
    now += SECOND * 5;
    assert_eq!(limited(&mut limiter, now, None), SECOND * 60);
    now += SECOND * 60;
    assert_eq!(limiter.admit(now), Admission::Now);
    limiter.finish(now, Ending::Answered, now);
    assert_eq!(limited(&mut limiter, now, None), SECOND * 5);
}

#[test]
fn eight_calls_that_meet_one_429_are_one() {
    let now = Instant::now();
    let mut limiter = Limiter::new(200);
    assert_eq!(admitted(&mut limiter, now), 8);

    for _ in 0..8 {
        limiter.finish(now, Ending::Limited(None), now + SECOND);
    }

    assert_eq!(limiter.paused_until(), Some(now + SECOND * 6));
    assert_eq!(limiter.calls_left(now + SECOND * 62), 100, "halved once");
}

#[test]
fn the_rate_is_halved_and_recovers_by_a_tenth_a_minute() {
    let mut now = Instant::now();
    let mut limiter = Limiter::new(200);
    let pause = limited(&mut limiter, now, Some(60));
    now += pause;

    let rates: Vec<_> = (0..7)
        .map(|minute| limiter.calls_left(now + SECOND * 60 * minute))
        .collect();

    assert_eq!(rates, [100, 120, 140, 160, 180, 200, 200]);
}

#[test]
fn a_storm_leaves_a_tenth_of_the_rate() {
    let mut now = Instant::now();
    let mut limiter = Limiter::new(200);
    for _ in 0..20 {
        now += limited(&mut limiter, now, None);
    }

    assert_eq!(limiter.calls_left(now + SECOND * 59), 20);
    let recovered = now + SECOND * 60 * 9;
    assert_eq!(limiter.calls_left(recovered), 200);
}

#[test]
fn a_smaller_quota_holds_at_once_a_larger_one_a_minute_later() {
    let now = Instant::now();
    let mut limiter = Limiter::new(200);

    limiter.set_quota(100, now);
    assert_eq!(limiter.calls_left(now), 100);
    limiter.set_quota(200, now);
    assert_eq!(limiter.calls_left(now + SECOND * 59), 100);
    assert_eq!(limiter.calls_left(now + SECOND * 60), 200);
}

/// One thing that happens to a limiter.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    /// Send as many as it lets us.
    Send,
    /// End the oldest call in flight, which reached Qualtrics at the beginning of its way or at the end.
    End {
        ending: Ending,
        arrived_late: bool,
    },
    Quota(u32),
}

fn steps(endings: impl Strategy<Value = Ending>) -> impl Strategy<Value = Vec<Step>> {
    let end = (endings, any::<bool>()).prop_map(|(ending, arrived_late)| Step::End {
        ending,
        arrived_late,
    });
    let step = prop_oneof![
        4 => (0..30_000_u64).prop_map(Step::Wait),
        4 => Just(Step::Send),
        12 => end,
        1 => (1..10_u32).prop_map(Step::Quota),
    ];
    prop::collection::vec(step, 1..300)
}

/// Goes through the steps, and fails if any 60 seconds at Qualtrics hold more calls than the largest quota of them.
fn check(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut now = Instant::now();
    let mut quota = 5;
    let mut limiter = Limiter::new(quota);
    let mut in_flight = VecDeque::new();
    let mut arrived: Vec<Instant> = Vec::new();
    for step in steps {
        match step {
            Step::Wait(ms) => now += Duration::from_millis(ms),
            Step::Quota(new) => {
                limiter.set_quota(new, now);
                quota = quota.max(new);
            }
            Step::End {
                ending,
                arrived_late,
            } => {
                if let Some(sent) = in_flight.pop_front() {
                    limiter.finish(sent, ending, now);
                    arrived.push(if arrived_late { now } else { sent });
                }
            }
            Step::Send => loop {
                match limiter.admit(now) {
                    Admission::Now => in_flight.push_back(now),
                    Admission::At(instant) => {
                        prop_assert!(instant > now);
                        break;
                    }
                    Admission::AfterAnother => {
                        prop_assert!(!in_flight.is_empty());
                        break;
                    }
                }
            },
        }
    }
    arrived.extend(in_flight);
    arrived.sort();
    for (from, first) in arrived.iter().enumerate() {
        let window = arrived[from..]
            .iter()
            .take_while(|at| **at < *first + WINDOW);
        let held = window.count();
        prop_assert!(held <= usize::try_from(quota).unwrap(), "{held} of {quota}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_sixty_seconds_hold_more_than_allowed(steps in steps(Just(Ending::Answered))) {
        check(steps)?;
    }

    #[test]
    fn nor_do_they_after_429_and_503(
        steps in steps(prop_oneof![
            8 => Just(Ending::Answered),
            1 => Just(Ending::Limited(None)),
            1 => (0..100_u64).prop_map(|seconds| Ending::Limited(Some(Duration::from_secs(seconds)))),
            1 => Just(Ending::Overloaded),
        ]),
    ) {
        check(steps)?;
    }

    #[test]
    fn whoever_waits_as_told_gets_a_place(
        quota in 1..20_u32,
        limits in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut now = Instant::now();
        let mut limiter = Limiter::new(quota);
        for limited in limits {
            let mut waits = 0;
            loop {
                match limiter.admit(now) {
                    Admission::Now => break,
                    Admission::At(instant) => now = instant,
                    Admission::AfterAnother => prop_assert!(false, "nothing is in flight"),
                }
                waits += 1;
                prop_assert!(waits < 100);
            }
            let ending = if limited { Ending::Limited(None) } else { Ending::Answered };
            limiter.finish(now, ending, now);
        }
    }
}
