//! Where a URL leads.

/// The host of a URL; never what stands before an `@`, which may be a secret.
#[must_use]
pub fn host_of(url: &str) -> Option<&str> {
    // Some clients end the host at a backslash, others read on: such an address has no host that is sure.
    if url.contains('\\') {
        return None;
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(literal) => literal.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_named_and_never_what_stands_before_it() {
        for (url, host) in [
            ("https://gw.example/v1", Some("gw.example")),
            ("http://user:secret@gw.example:8080/v1", Some("gw.example")),
            ("http://[::1]:8080/", Some("::1")),
            ("localhost:8080", Some("localhost")),
            ("https:///", None),
            ("https://api.openai.com\\@gw.example/", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
