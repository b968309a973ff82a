//! What goes wrong, how often: the fault switches.
//!
//! A text such as `429=0.1,slow=0.05,not-yet=0.2,delay=2s` sets them; [`Faults::switches`] lists them with their
//! meaning. A share is between 0 and 1 (or `10%`), a time has a unit (`500ms`, `2s`, `1m`), a switch alone means
//! "always" or "on". The same `seed` lets the same calls in the same order meet the same faults.

mod kinds;

use std::fmt;
use std::str::FromStr;

pub use self::kinds::{MessageOrder, NotYet, OnOff, Pause, Retry, Share, Target, Word};

/// A text of fault switches that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// There is no switch of this name.
    #[error("unknown fault switch `{name}`: the switches are {}", names())]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The switch exists, its value makes no sense.
    #[error("fault switch `{name}` can't be `{value}`: {expected}")]
    Value {
        /// The switch.
        name: &'static str,
        /// What was given.
        value: String,
        /// What would have been right.
        expected: &'static str,
    },
}

fn names() -> String {
    SWITCHES
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Declares the switches once: field, type, default, name in the text, meaning.
macro_rules! switches {
    ($($field:ident: $kind:ty = $default:expr, $name:literal, $meaning:literal;)*) => {
        /// Which faults strike, and how often. The default has none.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Faults {
            $(#[doc = concat!("`", $name, "`: ", $meaning)] pub $field: $kind,)*
        }

        const SWITCHES: &[(&str, &str)] = &[$(($name, $meaning),)*];

        impl Default for Faults {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Faults {
            fn set(&mut self, name: &str, value: &str) -> Result<(), FaultsError> {
                match name {
                    $($name => {
                        self.$field = value.parse().map_err(|expected| FaultsError::Value {
                            name: $name,
                            value: value.to_owned(),
                            expected,
                        })?;
                        Ok(())
                    })*
                    _ => Err(FaultsError::Unknown { name: name.to_owned() }),
                }
            }
        }

        /// Only what differs from the default, so that the text reads as it was written.
        impl fmt::Display for Faults {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let default = Self::default();
                let mut separator = "";
                $(if self.$field != default.$field {
                    write!(formatter, "{separator}{}={}", $name, self.$field)?;
                    separator = ",";
                })*
                let _ = separator;
                Ok(())
            }
        }
    };
}

switches! {
    too_many: Share = Share::NEVER, "429", "share of calls answered 429";
    retry_after: Word = Word::new("12"), "retry-after", "the 429's Retry-After: seconds, `none`, `date`, or any text";
    internal: Share = Share::NEVER, "500", "share of calls answered 500";
    unavailable: Share = Share::NEVER, "503", "share of calls answered 503";
    gateway: Share = Share::NEVER, "504", "share of calls answered 504";
    unauthorized: Share = Share::NEVER, "401", "share of calls answered 401, as if the token had just expired";
    forbidden: Share = Share::NEVER, "403", "share of calls answered 403";
    slow: Share = Share::NEVER, "slow", "share of calls answered late";
    slow_for: Pause = Pause::millis(2_000), "slow-for", "how late";
    slow_body: Share = Share::NEVER, "slow-body", "share of answers whose body trickles";
    slow_body_for: Pause = Pause::millis(5_000), "slow-body-for", "how long such a body takes";
    reset: Share = Share::NEVER, "reset", "share of answers whose connection is cut in the middle of the body";
    cut_json: Share = Share::NEVER, "cut-json", "share of answers with half a body and an honest length";
    html: Share = Share::NEVER, "html", "share of calls answered 502 with a gateway's HTML page";
    html_ok: Share = Share::NEVER, "html-ok", "share of calls answered 200 with an HTML page";
    contradict: Share = Share::NEVER, "contradict", "share of 200 answers whose meta.httpStatus says 500";
    redirect: Share = Share::NEVER, "redirect", "share of calls redirected";
    redirect_to: Word = Word::new("http://169.254.169.254/latest/meta-data/"), "redirect-to", "where to";
    gzip: Share = Share::NEVER, "gzip", "share of answers compressed, where the caller accepts it";
    gzip_bomb: Share = Share::NEVER, "gzip-bomb", "share of answers that unpack to 256 MiB";
    endless: Share = Share::NEVER, "endless", "share of answers that never end";
    notice: Share = Share::NEVER, "notice", "share of answers with meta.notice \"Request proxied. …\"";
    on: Target = Target::All, "on",
        "which calls the above strike: all, or token, responses, exports, definitions, subscriptions joined by +";
    wrong_datacenter: OnOff = OnOff::Off, "wrong-datacenter", "on: OAuth tokens get 401, API tokens meta.notice";
    not_yet: Share = Share::NEVER, "not-yet", "share of responses that can't be read at once";
    not_yet_for: Pause = Pause::millis(2_000), "not-yet-for", "for how long after completion";
    not_yet_status: NotYet = NotYet::Accepted, "not-yet-status", "how that is said: 202, 404, or mixed";
    never: Share = Share::NEVER, "never", "share of responses that are 404 for ever";
    late_fields: Pause = Pause::millis(0), "late-fields", "how long after completion scores and derived fields come";
    export_lag: Pause = Pause::millis(0), "export-lag", "how long after completion a response shows in exports";
    export_polls: Word = Word::new("1"), "export-polls", "progress calls that say inProgress before complete";
    export_time: Pause = Pause::millis(0), "export-time", "how long an export job takes at least";
    export_failed: Share = Share::NEVER, "export-failed", "share of export jobs that end failed";
    export_missing: Share = Share::NEVER, "export-missing", "share of responses that an export leaves out";
    truncated_zip: Share = Share::NEVER, "truncated-zip", "share of export files that end in the middle";
    flipped_zip: Share = Share::NEVER, "flipped-zip", "share of export files with one changed byte (wrong CRC)";
    stray_lines: OnOff = OnOff::On, "stray-lines", "off: no stray {} line in ndjson files";
    drop: Share = Share::NEVER, "drop", "share of callbacks that are lost";
    duplicate: Share = Share::NEVER, "duplicate", "share of callbacks sent twice";
    reorder: Share = Share::NEVER, "reorder", "share of callbacks that later ones overtake";
    reorder_for: Pause = Pause::millis(500), "reorder-for", "how long an overtaken callback waits";
    delay: Pause = Pause::millis(0), "delay", "how long every callback waits";
    retry: Retry = Retry::Exponential, "retry", "after a callback that got no 2xx: off, fixed or exponential";
    retry_base: Pause = Pause::millis(1_000), "retry-base", "the first wait before a repeated callback";
    retries: Word = Word::new("5"), "retries", "how often a callback is repeated at most";
    timeout: Pause = Pause::millis(5_000), "timeout", "how long a callback's receiver may take";
    keep_alive: OnOff = OnOff::On, "keep-alive", "off: a new connection for every callback";
    probe: OnOff = OnOff::Off, "probe", "on: a GET to publicationUrl when a subscription is created";
    unsigned: Share = Share::NEVER, "unsigned", "share of callbacks without HMAC although the subscription has a key";
    encrypted: Share = Share::NEVER, "encrypted", "share of callbacks whose MSG looks encrypted";
    wrong_hmac: Share = Share::NEVER, "wrong-hmac", "share of callbacks with a wrong HMAC";
    wrong_topic: Share = Share::NEVER, "wrong-topic", "share of callbacks whose Topic names another survey";
    message: MessageOrder = MessageOrder::Newer, "message", "fields of MSG: 2020 (long) or 2019 (short)";
    seed: Word = Word::new(""), "seed", "a number that lets runs repeat";
}

impl Faults {
    /// Every switch's name and meaning, for help texts.
    pub fn switches() -> &'static [(&'static str, &'static str)] {
        SWITCHES
    }

    /// These faults with some switches changed.
    ///
    /// # Errors
    /// The first switch that can't be read; then nothing is changed.
    pub fn with(&self, text: &str) -> Result<Self, FaultsError> {
        let mut faults = self.clone();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            faults.set(name.trim(), value.trim())?;
        }
        Ok(faults)
    }

    pub(crate) fn seed_number(&self) -> Option<u64> {
        self.seed.as_str().parse().ok()
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        Self::default().with(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_faults_reads_back() {
        let text = "429=0.1,slow=0.05,reset=1,on=exports+responses,not-yet=0.2,not-yet-status=404,drop=0.02,delay=2s,\
                    retry=off,message=2019,seed=7";

        let faults: Faults = text.parse().unwrap();

        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
        assert_eq!(faults.seed_number(), Some(7));
        assert_eq!(Faults::default().to_string(), "");
    }

    #[test]
    fn shares_are_numbers_or_percents_or_always() {
        assert_eq!(
            "429=10%".parse::<Faults>().unwrap(),
            "429=0.1".parse().unwrap()
        );
        assert_eq!("429".parse::<Faults>().unwrap(), "429=1".parse().unwrap());
        assert_eq!(
            " wrong-datacenter , probe=on "
                .parse::<Faults>()
                .unwrap()
                .wrong_datacenter,
            OnOff::On
        );
    }

    #[test]
    fn an_unknown_switch_is_answered_with_the_list() {
        let error = "flaky=1".parse::<Faults>().unwrap_err().to_string();

        assert!(
            error.starts_with(
                "unknown fault switch `flaky`: the switches are 429, retry-after, 500"
            ),
            "{error}"
        );
        assert!(error.ends_with("seed"), "{error}");
    }

    #[test]
    fn a_wrong_value_says_what_is_right() {
        let check = |text: &str| text.parse::<Faults>().unwrap_err().to_string();

        assert_eq!(
            check("429=2"),
            "fault switch `429` can't be `2`: a share is between 0 and 1, or 0% to 100%"
        );
        assert_eq!(
            check("delay=soon"),
            "fault switch `delay` can't be `soon`: a time looks like 500ms, 2s or 1m"
        );
        assert_eq!(
            check("retry=often"),
            "fault switch `retry` can't be `often`: off, fixed or exponential"
        );
        assert_eq!(
            check("on=everything"),
            "fault switch `on` can't be `everything`: all, or token, responses, exports, definitions, subscriptions"
        );
    }

    #[test]
    fn switches_can_be_changed_one_by_one() {
        let faults = "429=0.5,drop=0.5".parse::<Faults>().unwrap();

        assert_eq!(faults.with("429=0").unwrap().to_string(), "drop=0.5");
        assert!(faults.with("429=9").is_err());
    }
}
