// SPDX-License-Identifier: MIT OR Apache-2.0
//! Power cuts. The system calls with which a process changes the files below a folder are recorded (strace), and
//! from the record come the folders that a power cut could leave: at every call, with what was not yet synchronised
//! on the disk wholly, not at all, or in any mixture.
//!
//! The disk keeps what POSIX promises and no more:
//!
//! - Bytes and length of a file are there once `fsync` or `fdatasync` on it has returned. Before, each sector of
//!   512 bytes of each write may be there or not, and so may the new length, with zeros in between.
//! - Names (made, renamed, removed) are there once `fsync` on their folder has returned. Before, any of them may be
//!   there (any subset), or, as a journalling file system orders them, the first few of them.
//! - A rename replaces the old name by the new one at once, or not at all; where the data of the file were not
//!   synchronised before it, the name may stand for an empty or torn file.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    rc::Rc,
};

use sha2::{Digest, Sha256};

use crate::support::Random;

const SECTOR: usize = 512;

/// What a file system holds, by inode; 0 is the folder recorded.
#[derive(Clone, Debug)]
enum Node {
    File(Rc<Vec<u8>>),
    Folder(BTreeMap<String, usize>),
}

impl Node {
    fn empty(folder: bool) -> Self {
        if folder {
            Self::Folder(BTreeMap::new())
        } else {
            Self::File(Rc::default())
        }
    }
}

/// A change that is not on the disk before it is synchronised.
#[derive(Clone, Debug)]
enum Change {
    Write {
        at: usize,
        bytes: Rc<[u8]>,
    },
    Length(usize),
    Name {
        name: String,
        inode: usize,
        folder: bool,
    },
    NoName {
        name: String,
    },
    Rename {
        from: String,
        to: String,
        inode: usize,
    },
}

#[derive(Debug)]
enum Event {
    Change {
        inode: usize,
        change: Change,
    },
    /// Every change of `inode` (of all, if `None`) before event `until` is on the disk.
    Sync {
        inode: Option<usize>,
        until: usize,
    },
    /// A line on standard output.
    Said(String),
}

/// A run of a process.
pub struct Recording {
    start: Vec<Node>,
    events: Vec<Event>,
}

/// A folder that a power cut could leave.
pub struct State<'a> {
    nodes: Vec<Node>,
    /// Lines that the process had written before the cut.
    pub said: &'a [String],
    /// Where the cut is, and what of the rest is there.
    pub name: String,
}

impl State<'_> {
    /// Writes it to the disk.
    pub fn restore(&self, to: &Path) {
        let _ = fs::remove_dir_all(to);
        write(&self.nodes, 0, to);
    }

    fn fingerprint(&self) -> [u8; 32] {
        fn walk(nodes: &[Node], at: usize, hasher: &mut Sha256) {
            match &nodes[at] {
                Node::File(bytes) => {
                    hasher.update(bytes.len().to_le_bytes());
                    hasher.update(&**bytes);
                }
                Node::Folder(names) => {
                    hasher.update(names.len().to_le_bytes());
                    for (name, inode) in names {
                        hasher.update(name.len().to_le_bytes());
                        hasher.update(name);
                        walk(nodes, *inode, hasher);
                    }
                }
            }
        }
        let mut hasher = Sha256::new();
        hasher.update(self.said.len().to_le_bytes());
        walk(&self.nodes, 0, &mut hasher);
        hasher.finalize().into()
    }
}

/// The bytes up to the last that is not zero.
fn written(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0);
    &bytes[..end.map_or(0, |end| end + 1)]
}

fn write(nodes: &[Node], at: usize, path: &Path) {
    match &nodes[at] {
        Node::File(bytes) => {
            // A hole instead of the zeros of a file that was made long beforehand.
            fs::write(path, written(bytes)).unwrap();
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            if path.parent().is_some_and(|folder| folder.ends_with("keys")) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        Node::Folder(names) => {
            fs::create_dir_all(path).unwrap();
            for (name, inode) in names {
                write(nodes, *inode, &path.join(name));
            }
        }
    }
}

fn read(path: &Path, nodes: &mut Vec<Node>) -> usize {
    let inode = nodes.len();
    if path.is_dir() {
        nodes.push(Node::Folder(BTreeMap::new()));
        let mut names = BTreeMap::new();
        for item in fs::read_dir(path).unwrap() {
            let item = item.unwrap();
            let below = read(&item.path(), nodes);
            names.insert(item.file_name().into_string().unwrap(), below);
        }
        nodes[inode] = Node::Folder(names);
    } else {
        nodes.push(Node::File(Rc::new(fs::read(path).unwrap())));
    }
    inode
}

impl Change {
    fn is_name(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Length(_))
    }

    /// Does all of it.
    fn apply(&self, node: &mut Node) {
        match (self, node) {
            (Self::Write { at, bytes }, Node::File(file)) => {
                let end = at + bytes.len();
                let file = Rc::make_mut(file);
                file.resize(file.len().max(end), 0);
                file[*at..end].copy_from_slice(bytes);
            }
            (Self::Length(length), Node::File(file)) => Rc::make_mut(file).resize(*length, 0),
            (Self::Name { name, inode, .. }, Node::Folder(names)) => {
                names.insert(name.clone(), *inode);
            }
            (Self::NoName { name }, Node::Folder(names)) => {
                names.remove(name);
            }
            (Self::Rename { from, to, inode }, Node::Folder(names)) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            (change, node) => panic!("{change:?} of {node:?}"),
        }
    }

    /// Does some of a write.
    fn tear(&self, node: &mut Node, random: &mut Random) {
        let (Self::Write { at, bytes }, Node::File(file)) = (self, node) else {
            panic!("only a write can be torn");
        };
        let end = at + bytes.len();
        let file = Rc::make_mut(file);
        if end > file.len() && random.below(2) == 0 {
            file.resize(end, 0);
        }
        let mut from = *at;
        while from < end {
            let to = ((from / SECTOR + 1) * SECTOR).min(end);
            if random.below(2) == 0 && from < file.len() {
                let to = to.min(file.len());
                file[from..to].copy_from_slice(&bytes[from - at..to - at]);
            }
            from = to;
        }
    }
}

/// Whether strace is there and may be used.
pub fn strace_works() -> bool {
    Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

impl Recording {
    /// Runs `command` and records what it does below `root`.
    pub fn of(command: &Command, root: &Path) -> Self {
        let log = root.with_extension("strace");
        let mut start = Vec::new();
        read(root, &mut start);
        let output = Command::new("strace")
            .args(["-f", "-q", "-xx", "-s", "100000000", "-e"])
            .arg(
                "trace=open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,pwritev2,\
                 ftruncate,truncate,fallocate,fsync,fdatasync,sync,syncfs,rename,renameat,renameat2,unlink,unlinkat,\
                 mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,copy_file_range,sendfile,splice,mmap,\
                 io_uring_setup",
            )
            .arg("-o")
            .arg(&log)
            .arg(command.get_program())
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        let mut follower = Follower {
            root: root.to_str().unwrap().into(),
            now: start.clone(),
            events: Vec::new(),
            files: BTreeMap::new(),
            said: Vec::new(),
        };
        let mut unfinished = BTreeMap::new();
        for line in text.lines() {
            let (process, call) = line.split_once(' ').unwrap();
            let call = call.trim_start();
            if let Some(call) = call.strip_suffix(" <unfinished ...>") {
                unfinished.insert(process, (call, follower.events.len()));
            } else if let Some((_, rest)) = call
                .strip_prefix("<... ")
                .and_then(|c| c.split_once(" resumed>"))
            {
                let (begun, since) = unfinished.remove(process).unwrap();
                follower.call(&format!("{begun}{rest}"), since);
            } else if !call.starts_with("+++") && !call.starts_with("---") {
                follower.call(call, follower.events.len());
            }
        }
        Self {
            start,
            events: follower.events,
        }
    }

    /// Number of changes recorded.
    pub fn changes(&self) -> usize {
        let change = |event: &&Event| matches!(event, Event::Change { .. });
        self.events.iter().filter(change).count()
    }

    /// Shows different states to `look`, at most `mixtures` random ones at each cut besides all and nothing.
    /// Returns how many.
    pub fn states(
        &self,
        mixtures: usize,
        random: &mut Random,
        mut look: impl FnMut(&State),
    ) -> usize {
        let mut disk = self.start.clone();
        let mut pending: Vec<usize> = Vec::new();
        let mut said = Vec::new();
        let mut seen = HashSet::new();
        for (cut, event) in self.events.iter().enumerate() {
            match event {
                Event::Said(line) => said.push(line.clone()),
                Event::Change { inode, change } => {
                    pending.push(cut);
                    // The inode is there from the start; what is in it, and its name, are not.
                    if let Change::Name {
                        inode: new, folder, ..
                    } = change
                        && *new == disk.len()
                    {
                        disk.push(Node::empty(*folder));
                    }
                    assert!(*inode < disk.len());
                }
                Event::Sync { inode, until } => pending.retain(|index| {
                    let Event::Change { inode: of, change } = &self.events[*index] else {
                        unreachable!("only changes wait");
                    };
                    let waits = index >= until || inode.is_some_and(|inode| inode != *of);
                    if !waits {
                        change.apply(&mut disk[*of]);
                    }
                    waits
                }),
            }
            for mixture in 0..mixtures + 2 {
                let mut nodes = disk.clone();
                // How many of the names are there, where they come in order.
                let names = random.below(pending.len() + 1);
                let mut named = 0;
                for index in &pending {
                    let Event::Change { inode, change } = &self.events[*index] else {
                        unreachable!("only changes wait");
                    };
                    let node = &mut nodes[*inode];
                    let there = match mixture {
                        0 => true,
                        1 => false,
                        _ if change.is_name() && mixture % 2 == 0 => named < names,
                        _ => random.below(2) == 0,
                    };
                    named += usize::from(change.is_name());
                    if there {
                        change.apply(node);
                    } else if mixture > 1
                        && matches!(change, Change::Write { .. })
                        && random.below(2) == 0
                    {
                        change.tear(node, random);
                    }
                }
                let name = format!("cut {cut} of {}, mixture {mixture}", self.events.len());
                let state = State {
                    nodes,
                    said: &said,
                    name,
                };
                if seen.insert(state.fingerprint()) {
                    look(&state);
                }
                if pending.is_empty() {
                    break;
                }
            }
        }
        seen.len()
    }
}

/// An open file or folder.
#[derive(Debug)]
struct Open {
    inode: usize,
    position: Cell<usize>,
    append: bool,
    /// Each write is on the disk when it returns.
    synchronous: bool,
}

/// Follows the system calls of a process.
struct Follower {
    root: String,
    /// What the process sees.
    now: Vec<Node>,
    events: Vec<Event>,
    files: BTreeMap<i64, Rc<Open>>,
    /// Standard output since its last line.
    said: Vec<u8>,
}

/// An argument of a system call.
#[derive(Debug)]
enum Argument<'a> {
    Text(Vec<u8>),
    Word(&'a str),
}

impl Argument<'_> {
    fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            Self::Word(word) => panic!("{word} is no text"),
        }
    }

    fn word(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Text(_) => panic!("a text is no word"),
        }
    }

    fn number(&self) -> i64 {
        let word = self.word();
        match word.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).unwrap(),
            None => word
                .parse()
                .unwrap_or_else(|_| panic!("{word} is no number")),
        }
    }
}

/// The arguments of a call as strace writes them, texts in hexadecimal.
fn arguments(text: &str) -> Vec<Argument<'_>> {
    text.split(", ")
        .map(|part| {
            let Some((_, quoted)) = part.split_once('"') else {
                return Argument::Word(part);
            };
            let (hex, rest) = quoted.split_once('"').unwrap();
            assert!(!rest.starts_with("..."), "strace has cut a text off");
            let bytes = hex
                .split_terminator("\\x")
                .skip(1)
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect();
            Argument::Text(bytes)
        })
        .collect()
}

impl Follower {
    /// Takes in a call that has returned. It began when there were `since` events.
    fn call(&mut self, line: &str, since: usize) {
        let Some((call, result)) = line.rsplit_once(" = ") else {
            // The call that ended the process.
            return;
        };
        let (name, text) = call.trim_end().split_once('(').unwrap();
        let text = text.strip_suffix(')').unwrap();
        let result: i64 = match result.split(' ').next().unwrap() {
            hex if hex.starts_with("0x") => 0,
            decimal => decimal.parse().unwrap_or(-1),
        };
        if result < 0 {
            return;
        }
        let a = arguments(text);
        match name {
            "open" => self.open(None, &a[0].text(), a[1].word(), result),
            "creat" => self.open(None, &a[0].text(), "O_CREAT|O_TRUNC|O_WRONLY", result),
            "openat" => self.open(Some(a[0].word()), &a[1].text(), a[2].word(), result),
            "close" => {
                self.files.remove(&a[0].number());
            }
            "dup" | "dup2" | "dup3" => self.duplicate(a[0].number(), result),
            "fcntl" if a[1].word().starts_with("F_DUPFD") => {
                self.duplicate(a[0].number(), result);
            }
            "fcntl" => {}
            "lseek" => {
                if let Some(file) = self.files.get(&a[0].number()) {
                    file.position.set(result as usize);
                }
            }
            "write" | "writev" => {
                let bytes = written_bytes(&a[1..], result);
                let fd = a[0].number();
                if let Some(file) = self.files.get(&fd).cloned() {
                    let at = if file.append {
                        self.length(file.inode)
                    } else {
                        file.position.get()
                    };
                    file.position.set(at + bytes.len());
                    self.write(&file, at, bytes);
                } else if fd == 1 {
                    self.said.extend(bytes);
                    while let Some(end) = self.said.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = self.said.drain(..=end).collect();
                        let line = String::from_utf8(line[..end].to_vec()).unwrap();
                        self.events.push(Event::Said(line));
                    }
                }
            }
            "pwrite64" => {
                if let Some(file) = self.files.get(&a[0].number()).cloned() {
                    let bytes = written_bytes(&a[1..2], result);
                    self.write(&file, a[3].number() as usize, bytes);
                }
            }
            "ftruncate" => {
                if let Some(file) = self.files.get(&a[0].number()).cloned() {
                    self.set_length(file.inode, a[1].number() as usize);
                }
            }
            "truncate" => {
                if let Some((_, _, Some(inode))) = self.find(None, &a[0].text()) {
                    self.set_length(inode, a[1].number() as usize);
                }
            }
            "fallocate" => {
                if let Some(file) = self.files.get(&a[0].number()).cloned() {
                    let end = (a[2].number() + a[3].number()) as usize;
                    match a[1].word() {
                        "0" => self.set_length(file.inode, end.max(self.length(file.inode))),
                        "FALLOC_FL_KEEP_SIZE" => {}
                        mode => panic!("cannot follow fallocate with {mode}"),
                    }
                }
            }
            "fsync" | "fdatasync" => {
                if let Some(file) = self.files.get(&a[0].number()) {
                    self.events.push(Event::Sync {
                        inode: Some(file.inode),
                        until: since,
                    });
                }
            }
            "sync" | "syncfs" => self.events.push(Event::Sync {
                inode: None,
                until: since,
            }),
            "rename" => self.rename((None, &a[0].text()), (None, &a[1].text())),
            "renameat" | "renameat2" => self.rename(
                (Some(a[0].word()), &a[1].text()),
                (Some(a[2].word()), &a[3].text()),
            ),
            "unlink" | "rmdir" => self.remove(None, &a[0].text()),
            "unlinkat" => self.remove(Some(a[0].word()), &a[1].text()),
            "mkdir" => self.make(None, &a[0].text(), true),
            "mkdirat" => self.make(Some(a[0].word()), &a[1].text(), true),
            "mmap" => {
                let mine = self.files.contains_key(&a[4].number());
                let writes = a[3].word().contains("MAP_SHARED") && a[2].word().contains("WRITE");
                assert!(!(mine && writes), "cannot follow {line}");
            }
            "link" | "linkat" | "symlink" | "symlinkat" | "copy_file_range" | "sendfile"
            | "splice" | "pwritev" | "pwritev2" | "io_uring_setup" => {
                panic!("cannot follow {line}");
            }
            other => panic!("{other} was not asked for"),
        }
    }

    /// Folder, name in it, and inode of a path; `None` for a path that is not below the root.
    fn find(&self, base: Option<&str>, path: &str) -> Option<(usize, String, Option<usize>)> {
        let mut at = 0;
        let relative = match path.strip_prefix(&self.root) {
            Some(relative) if relative.is_empty() || relative.starts_with('/') => relative,
            _ if path.starts_with('/') => return None,
            _ => {
                at = self.files.get(&base?.parse().ok()?)?.inode;
                path
            }
        };
        let mut names = relative
            .split('/')
            .filter(|name| !name.is_empty())
            .peekable();
        while let Some(name) = names.next() {
            let Node::Folder(below) = &self.now[at] else {
                panic!("{path} goes through a file");
            };
            let inode = below.get(name).copied();
            if names.peek().is_none() {
                return Some((at, name.into(), inode));
            }
            at = inode?;
        }
        Some((at, String::new(), Some(at)))
    }

    fn open(&mut self, base: Option<&str>, path: &str, flags: &str, fd: i64) {
        self.files.remove(&fd);
        assert!(!flags.contains("O_TMPFILE"), "cannot follow O_TMPFILE");
        let Some((_, _, inode)) = self.find(base, path) else {
            return;
        };
        if inode.is_none() {
            self.make(base, path, false);
        }
        let inode = self.find(base, path).and_then(|(.., inode)| inode);
        let inode = inode.unwrap_or_else(|| panic!("{path} was opened and is not there"));
        if flags.contains("O_TRUNC") && self.length(inode) > 0 {
            self.set_length(inode, 0);
        }
        let open = Open {
            inode,
            position: Cell::new(0),
            append: flags.contains("O_APPEND"),
            synchronous: flags.contains("O_SYNC") || flags.contains("O_DSYNC"),
        };
        self.files.insert(fd, Rc::new(open));
    }

    fn duplicate(&mut self, old: i64, new: i64) {
        match self.files.get(&old).cloned() {
            Some(file) => self.files.insert(new, file),
            None => self.files.remove(&new),
        };
    }

    fn make(&mut self, base: Option<&str>, path: &str, folder: bool) {
        if let Some((parent, name, _)) = self.find(base, path) {
            let inode = self.now.len();
            self.now.push(Node::empty(folder));
            self.change(
                parent,
                Change::Name {
                    name,
                    inode,
                    folder,
                },
            );
        }
    }

    fn remove(&mut self, base: Option<&str>, path: &str) {
        if let Some((parent, name, _)) = self.find(base, path) {
            self.change(parent, Change::NoName { name });
        }
    }

    fn rename(&mut self, from: (Option<&str>, &str), to: (Option<&str>, &str)) {
        let Some((parent, from, inode)) = self.find(from.0, from.1) else {
            return;
        };
        let (other, to, _) = self.find(to.0, to.1).unwrap();
        assert_eq!(parent, other, "cannot follow a rename to another folder");
        let inode = inode.unwrap();
        self.change(parent, Change::Rename { from, to, inode });
    }

    fn write(&mut self, file: &Open, at: usize, bytes: Vec<u8>) {
        let bytes = bytes.into();
        self.change(file.inode, Change::Write { at, bytes });
        if file.synchronous {
            self.events.push(Event::Sync {
                inode: Some(file.inode),
                until: self.events.len(),
            });
        }
    }

    fn set_length(&mut self, inode: usize, length: usize) {
        self.change(inode, Change::Length(length));
    }

    fn length(&self, inode: usize) -> usize {
        match &self.now[inode] {
            Node::File(bytes) => bytes.len(),
            Node::Folder(_) => 0,
        }
    }

    fn change(&mut self, inode: usize, change: Change) {
        change.apply(&mut self.now[inode]);
        self.events.push(Event::Change { inode, change });
    }
}

/// The bytes of a write that returned `count`.
fn written_bytes(arguments: &[Argument], count: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for argument in arguments {
        if let Argument::Text(part) = argument {
            bytes.extend(part);
        }
    }
    bytes.truncate(count as usize);
    bytes
}
