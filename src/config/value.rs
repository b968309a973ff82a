//! The texts that settings are written in: switches, durations, addresses, names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

use super::error::Fault;

pub(super) fn switch(text: &str) -> Result<bool, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(Fault::new("neither true nor false", "write true or false")),
    }
}

/// A duration as `humantime` reads it, at least `minimum`.
pub(super) fn duration(text: &str, minimum: Duration) -> Result<Duration, Fault> {
    let value = humantime::parse_duration(text)
        .map_err(|_| Fault::new("not a duration", "write for example 15m, 1h 30m or 30d"))?;
    if value < minimum {
        let least = humantime::format_duration(minimum);
        return Err(Fault::new("too short", format!("write at least {least}")));
    }
    Ok(value)
}

/// A whole number of at least 1.
pub(super) fn positive<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|_| Fault::new("not a positive whole number", "write a number from 1"))
}

/// An address and port to listen on; `localhost` and a missing address are understood.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Fault> {
    let fault = || {
        Fault::new(
            "not an address and port",
            "write for example 127.0.0.1:8080",
        )
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
    let port = port.parse().map_err(|_| fault())?;
    match host {
        "localhost" => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        "" => Ok(all_interfaces(port)),
        _ => Err(fault()),
    }
}

/// Every interface, as Cloud Foundry's router needs it.
pub(super) fn all_interfaces(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)
}

/// An `http(s)` address without user, query and fragment.
pub(super) fn web_url(text: &str) -> Result<Url, Fault> {
    let mend = "write for example https://host.example";
    let url = Url::parse(text).map_err(|_| Fault::new("not a URL", mend))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Fault::new("not an http(s) URL", mend));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new("a URL with a user in it", mend));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new("a URL with a query or fragment", mend));
    }
    Ok(url)
}

/// The address with exactly one slash at its end, so that paths can be joined to it.
pub(super) fn as_folder(mut url: Url) -> Url {
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// True where the URL's host is this machine: `localhost` or a loopback address.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_loopback_host(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The same for a host by itself, an IPv6 address with or without brackets.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A domain as certificates and resolvers write it (A-labels, lower case), if it is one and reads the same after
/// UTS 46 mapping. Letters that are mapped to others (full-width, soft hyphen) are refused: two texts that look or
/// are different must not become one domain. Source: UTS 46, section 4.
pub(super) fn ascii_domain(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let Ok(Host::Domain(ascii)) = Host::parse(&lower) else {
        return None;
    };
    let unmapped = ascii == lower || url::quirks::domain_to_unicode(&ascii) == lower;
    let labels_filled = ascii.split('.').all(|label| !label.is_empty());
    (unmapped && labels_filled).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:9", "127.0.0.1:9"),
            (":8080", "0.0.0.0:8080"),
        ] {
            assert_eq!(socket(text).unwrap().to_string(), address);
        }
        for text in ["8080", "host:80", "127.0.0.1", "localhost:70000", ""] {
            assert!(socket(text).is_err(), "{text}");
        }
    }

    #[test]
    fn domains_are_compared_as_a_labels_and_never_mapped() {
        assert_eq!(ascii_domain("SAP.com").as_deref(), Some("sap.com"));
        assert_eq!(
            ascii_domain("BÜCHER.example").as_deref(),
            Some("xn--bcher-kva.example")
        );
        assert_eq!(
            ascii_domain("xn--bcher-kva.example").as_deref(),
            Some("xn--bcher-kva.example")
        );
        for text in [
            "ｓａｐ.com",
            "sap。com",
            "sap\u{ad}com.example",
            "sap.com.",
            "",
            "10.0.0.1",
            "a..b",
            "[::1]",
        ] {
            assert_eq!(ascii_domain(text), None, "{text}");
        }
    }

    #[test]
    fn web_urls_hold_nothing_secret() {
        assert!(web_url("https://fra1.qualtrics.com").is_ok());
        for text in [
            "fra1",
            "ftp://a",
            "https://u:p@a",
            "https://a?x=1",
            "https://a#x",
            "mailto:a@b",
        ] {
            assert!(web_url(text).is_err(), "{text}");
        }
    }
}
