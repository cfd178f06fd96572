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

use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

use super::intake::Intake;

/// Bytes that the streaming thread and the hash look at, without a copy.
pub(super) type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Bytes that may wait for the hash. Enough to level out the steps of the disk; a pool of buffers upstream must not
/// run dry for long.
const MAX_WAITING: usize = 8 * 1024 * 1024;

/// How long small writes may wait for more of them.
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
    /// Small writes began to gather.
    Gathering(Weak<Mutex<Intake>>),
    /// [`Kind::File`] begins anew.
    Restart,
    /// The hashes so far.
    Digests(mpsc::Sender<Digests>),
    /// The hash of what arrived since the last such question.
    Segment(mpsc::Sender<String>),
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    waiting: usize,
    closed: bool,
    /// The thread has ended.
    gone: bool,
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

    /// Adds a job, without waiting.
    pub fn push(&self, job: Job) {
        let mut state = self.state();
        if let Job::Bytes(_, bytes) = &job {
            state.waiting += (**bytes).as_ref().len();
        }
        state.jobs.push_back(job);
        self.work.notify_one();
    }

    /// Waits until the queue takes bytes again. False: nobody is there to take them.
    pub fn wait_for_room(&self) -> bool {
        let mut state = self.state();
        while state.waiting >= MAX_WAITING && !state.gone {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.gone
    }

    /// The next job; `None` when the time is up, or there will be none any more.
    fn next(&self, until: Option<Instant>) -> Next {
        let mut state = self.state();
        loop {
            if state.closed {
                return Next::End;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Next::Job(job);
            }
            state = match until {
                None => self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Next::TimeIsUp;
                    }
                    let waited = self.work.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn done(&self, bytes: usize) {
        let mut state = self.state();
        let was_full = state.waiting >= MAX_WAITING;
        state.waiting -= bytes;
        if was_full && state.waiting < MAX_WAITING {
            self.room.notify_all();
        }
    }
}

enum Next {
    Job(Job),
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
        {
            let mut state = self.queue.state();
            if state.gone {
                return None;
            }
            state.jobs.push_back(question(answer));
            self.queue.work.notify_one();
        }
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
    let (mut stream, mut file) = (Sha256::new(), Sha256::new());
    // Runs without segments do not pay for a second hash.
    let mut since = Since::Begin;
    let mut gathering: Option<(Instant, Weak<Mutex<Intake>>)> = None;
    loop {
        let until = gathering.as_ref().map(|(until, _)| *until);
        match queue.next(until) {
            Next::End => return,
            Next::TimeIsUp => {
                // A failure stays with the bytes, and comes out at the next call.
                if let Some(intake) = gathering.take().and_then(|(_, intake)| intake.upgrade()) {
                    let _ = super::intake::lock(&intake).flush();
                }
            }
            Next::Job(Job::Bytes(kind, bytes)) => {
                let slice = (*bytes).as_ref();
                match kind {
                    Kind::File => file.update(slice),
                    Kind::Stream => {
                        stream.update(slice);
                        if let Since::Segment(hash) = &mut since {
                            hash.update(slice);
                        }
                    }
                }
                let length = slice.len();
                drop(bytes);
                queue.done(length);
            }
            Next::Job(Job::WriteBack { file, from, length }) => {
                // Linux begins to write what of it waits in memory, and does not wait until it has. A file system
                // that does not know it writes later.
                let _ = fadvise(&*file, from, Some(length), Advice::DontNeed);
            }
            Next::Job(Job::Gathering(intake)) => {
                gathering = Some((Instant::now() + GATHERING, intake));
            }
            Next::Job(Job::Restart) => file = Sha256::new(),
            Next::Job(Job::Digests(answer)) => {
                // Who asked may have gone.
                let _ = answer.send(Digests {
                    stream: hex::encode(stream.clone().finalize()),
                    file: hex::encode(file.clone().finalize()),
                });
            }
            Next::Job(Job::Segment(answer)) => {
                let next = Since::Segment(Sha256::new());
                let hash = match std::mem::replace(&mut since, next) {
                    Since::Begin => stream.clone(),
                    Since::Segment(hash) => hash,
                };
                let _ = answer.send(hex::encode(hash.finalize()));
            }
        }
    }
}
