// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions of one process that write to one register share its writer, and wait for the disk together.
//!
//! Who wants to append joins the queue. The first there leads: it takes the lock, writes what is in the queue by
//! then as one commit under one signature, and tells everybody. Who comes meanwhile is in the next commit, led by one of
//! them. A leader whose predecessor wrote for several sessions waits for as many of them, but only for a fraction
//! of the time that a commit takes; a session on its own never waits for others.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::{
    error::{AppendError, OpenError},
    files::{self, Lock, LockFile},
    key::SigningKey,
    writer::{Job, Writer},
};

/// Most entries in one commit.
const MAX_BATCH: usize = 1024;
/// Longest that a leader waits for the sessions of the commit before.
const MAX_GATHERING: Duration = Duration::from_micros(200);
/// How long whoever drops a register waits for the lock, to publish what is left in the journal.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// The writers that are open in this process.
static OPEN: Mutex<Vec<Weak<Group>>> = Mutex::new(Vec::new());

/// The sessions of this process that write to one register.
#[derive(Debug)]
pub struct Group {
    dir: PathBuf,
    key: SigningKey,
    queue: Mutex<Queue>,
    /// Length of the queue.
    waiting: AtomicUsize,
    disk: Mutex<Disk>,
}

#[derive(Debug, Default)]
struct Queue {
    requests: Vec<Arc<Request>>,
    /// Somebody leads.
    led: bool,
    /// Entries in the last commit, how long it took, and when it was there.
    last: Option<(usize, Duration, Instant)>,
}

#[derive(Debug)]
struct Disk {
    lock: LockFile,
    /// `None` before the register was read, or when a panic left it in an unknown state.
    writer: Option<Writer>,
}

type Outcome = Result<u64, AppendError>;

/// An entry in the queue.
#[derive(Debug)]
struct Request {
    job: Job,
    thread: Thread,
    outcome: Mutex<Option<Outcome>>,
    /// To lead the next commit.
    leads: AtomicBool,
}

impl Request {
    fn outcome(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody in the queue wakes up for.
enum Turn {
    Settled(Outcome),
    Leads,
}

impl Group {
    /// The group of `dir` and `key` in this process, which is made where there is none.
    pub fn of(dir: &Path, key: SigningKey) -> Result<Arc<Self>, OpenError> {
        let dir = canonical(dir)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|group| group.strong_count() > 0);
        let same = |group: &Arc<Self>| group.dir == dir && group.key.verifier() == key.verifier();
        if let Some(group) = open.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(group);
        }
        let group = Arc::new(Self::new(dir, key, None));
        open.push(Arc::downgrade(&group));
        Ok(group)
    }

    /// A group for a register that was just made.
    pub fn of_new(dir: &Path, key: SigningKey, writer: Writer) -> Result<Arc<Self>, OpenError> {
        let dir = canonical(dir)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        // What was there before is another register, which is gone.
        open.retain(|group| group.upgrade().is_some_and(|group| group.dir != dir));
        let group = Arc::new(Self::new(dir, key, Some(writer)));
        open.push(Arc::downgrade(&group));
        Ok(group)
    }

    fn new(dir: PathBuf, key: SigningKey, writer: Option<Writer>) -> Self {
        Self {
            disk: Mutex::new(Disk {
                lock: LockFile::new(&dir, true),
                writer,
            }),
            dir,
            key,
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // What is done under it cannot leave it half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the writer under the lock, after it has read again what others have written.
    pub fn with<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Writer) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        let mut disk = self.disk.lock().unwrap_or_else(|poisoned| {
            self.disk.clear_poison();
            let mut disk = poisoned.into_inner();
            disk.writer = None;
            disk
        });
        let Disk { lock, writer } = &mut *disk;
        let _lock = self.lock(lock, writer.as_ref(), patience)?;
        let alone = lock.mark().map_err(|source| self.lock_error(source))?;
        let writer = match writer {
            Some(writer) => {
                writer.refresh(alone)?;
                writer
            }
            None => writer.insert(Writer::load(&self.dir, &self.key)?),
        };
        work(writer)
    }

    fn lock(
        &self,
        lock: &mut LockFile,
        writer: Option<&Writer>,
        patience: Duration,
    ) -> Result<Lock, OpenError> {
        let taken = match writer {
            Some(writer) => lock.take(Some(writer.turn()), patience),
            None => {
                let turn = files::open_plain(&self.dir.join(files::JOURNAL)).ok();
                lock.take(turn.as_ref(), patience)
            }
        };
        taken
            .map_err(|source| self.lock_error(source))?
            .ok_or_else(|| self.locked(patience))
    }

    fn lock_error(&self, source: io::Error) -> OpenError {
        OpenError::Io {
            path: self.dir.join(files::LOCK),
            source,
        }
    }

    fn locked(&self, patience: Duration) -> OpenError {
        OpenError::Locked {
            dir: self.dir.clone(),
            seconds: patience.as_secs_f32(),
        }
    }

    /// Appends an entry, in one commit with those that others of this process append meanwhile.
    pub fn append(&self, job: Job, patience: Duration) -> Outcome {
        let end = Instant::now() + patience;
        let request = Arc::new(Request {
            job,
            thread: thread::current(),
            outcome: Mutex::new(None),
            leads: AtomicBool::new(false),
        });
        let mut leads = {
            let mut queue = self.queue();
            queue.requests.push(Arc::clone(&request));
            self.waiting.store(queue.requests.len(), Ordering::Relaxed);
            !std::mem::replace(&mut queue.led, true)
        };
        loop {
            if leads {
                self.lead(&request, end.saturating_duration_since(Instant::now()));
            }
            match self.wait(&request, end, patience) {
                Turn::Settled(outcome) => return outcome,
                Turn::Leads => leads = true,
            }
        }
    }

    /// Waits until the request is settled or is to lead. Gives up where it is still in the queue at `end`.
    fn wait(&self, request: &Arc<Request>, end: Instant, patience: Duration) -> Turn {
        loop {
            if let Some(outcome) = request.outcome().take() {
                return Turn::Settled(outcome);
            }
            if request.leads.swap(false, Ordering::Acquire) {
                return Turn::Leads;
            }
            let left = end.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
                continue;
            }
            let mut queue = self.queue();
            let place = queue.requests.iter().position(|r| Arc::ptr_eq(r, request));
            match place {
                // It was made the leader just now; it may as well try.
                Some(_) if request.leads.load(Ordering::Acquire) => {}
                Some(place) => {
                    queue.requests.remove(place);
                    self.waiting.store(queue.requests.len(), Ordering::Relaxed);
                    return Turn::Settled(Err(self.locked(patience).into()));
                }
                // Somebody is writing it, and the disk takes its time.
                None => {
                    drop(queue);
                    thread::park_timeout(Duration::from_secs(1));
                }
            }
        }
    }

    /// Writes what is in the queue.
    fn lead(&self, own: &Arc<Request>, patience: Duration) {
        let mut lead = Lead {
            group: self,
            batch: Vec::new(),
            began: None,
        };
        self.gather();
        lead.began = Some(Instant::now());
        let written = self.with(patience, |writer| {
            lead.batch = self.take(own);
            let jobs: Vec<&Job> = lead.batch.iter().map(|request| &request.job).collect();
            Ok(writer.append(&jobs))
        });
        match written {
            Ok(outcomes) => {
                for (request, outcome) in lead.batch.iter().zip(outcomes) {
                    *request.outcome() = Some(outcome);
                }
            }
            Err(error) => {
                // The others have a patience of their own, and are told why when it is their turn.
                let mut queue = self.queue();
                queue.requests.retain(|request| !Arc::ptr_eq(request, own));
                self.waiting.store(queue.requests.len(), Ordering::Relaxed);
                *own.outcome() = Some(Err(error));
            }
        }
    }

    /// Gives the sessions of the commit before a moment to come back.
    fn gather(&self) {
        let Some((entries, took, at)) = self.queue().last else {
            return;
        };
        let began = Instant::now();
        if entries < 2 || began.duration_since(at) > took {
            return;
        }
        let limit = (took / 2).min(MAX_GATHERING);
        while self.waiting.load(Ordering::Relaxed) < entries && began.elapsed() < limit {
            thread::yield_now();
        }
    }

    /// Takes requests out of the queue, `own` first.
    fn take(&self, own: &Arc<Request>) -> Vec<Arc<Request>> {
        let mut queue = self.queue();
        if let Some(place) = queue.requests.iter().position(|r| Arc::ptr_eq(r, own)) {
            queue.requests.swap(0, place);
        }
        let many = queue.requests.len().min(MAX_BATCH);
        let batch = queue.requests.drain(..many).collect();
        self.waiting.store(queue.requests.len(), Ordering::Relaxed);
        batch
    }
}

/// Somebody leads; when dropped, the next one does.
struct Lead<'a> {
    group: &'a Group,
    batch: Vec<Arc<Request>>,
    began: Option<Instant>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        {
            let mut queue = self.group.queue();
            let now = Instant::now();
            queue.last = self
                .began
                .map(|began| (self.batch.len(), now.duration_since(began), now));
            match queue.requests.first() {
                Some(next) => {
                    next.leads.store(true, Ordering::Release);
                    next.thread.unpark();
                }
                None => queue.led = false,
            }
        }
        let own = thread::current().id();
        for request in &self.batch {
            // Nothing is there only after a panic.
            request.outcome().get_or_insert_with(|| {
                Err(AppendError::Io {
                    path: self.group.dir.join(files::JOURNAL),
                    source: io::Error::other("the writer has failed; see the log of the program"),
                })
            });
            if request.thread.id() != own {
                request.thread.unpark();
            }
        }
    }
}

impl Drop for Group {
    /// Publishes what waits. Where that fails it stays in the journal, and whoever opens the register next does.
    fn drop(&mut self) {
        let there = self.disk.get_mut().map(|disk| disk.writer.is_some());
        if there.unwrap_or(false) {
            let _ = self.with(LAST_PATIENCE, |writer| Ok(writer.publish()?));
        }
    }
}

fn canonical(dir: &Path) -> Result<PathBuf, OpenError> {
    dir.canonicalize().map_err(|source| OpenError::Io {
        path: dir.into(),
        source,
    })
}
