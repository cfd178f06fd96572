// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small HTTP/1.1 server for short requests: one answer a connection, few threads, and a bound on everything
//! that whoever connects can make it hold or wait for. TLS is the business of a proxy before it.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};

/// Requests answered at once.
const WORKERS: usize = 8;
/// Connections that wait for one of these; more are closed.
const WAITING: usize = 64;
/// From the connection to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest request line and headers.
const MAX_HEAD: usize = 16 * 1024;
/// What is read of a request that was refused, so that its sender gets to see the answer.
const MAX_REST: u64 = 1024 * 1024;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8".into(),
            body: format!("{text}\n").into(),
        }
    }
}

/// A request whose body has arrived.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
}

/// Answers requests on `listener` until something can be read from `stop`, then ends those begun.
///
/// # Errors
///
/// When no more connections can be accepted.
pub fn serve(
    listener: &TcpListener,
    stop: &UnixStream,
    max_body: usize,
    answer: impl Fn(&str, &str, &[u8]) -> Reply + Sync,
) -> io::Result<()> {
    // A connection that was waiting and is gone again must not block what follows.
    listener.set_nonblocking(true)?;
    let (sender, receiver) = sync_channel::<TcpStream>(WAITING);
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = receiver.lock().unwrap().recv();
                    let Ok(stream) = next else {
                        return;
                    };
                    // Whoever breaks a connection off loses the answer, and nobody else anything.
                    let _ = converse(&stream, max_body, &answer);
                }
            });
        }
        // Dropped at the end, upon which the workers end.
        accept(listener, stop, sender)
    })
}

fn accept(
    listener: &TcpListener,
    stop: &UnixStream,
    sender: SyncSender<TcpStream>,
) -> io::Result<()> {
    loop {
        let mut ready = [
            PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        if !ready[0].revents().is_empty() {
            return Ok(());
        }
        match listener.accept() {
            Ok((stream, _)) => match sender.try_send(stream) {
                // Too many at once: closed without an answer, and asked again by whoever means it.
                Ok(()) | Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
            },
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            // Too many open files, or a connection that was broken off: others may follow.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn converse(
    stream: &TcpStream,
    max_body: usize,
    answer: &impl Fn(&str, &str, &[u8]) -> Reply,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut wire = Wire {
        stream,
        end: Instant::now() + DEADLINE,
    };
    let reply = match wire.request(max_body) {
        Ok(request) => answer(&request.method, &request.path, &request.body),
        Err(Broken::Refused(reply)) => reply,
        Err(Broken::Io(e)) => return Err(e),
    };
    wire.reply(&reply)
}

/// Why there is no request.
enum Broken {
    Io(io::Error),
    Refused(Reply),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                refused(408, "the request took too long")
            }
            _ => Self::Io(error),
        }
    }
}

fn refused(status: u16, text: &str) -> Broken {
    Broken::Refused(Reply::text(status, text))
}

struct Wire<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl Wire<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn request(&mut self, max_body: usize) -> Result<Request, Broken> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        let (head, behind) = loop {
            let n = self.read(&mut chunk)?;
            if n == 0 {
                return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            bytes.extend_from_slice(&chunk[..n]);
            match Head::parse(&bytes)? {
                Some(parsed) => break parsed,
                None if bytes.len() > MAX_HEAD => {
                    return Err(refused(431, "the headers are too long"));
                }
                None => {}
            }
        };
        let length = head.length(max_body)?;
        let mut body = bytes.split_off(behind);
        if body.len() < length && head.waits {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while body.len() < length {
            let n = self.read(&mut chunk)?;
            if n == 0 {
                return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            body.extend_from_slice(&chunk[..n]);
        }
        // What follows would be a second request, which this connection does not answer.
        body.truncate(length);
        Ok(Request {
            method: head.method,
            path: head.path,
            body,
        })
    }

    fn reply(&mut self, reply: &Reply) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
        if !reply.content_type.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(head, "Content-Type: {}\r\n", reply.content_type);
        }
        let _ = write!(
            head,
            "Content-Length: {}\r\nConnection: close\r\n\r\n",
            reply.body.len()
        );
        // Also after a request that took too long: its sender is to be told.
        self.end = self.end.max(Instant::now() + Duration::from_secs(1));
        self.write(&[head.as_bytes(), &reply.body].concat())?;
        self.stream.shutdown(Shutdown::Write)?;
        // Closing with bytes unread would break the connection off before the answer is read.
        self.end = self.end.min(Instant::now() + Duration::from_secs(1));
        let mut rest = [0; 4096];
        let mut read = 0;
        while read < MAX_REST {
            match self.read(&mut rest) {
                Ok(0) | Err(_) => break,
                Ok(n) => read += n as u64,
            }
        }
        Ok(())
    }
}

/// Request line and the headers that matter.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    method: String,
    path: String,
    length: Option<usize>,
    /// A body in pieces of which nobody knows how many there are.
    chunked: bool,
    /// The sender waits to be told that it may go on.
    waits: bool,
}

impl Head {
    /// The head and where it ends, once it has arrived.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let malformed = || refused(400, "the request is malformed");
        let behind = match request.parse(bytes) {
            Ok(httparse::Status::Complete(behind)) => behind,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(refused(431, "there are too many headers"));
            }
            Err(_) => return Err(malformed()),
        };
        let mut head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for header in request.headers {
            let value = std::str::from_utf8(header.value).map_err(|_| malformed())?;
            if header.name.eq_ignore_ascii_case("content-length") {
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let length = value.parse().ok().filter(|_| digits);
                // Two lengths are one too many, even if they agree (RFC 9112 §6.3).
                if length.is_none() || head.length.is_some() {
                    return Err(refused(400, "the length is malformed"));
                }
                head.length = length;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = true;
            } else if header.name.eq_ignore_ascii_case("expect") {
                head.waits = value.eq_ignore_ascii_case("100-continue");
            }
        }
        Ok(Some((head, behind)))
    }

    fn length(&self, max: usize) -> Result<usize, Broken> {
        match self.length {
            _ if self.chunked => Err(refused(411, "give the length of the body beforehand")),
            Some(length) if length > max => Err(refused(413, "the body is too long")),
            Some(length) => Ok(length),
            None if self.method == "POST" => {
                Err(refused(411, "give the length of the body beforehand"))
            }
            None => Ok(0),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `parts` one after the other, and gives back what is answered until the connection ends.
    fn exchange(address: std::net::SocketAddr, parts: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        for part in parts {
            // The answer may come before all was sent.
            let _ = stream.write_all(part);
        }
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn requests_are_answered_within_their_bounds() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut stop, stopped) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                serve(&listener, &stopped, 10, |method, path, body| {
                    Reply::text(200, &format!("{method} {path} {}", body.len()))
                })
            });
            let status = |parts: &[&[u8]], wanted: &str| {
                let answer = exchange(address, parts);
                assert!(answer.contains(wanted), "{parts:?}: {answer}");
            };
            let post =
                |length: &str| format!("POST /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
            status(&[b"GET /b?c HTTP/1.1\r\n\r\n"], "GET /b?c 0");
            status(&[post("10").as_bytes(), b"01234", b"56789"], "POST /a 10");
            status(&[post("2").as_bytes(), b"0123456789"], "POST /a 2");
            status(&[post("11").as_bytes(), &[0; 11]], "413 ");
            status(&[post("99999999999999999999").as_bytes()], "400 ");
            status(&[post("+1").as_bytes()], "400 ");
            status(&[post("1\r\nContent-Length: 1").as_bytes(), b"0"], "400 ");
            status(&[b"POST /a HTTP/1.1\r\n\r\n"], "411 ");
            status(
                &[b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n0\r\n\r\n"],
                "411 ",
            );
            status(
                &[post("1\r\nExpect: 100-continue").as_bytes(), b"0"],
                "POST /a 1",
            );
            status(&[b"\x16\x03\x01 a TLS greeting\r\n\r\n"], "400 ");
            status(
                &[b"GET / HTTP/1.1\r\nA: ", &vec![b'a'; 2 * MAX_HEAD]],
                "431 ",
            );
            let many = "A: b\r\n".repeat(65);
            status(
                &[format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()],
                "431 ",
            );
            // Those who say nothing keep nobody waiting who does, and end with the server.
            let _silent: Vec<_> = (0..WORKERS / 2)
                .map(|_| TcpStream::connect(address).unwrap())
                .collect();
            status(&[b"GET / HTTP/1.1\r\n\r\n"], "200 OK");
            drop(_silent);
            stop.write_all(b"x").unwrap();
            server.join().unwrap().unwrap();
        });
    }
}
