// SPDX-License-Identifier: MIT OR Apache-2.0
//! SHA-256 beside the writing: one thread for each run, fed through a queue that holds a bounded number of bytes.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    num::NonZeroU64,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::intake::{self, Intake};

/// Bytes that the streaming thread and the hash look at, without a copy.
pub(super) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Bytes that may wait for the hash. Enough to level out the steps of the disk; a pool of buffers upstream must not
/// run dry for long.
const MAX_WAITING: usize = 8 * 1024 * 1024;

/// The thread takes jobs of so many bytes at once: enough that the lock costs nothing, not so many that who waits
/// for room waits long.
const BATCH: usize = 512 * 1024;

/// How long bytes may wait for more of them.
pub(super) const GATHERING: Duration = Duration::from_millis(5);

/// Which hash bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What arrived.
    Stream,
    /// What lies in the file, where that is something else.
    File,
}

/// Hashes at one moment, in hex.
#[derive(Debug, Clone)]
pub(super) struct Digests {
    /// Of what arrived.
    pub stream: String,
    /// Of what was given as [`Kind::File`].
    pub file: String,
}

pub(super) enum Job {
    /// The next bytes of a hash.
    Bytes(Kind, Bytes),
    /// The disk shall begin with this part of the file.
    WriteBack {
        file: Arc<File>,
        from: u64,
        length: NonZeroU64,
    },
    /// Bytes began to wait for more of them.
    Gathering(Weak<Mutex<Intake>>),
    /// [`Kind::File`] begins anew.
    Restart,
    /// The hashes so far.
    Digests(mpsc::Sender<Digests>),
    /// The hash of what arrived since the last such question.
    Segment(mpsc::Sender<String>),
}

impl Job {
    /// Bytes that are to be hashed.
    fn length(&self) -> usize {
        match self {
            Self::Bytes(_, bytes) => (**bytes).as_ref().len(),
            _ => 0,
        }
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Bytes that are pushed and not yet hashed.
    waiting: usize,
    closed: bool,
    /// The thread has ended.
    gone: bool,
    /// Who sleeps has to be woken, which is a call of the system; who does not sleep, not.
    thread_sleeps: bool,
    writer_sleeps: bool,
}

/// What goes to the thread. The order of the jobs is that of their arrival.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// A panic of a job leaves the state whole: it is only ever held for an instant.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, without waiting. It is dropped if nobody is there to do it.
    pub fn push(&self, job: Job) {
        let mut state = self.state();
        if state.gone {
            return;
        }
        state.waiting += job.length();
        state.jobs.push_back(job);
        if std::mem::take(&mut state.thread_sleeps) {
            self.work.notify_one();
        }
    }

    /// Waits until the queue takes bytes again. False: nobody is there to take them.
    pub fn wait_for_room(&self) -> bool {
        let mut state = self.state();
        if state.waiting >= MAX_WAITING {
            // Once it sleeps, it sleeps until there is room for many.
            while state.waiting > MAX_WAITING / 2 && !state.gone {
                state.writer_sleeps = true;
                let waited = self.room.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
        !state.gone
    }

    /// The hash has more to do than the disk.
    pub fn is_behind(&self) -> bool {
        self.state().waiting >= MAX_WAITING / 2
    }

    /// Moves some jobs to `jobs`, which is empty, after so many bytes were hashed since the last call. Waits for
    /// some, at most until `until`.
    fn next(&self, jobs: &mut VecDeque<Job>, hashed: usize, until: Option<Instant>) -> Next {
        let mut state = self.state();
        state.waiting -= hashed;
        if state.waiting <= MAX_WAITING / 2 && std::mem::take(&mut state.writer_sleeps) {
            self.room.notify_all();
        }
        loop {
            if state.closed {
                return Next::End;
            }
            if !state.jobs.is_empty() {
                let mut length = 0;
                while length < BATCH
                    && let Some(job) = state.jobs.pop_front()
                {
                    length += job.length();
                    jobs.push_back(job);
                }
                return Next::Jobs;
            }
            state.thread_sleeps = true;
            state = match until {
                None => self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.thread_sleeps = false;
                        return Next::TimeIsUp;
                    }
                    let waited = self.work.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

enum Next {
    Jobs,
    TimeIsUp,
    End,
}

/// Says that the thread has ended, also when it panicked.
struct Gone<'a>(&'a Queue);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.gone = true;
        // Questions that wait for an answer get none.
        state.jobs.clear();
        self.0.room.notify_all();
    }
}

/// The thread, which ends with this.
pub(super) struct Hasher {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// Starts the thread.
    pub fn start(queue: Arc<Queue>) -> io::Result<Self> {
        let theirs = queue.clone();
        let thread = std::thread::Builder::new()
            .name("auditsink-hash".into())
            .spawn(move || work(&theirs))?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// The hashes of all that was pushed; `None` when the thread is gone.
    pub fn digests(&self) -> Option<Digests> {
        self.ask(Job::Digests)
    }

    /// The hash of what arrived since the last call; `None` when the thread is gone.
    pub fn segment(&self) -> Option<String> {
        self.ask(Job::Segment)
    }

    fn ask<T>(&self, question: impl FnOnce(mpsc::Sender<T>) -> Job) -> Option<T> {
        let (answer, answered) = mpsc::channel();
        // Who is gone drops the question, and with it the other end.
        self.queue.push(question(answer));
        answered.recv().ok()
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.queue.state().closed = true;
        self.queue.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panicked: what asked for a hash has heard of it.
            let _ = thread.join();
        }
    }
}

/// The hash of what arrived since the last segment.
enum Since {
    /// There was no segment: it is the hash of all.
    Begin,
    Segment(Sha256),
}

fn work(queue: &Queue) {
    let _gone = Gone(queue);
    let mut hashes = Hashes {
        stream: Sha256::new(),
        file: Sha256::new(),
        since: Since::Begin,
    };
    let mut gathering: Option<(Instant, Weak<Mutex<Intake>>)> = None;
    let mut jobs = VecDeque::new();
    let mut hashed = 0;
    loop {
        let until = gathering.as_ref().map(|(until, _)| *until);
        match queue.next(&mut jobs, std::mem::take(&mut hashed), until) {
            Next::End => return,
            Next::TimeIsUp => {
                // A failure stays with the bytes, and comes out at the next call.
                if let Some(intake) = gathering.take().and_then(|(_, intake)| intake.upgrade()) {
                    let _ = intake::lock(&intake).flush();
                }
            }
            Next::Jobs => {
                for job in jobs.drain(..) {
                    match job {
                        Job::Gathering(intake) => {
                            gathering = Some((Instant::now() + GATHERING, intake));
                        }
                        job => hashed += hashes.work(job),
                    }
                }
            }
        }
    }
}

struct Hashes {
    stream: Sha256,
    file: Sha256,
    /// Runs without segments do not pay for a second hash of the stream.
    since: Since,
}

impl Hashes {
    /// Does a job. Returns how many bytes were hashed.
    fn work(&mut self, job: Job) -> usize {
        match job {
            Job::Bytes(kind, bytes) => {
                let slice = (*bytes).as_ref();
                match kind {
                    Kind::File => self.file.update(slice),
                    Kind::Stream => {
                        self.stream.update(slice);
                        if let Since::Segment(hash) = &mut self.since {
                            hash.update(slice);
                        }
                    }
                }
                return slice.len();
            }
            Job::WriteBack { file, from, length } => intake::write_back(&file, from, length),
            Job::Restart => self.file = Sha256::new(),
            Job::Digests(answer) => {
                // Who asked may have gone.
                let _ = answer.send(Digests {
                    stream: hex::encode(self.stream.clone().finalize()),
                    file: hex::encode(self.file.clone().finalize()),
                });
            }
            Job::Segment(answer) => {
                let next = Since::Segment(Sha256::new());
                let hash = match std::mem::replace(&mut self.since, next) {
                    Since::Begin => self.stream.clone(),
                    Since::Segment(hash) => hash,
                };
                let _ = answer.send(hex::encode(hash.finalize()));
            }
            // The thread's own affair.
            Job::Gathering(_) => {}
        }
        0
    }
}
