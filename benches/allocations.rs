//! How often mapping a document asks for memory, against reading the same bytes as JSON.
//!
//! A program of its own, because whoever counts allocations makes each of them cost more.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

#[path = "service/sample.rs"]
mod sample;

use allocation_counter::{AllocationInfo, measure};
use sample::Sample;

fn main() {
    println!("| columns | bytes | read as | allocations | bytes allocated |");
    println!("|---|---|---|---|---|");
    for columns in [12, 60, 600] {
        let sample = Sample::of(columns);
        let tell = |name: &str, counted: AllocationInfo| {
            let AllocationInfo {
                count_total,
                bytes_total,
                ..
            } = counted;
            let bytes = sample.answer.len();
            println!("| {columns} | {bytes} | {name} | {count_total} | {bytes_total} |");
        };
        tell("row", measure(|| drop(sample.row())));
        tell("serde_json::Value", measure(|| drop(sample.value())));
        tell(
            "borrowed",
            measure(|| assert!(sample.borrowed().values() > 0)),
        );
    }
}
