//! Asking a provider about a key: one GET over verified TLS, to the one host that is configured.

use super::answer::Reply;
use super::check::Check;

/// How long the whole question may take, from the host's name to the answer's last byte, in seconds.
#[cfg(feature = "online")]
const LONGEST_SECONDS: u64 = 10;

/// The largest body that is read, in bytes. A list of a few hundred models is smaller.
#[cfg(feature = "online")]
const LARGEST: u64 = 1024 * 1024;

/// Whether this withkey was built with what asks.
pub const BUILT: bool = cfg!(feature = "online");

/// The way to a provider.
#[derive(Debug, Default)]
pub struct Route {
    /// In place of [`Check::base`], with `https://` at its front.
    pub base: Option<String>,
    /// Certificates (PEM) to trust in place of the bundled ones.
    pub roots: Option<Vec<u8>>,
    /// The proxy to go through. It sees the host's name, and neither key nor answer.
    pub proxy: Option<String>,
}

/// The address that is asked.
#[must_use]
pub fn address(check: &Check, route: &Route) -> String {
    format!("{}{}", route.base.as_deref().unwrap_or(check.base).trim_end_matches('/'), check.path)
}

/// Sends the question with `key` and gives what came back. Blocks for at most 10 seconds, and starts no thread.
///
/// Follows no redirect, uses no proxy that `route` does not name, and looks at no variable of the environment.
///
/// # Errors
/// Why there was no answer, in words.
///
/// # Secrets
/// `key` stays the caller's. The header that bears it is put together in protected pages; the copies of the HTTP and TLS
/// libraries lie on the heap, which is overwritten when it is freed, and in the stack below, which the caller scrubs.
#[cfg(feature = "online")]
pub fn ask(check: &Check, route: &Route, key: &[u8]) -> Result<Reply, String> {
    use std::io::Read;
    use std::time::Duration;

    use ureq::http::HeaderValue;
    use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

    use ureq::unversioned::transport::DefaultConnector;

    use super::address::host_of;
    use super::check::Sent;
    use super::lookup::LookUp;
    use crate::memory::Protected;

    let roots = match &route.roots {
        None => RootCerts::WebPki,
        Some(pem) => {
            let certificates = parse_pem(pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let certificates: Vec<_> = certificates.collect();
            if certificates.is_empty() {
                return Err("ca_file of config.toml holds no certificate".to_owned());
            }
            RootCerts::from(certificates)
        }
    };
    let proxy = match route.proxy.as_deref().map(ureq::Proxy::new).transpose() {
        Ok(proxy) if proxy.as_ref().is_none_or(speaks_http) => proxy,
        _ => return Err("--proxy wants an address such as http://proxy.example:3128".to_owned()),
    };
    let config = ureq::Agent::config_builder()
        .https_only(true)
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(proxy)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_global(Some(Duration::from_secs(LONGEST_SECONDS)))
        .max_idle_connections(0)
        .user_agent(concat!("withkey/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .build();
    let address: ureq::http::Uri = address(check, route).parse().map_err(|_| "its address is none".to_owned())?;
    let first = config.proxy().map_or(&address, ureq::Proxy::uri).clone();
    let look_up = LookUp::begin(first, config.clone()).map_err(|error| of_system(&error))?;
    let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), look_up);

    let (name, scheme): (_, &[u8]) = match check.sent {
        Sent::Bearer => ("authorization", b"Bearer "),
        Sent::Named(name) => (name, b""),
    };
    let header = Protected::from_pieces(&[scheme, key]).map_err(|_| "there is no memory for the key".to_owned())?;
    let header = HeaderValue::from_bytes(header.bytes());
    let mut header = header.map_err(|_| "the key holds bytes that no header carries".to_owned())?;
    header.set_sensitive(true);
    let request = agent.get(address).header(name, header);
    let request = check.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut response = request.call().map_err(|error| match route.proxy.as_deref() {
        Some(proxy) => by_way_of(host_of(proxy).unwrap_or_default(), &error),
        None => why(&error),
    })?;

    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(LARGEST + 1).read_to_end(&mut body);
    let whole = read.is_ok() && u64::try_from(body.len()).is_ok_and(|length| length <= LARGEST);
    Ok(Reply { status, retry_after, body: whole.then_some(body) })
}

/// As above, in a withkey that was built without it.
///
/// # Errors
/// Always.
#[cfg(not(feature = "online"))]
pub fn ask(_check: &Check, _route: &Route, _key: &[u8]) -> Result<Reply, String> {
    Err("this withkey was built without the feature `online`".to_owned())
}

#[cfg(feature = "online")]
fn speaks_http(proxy: &ureq::Proxy) -> bool {
    matches!(proxy.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https)
}

/// Why nothing came back through a proxy: what is its own fault is not called the provider's.
#[cfg(feature = "online")]
fn by_way_of(proxy: &str, error: &ureq::Error) -> String {
    use std::io::ErrorKind;
    let why = why(error);
    match error {
        // There is one connection, the one to the proxy, and one name that is looked up, the proxy's.
        ureq::Error::HostNotFound | ureq::Error::ConnectProxyFailed(_) => format!("the proxy {proxy}: {why}"),
        ureq::Error::Io(error) if error.raw_os_error().is_some() || error.kind() == ErrorKind::HostUnreachable => {
            format!("the proxy {proxy}: {why}")
        }
        _ => format!("{why}, through the proxy {proxy}"),
    }
}

/// Why nothing came back. Never the library's own text: it may hold the address with what stood in it.
#[cfg(feature = "online")]
fn why(error: &ureq::Error) -> String {
    let text = error.to_string();
    let said = |pieces: &[&str]| pieces.iter().any(|piece| text.contains(piece));
    let why = match error {
        ureq::Error::Timeout(_) => "no answer within 10 seconds",
        ureq::Error::HostNotFound => "the host's name is not known",
        ureq::Error::RequireHttpsOnly(_) => "its address does not begin with https://",
        ureq::Error::ConnectProxyFailed(_) => "it refuses",
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "its address is none",
        ureq::Error::LargeResponseHeader(..) | ureq::Error::Protocol(_) => "what came back is no HTTP",
        _ if said(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"]) => {
            "its certificate is of nobody whom withkey trusts"
        }
        _ if said(&["NotValidForName", "not valid for name"]) => "its certificate is for another name",
        _ if said(&["Expired", "certificate expired"]) => "its certificate has expired",
        _ if said(&["NotValidYet", "not valid yet"]) => "its certificate is not valid yet",
        _ if said(&["invalid peer certificate"]) => "its certificate does not hold",
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => "no safe connection came about",
        ureq::Error::Io(error) => return of_system(error),
        _ => "the connection failed",
    };
    why.to_owned()
}

#[cfg(feature = "online")]
fn of_system(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => "no answer within 10 seconds".to_owned(),
        (ErrorKind::UnexpectedEof, _) => "the connection broke off".to_owned(),
        (_, Some(number)) => nix::errno::Errno::from_raw(number).desc().to_lowercase(),
        // So lookup.rs says it.
        (ErrorKind::HostUnreachable, None) => "no name server answers".to_owned(),
        (ErrorKind::InvalidData, _) => "no safe connection came about".to_owned(),
        _ => "the connection failed".to_owned(),
    }
}
