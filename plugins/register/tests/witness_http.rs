// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sending checkpoints to a witness over HTTP, and what becomes of servers that are none.
#![cfg(feature = "witness-client")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use privacy_register::{
    Agent, Entry, Operation, Policy, Register, VerifierKey, WitnessKey, verify_witnessed,
    witness::{Answer, SubmitError, WITNESSED, WitnessState, submit},
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A server that lives as long as the test process and gives each request to `answer`.
fn serve(answer: impl Fn(&str, &str, &[u8]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let _ = one(stream, &answer);
        }
    });
    format!("http://{address}")
}

fn one(
    mut stream: TcpStream,
    answer: &impl Fn(&str, &str, &[u8]) -> Vec<u8>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut parts = first.split(' ');
    let (method, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    stream.write_all(&answer(method, path, &body))
}

/// An answer of a witness as it goes over the wire.
fn wire(answer: &Answer) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    );
    [head.as_bytes(), &answer.body].concat()
}

struct Town {
    tmp: tempfile::TempDir,
    register: Register,
    key: VerifierKey,
    witness_key: WitnessKey,
}

impl Town {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let mut register =
            Register::init(&tmp.path().join("register"), "gst-privacy/test").unwrap();
        grow(&mut register, 3);
        Self {
            key: register.verifier_key(),
            witness_key: WitnessKey::generate("witness.example/w1").unwrap(),
            register,
            tmp,
        }
    }

    fn state(&self) -> WitnessState {
        let dir: PathBuf = self.tmp.path().join("witness");
        WitnessState::init(&dir, &self.witness_key).unwrap();
        let logs = std::slice::from_ref(&self.key);
        WitnessState::open(&dir, self.witness_key.clone(), logs).unwrap()
    }

    fn submit(&self, url: &str) -> Result<u64, SubmitError> {
        let witness = self.witness_key.verifier();
        submit(url, self.register.dir(), &self.key, witness, TIMEOUT).map(|cosigned| cosigned.size)
    }
}

fn grow(register: &mut Register, by: usize) {
    for n in 0..by {
        let mut entry = Entry::new(Operation::Consult);
        entry.purpose_id = "vp.live_view.public_road".into();
        entry.motif = format!("motif {n}");
        entry.agent = Some(Agent {
            id: "a-0417".into(),
            ..Default::default()
        });
        register.append(&entry).unwrap();
    }
    register.checkpoint().unwrap();
}

#[test]
fn a_witness_cosigns_over_http() {
    let mut town = Town::new();
    let state = town.state();
    let url = serve(move |method, path, body| wire(&state.answer(method, path, body)));
    for (by, url) in [
        (0, url.clone()),
        (2, format!("{url}/")),
        (300, format!("{url}/a/b")),
    ] {
        grow(&mut town.register, by);
        let size = town.submit(&url).unwrap();
        assert_eq!(size, town.register.size());
    }
    let policy = format!("witness w {}\nquorum w\n", town.witness_key.verifier());
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let found = verify_witnessed(town.register.dir(), &town.key, &policy).unwrap();
    assert_eq!((found.witnessed.size, found.younger), (305, 0));
}

#[test]
fn servers_that_are_no_witness_are_errors() {
    let town = Town::new();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = town.submit(&format!("http://{closed}")).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, SubmitError::Unreachable { .. }), "{text}");
    assert!(text.contains("injoignable"), "{text}");

    for garbage in [
        &b""[..],
        b"\0\0\0",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"SSH-2.0-OpenSSH\r\n",
    ] {
        let url = serve(move |_, _, _| garbage.to_vec());
        let error = town.submit(&url).unwrap_err();
        assert!(matches!(error, SubmitError::Unreachable { .. }), "{error}");
    }
    // An endless body.
    let url = serve(|_, _, _| {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        [head.as_slice(), &vec![b'a'; 1024 * 1024]].concat()
    });
    let error = town.submit(&url).unwrap_err();
    assert!(matches!(error, SubmitError::Unreachable { .. }), "{error}");
    // Sent elsewhere.
    let url = serve(|_, _, _| {
        b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    });
    let error = town.submit(&url).unwrap_err();
    assert!(
        matches!(error, SubmitError::Refused { status: 307, .. }),
        "{error}"
    );
    // TLS where there is none.
    let url = serve(|_, _, _| b"HTTP/1.1 400 X\r\n\r\n".to_vec());
    let error = town.submit(&url.replace("http:", "https:")).unwrap_err();
    assert!(matches!(error, SubmitError::Unreachable { .. }), "{error}");
    for url in [
        "",
        "witness.example",
        "file:///etc/passwd",
        "http://a:b@127.0.0.1/",
    ] {
        assert!(
            matches!(town.submit(url), Err(SubmitError::Url { .. })),
            "{url}"
        );
    }
    assert!(!town.register.dir().join(WITNESSED).exists());
}

/// A witness that keeps silent ends with the time that it was given.
#[test]
fn silence_ends() {
    let town = Town::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for url in [url.clone(), url.replace("http:", "https:")] {
        let error = submit(
            &url,
            town.register.dir(),
            &town.key,
            town.witness_key.verifier(),
            Duration::from_millis(200),
        )
        .unwrap_err();
        assert!(matches!(error, SubmitError::Unreachable { .. }), "{error}");
    }
}
