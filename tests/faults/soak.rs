//! An hour, or how long one likes, at 200 callbacks a second with everything going wrong a little.

use std::time::Duration;

use crate::ground::{Address, Ground, Invariants, count_of, kibibytes, p99};
use crate::process::Running;

const PER_SECOND: u32 = 200;
const FAULTS: &str = "429=0.001,retry-after=1,500=0.01,503=0.01,reset=0.005,cut-json=0.005,slow=0.02,slow-for=300ms,\
                      not-yet=0.05,not-yet-for=1s,401=0.002,html=0.002";
/// What grows by more than that after the first minutes is a leak.
const GROWTH_MAX: f64 = 0.10;

#[derive(Debug, Clone, Copy)]
struct Use {
    memory_kib: u64,
    descriptors: u64,
    threads: u64,
}

fn used(running: &Running) -> Use {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", running.child.id().unwrap()))
        .unwrap()
        .count();
    Use {
        memory_kib: kibibytes(running, "VmRSS:"),
        descriptors: u64::try_from(descriptors).unwrap(),
        threads: kibibytes(running, "Threads:"),
    }
}

pub(crate) async fn soak(minutes: u64) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    ground.people.sandbox.set_faults(FAULTS.parse().unwrap());
    // Caches and arenas fill during the first fifth.
    let warm_up = (minutes / 5).max(1);
    let mut warm = None;
    for minute in 1..=minutes {
        let load = ground.people.load(&Address::of(&running), PER_SECOND);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let answers = load.end().await;
        let now = used(&running);
        let (accepted, slowest) = (count_of(&answers, 200), p99(&answers));
        println!(
            "minute {minute}: {accepted} of {} accepted, p99 {slowest:.0?}, {} KiB, {} descriptors, {} threads, {} open",
            answers.len(),
            now.memory_kib,
            now.descriptors,
            now.threads,
            ground.held().await.open()
        );
        if minute == warm_up {
            warm = Some(now);
        }
    }
    let (warm, last) = (warm.unwrap(), used(&running));
    let within = |before: u64, after: u64, slack: u64| {
        let [before, after, slack] = [before, after, slack]
            .map(|figure| u32::try_from(figure).unwrap())
            .map(f64::from);
        after <= before * (1.0 + GROWTH_MAX) + slack
    };
    // A handful of descriptors and threads more or less is chance.
    assert!(
        within(warm.memory_kib, last.memory_kib, 0),
        "{warm:?} {last:?}"
    );
    assert!(
        within(warm.descriptors, last.descriptors, 16),
        "{warm:?} {last:?}"
    );
    assert!(within(warm.threads, last.threads, 4), "{warm:?} {last:?}");
    ground.people.sandbox.set_faults("".parse().unwrap());
    let figures = Invariants {
        patience: Duration::from_secs(300),
        more_calls: u64::MAX / 2,
        log_lines: 2_000,
        ..Invariants::default()
    };
    format!(
        "{minutes} minutes, {warm:?} after {warm_up}, {last:?}; {}",
        figures.hold(&ground, &running).await
    )
}
