//! The queue: its words and its state machine.
