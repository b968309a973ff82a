//! A wall clock that jumps.

use std::time::Duration;

use crate::Scale;
use crate::ground::{Ground, Invariants};
use crate::shim::Shim;

pub(crate) async fn f29_the_clock_jumps(scale: Scale) -> String {
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    let mut ground = Ground::sqlite().await;
    let shim = Shim::install(&mut ground.site);
    let running = ground.serve().await;
    let jumps = [HOUR, -HOUR, DAY, -DAY, 0];
    for jump in jumps {
        // Some are being read while the clock jumps, some wait for another attempt.
        ground.people.sandbox.set_faults(
            "slow=0.5,slow-for=1s,not-yet=0.5,not-yet-for=2s"
                .parse()
                .unwrap(),
        );
        ground
            .people
            .tell_all(&running.url(""), scale.pick(10, 200))
            .await;
        shim.clock(jump);
        ground
            .people
            .tell_all(&running.url(""), scale.pick(10, 200))
            .await;
        if jump == -DAY {
            ground.people.sandbox.expire_tokens();
        }
        let (held, took) = ground.settled(0, Duration::from_secs(60)).await;
        assert!(
            took < Duration::from_secs(45),
            "after a jump of {jump} s it took {took:?}"
        );
        assert_eq!(held.in_state("dead"), 0, "{:?}", held.events);
    }
    let future = "SELECT COUNT(*) FROM QUALTRICS_INBOX WHERE NEXT_ATTEMPT_AT > '2100' OR LEASE_UNTIL > '2100'";
    let count: i64 = ground
        .site
        .open_database()
        .query_row(future, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 0);
    let figures = Invariants {
        more_calls: 100,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("{} jumps; {figures}", jumps.len())
}
