//! A provider on this machine: real TLS with a certificate of the test's own authority, loopback only, and a memory of
//! everything it was asked.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Who signs the providers' certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate, for `ca_file`.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// TLS for a server of these names, until this year.
    pub fn server(&self, names: &[&str], last_year: i32) -> Arc<ServerConfig> {
        let mut parameters =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate.der().clone()], private).unwrap())
    }
}

/// What comes back to a request.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// These bytes, then nothing, for as long as the other side waits.
    Stall(Vec<u8>),
}

impl Reply {
    /// A status with a JSON body and further header lines.
    pub fn json(status: u16, headers: &[&str], body: &str) -> Self {
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self::Bytes(text.into_bytes())
    }
}

/// Something that listens on the loopback, until it is dropped.
pub struct Listener {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    /// How often somebody has connected.
    pub connections: Arc<AtomicUsize>,
}

impl Listener {
    /// Serves every connection in a thread of its own.
    pub fn start(address: IpAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (over, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ended, counted, serve) = (Arc::clone(&over), Arc::clone(&connections), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Self { address, over, connections }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// A provider that gives one answer to everything.
pub struct Upstream {
    pub listener: Listener,
    reply: Arc<Mutex<Reply>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub fn start(address: &str, tls: Arc<ServerConfig>) -> Self {
        let reply = Arc::new(Mutex::new(Reply::json(200, &[], "{}")));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (given, seen) = (Arc::clone(&reply), Arc::clone(&requests));
        let listener = Listener::start(address.parse().unwrap(), move |socket| {
            let Ok(connection) = ServerConnection::new(Arc::clone(&tls)) else { return };
            let mut stream = StreamOwned::new(connection, socket);
            // One that does not trust the certificate goes away here.
            let Ok(request) = read_head(&mut stream) else { return };
            seen.lock().unwrap().push(request);
            let reply = given.lock().unwrap().clone();
            let (bytes, stall) = match &reply {
                Reply::Bytes(bytes) => (bytes, false),
                Reply::Stall(bytes) => (bytes, true),
            };
            let _ = stream.write_all(bytes).and_then(|()| stream.flush());
            if stall {
                // Until the other side has had enough.
                let _ = stream.read(&mut [0]);
            }
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.shutdown(Shutdown::Write);
        });
        Self { listener, reply, requests }
    }

    /// What it answers from now on.
    pub fn answers(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// The requests since the last look, head and all.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

/// A proxy that only knows CONNECT: what it was asked, and all that passed through it towards the target.
pub fn proxy(seen: Arc<Mutex<Vec<u8>>>) -> Listener {
    Listener::start([127, 0, 0, 1].into(), move |mut client| {
        let Ok(head) = read_head(&mut client) else { return };
        seen.lock().unwrap().extend_from_slice(head.as_bytes());
        let target = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
        let Ok(mut upstream) = TcpStream::connect(target) else { return };
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let (mut back, mut answer) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut answer, &mut back);
            let _ = back.shutdown(Shutdown::Write);
        });
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = client.read(&mut bytes) {
            seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            if upstream.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
        let _ = upstream.shutdown(Shutdown::Write);
    })
}

/// A port that nobody listens at, and that nobody else gets while the socket is kept.
#[allow(clippy::cast_possible_truncation, reason = "the size of a small structure")]
pub fn deaf_port() -> (OwnedFd, u16) {
    // SAFETY: plain system calls on structures that live for the call; the descriptor is new.
    unsafe {
        let socket = OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0));
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as u16;
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        let mut length = size_of::<libc::sockaddr_in>() as u32;
        assert_eq!(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length), 0);
        assert_eq!(libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length), 0);
        (socket, u16::from_be(address.sin_port))
    }
}

/// Everything up to the empty line.
fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 || head.len() > 1 << 20 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
