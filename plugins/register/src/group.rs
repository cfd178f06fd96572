// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions of one process that write to one register share its writer, and wait for the disk together.
//!
//! Who wants to append joins the queue. The first there leads: it takes the lock, makes what is in the queue by
//! then one commit under one signature, writes it, and tells everybody. Who comes meanwhile is in the next commit, led by
//! one of them, who makes it ready while the one before is on its way to the disk; it is written once that is there.
//! A leader whose predecessor wrote for several sessions waits for as many of them, but only for a fraction
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
    files::{self, Lock, LockFile, Turn},
    journal,
    key::SigningKey,
    writer::{Job, Outcome, Writer},
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
    held: Mutex<Held>,
}

/// The lock over the register, while somebody in this process writes.
#[derive(Debug, Default)]
struct Held {
    /// How many do.
    count: usize,
    lock: Option<Lock>,
}

/// A share in it.
struct Hold<'a>(&'a Group);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut held = self.0.held();
        held.count -= 1;
        if held.count == 0 {
            held.lock = None;
        }
    }
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

impl Disk {
    fn writer(&mut self, group: &Group) -> Result<&mut Writer, OpenError> {
        Ok(match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(Writer::load(&group.dir, &group.key)?),
        })
    }
}

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
enum Wake {
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
            held: Mutex::default(),
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

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(|poisoned| {
            self.disk.clear_poison();
            let mut disk = poisoned.into_inner();
            disk.writer = None;
            disk
        })
    }

    /// Runs `work` on the writer under the lock, after it has read again what others have written and everything that
    /// was staged is on the disk.
    pub fn with<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&mut Writer) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        let mut disk = self.disk();
        if let Some(writer) = &disk.writer {
            writer.drain();
        }
        let _held = self.hold(&mut disk, patience)?;
        work(disk.writer(self)?)
    }

    /// Takes the lock, or a share in it where a commit of this process has it, and reads again what others have written.
    fn hold(&self, disk: &mut Disk, patience: Duration) -> Result<Hold<'_>, OpenError> {
        let end = Instant::now() + patience;
        let Disk { lock, writer } = disk;
        let journal;
        let turn = match &*writer {
            Some(writer) => Some(writer.turn()),
            None => {
                journal = files::open_plain(&self.dir.join(files::JOURNAL)).ok();
                journal.as_ref()
            }
        };
        // Whoever waits in another process has the turn, so commits of this one that overlap do not keep it waiting.
        let turn = match turn {
            Some(turn) => Some(
                Turn::take(turn, end)
                    .map_err(|source| self.lock_error(source))?
                    .ok_or_else(|| self.locked(patience))?,
            ),
            None => None,
        };
        let alone = {
            let mut held = self.held();
            let alone = match held.count {
                0 => {
                    let taken = lock.take(end).map_err(|source| self.lock_error(source))?;
                    let taken = taken.ok_or_else(|| self.locked(patience))?;
                    let alone = lock.mark().map_err(|source| self.lock_error(source))?;
                    held.lock = Some(taken);
                    alone
                }
                _ => true,
            };
            held.count += 1;
            alone
        };
        drop(turn);
        let hold = Hold(self);
        if let Some(writer) = writer {
            writer.refresh(alone)?;
        }
        Ok(hold)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
                Wake::Settled(outcome) => return outcome,
                Wake::Leads => leads = true,
            }
        }
    }

    /// Waits until the request is settled or is to lead. Gives up where it is still in the queue at `end`.
    fn wait(&self, request: &Arc<Request>, end: Instant, patience: Duration) -> Wake {
        loop {
            if let Some(outcome) = request.outcome().take() {
                return Wake::Settled(outcome);
            }
            if request.leads.swap(false, Ordering::Acquire) {
                return Wake::Leads;
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
                    return Wake::Settled(Err(self.locked(patience).into()));
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
            leads: true,
        };
        self.gather();
        match self.write(&mut lead, own, patience) {
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

    /// Stages what is in the queue while the commit before it is on its way to the disk, and then writes it.
    fn write(
        &self,
        lead: &mut Lead<'_>,
        own: &Arc<Request>,
        patience: Duration,
    ) -> Result<Vec<Outcome>, AppendError> {
        let began = Instant::now();
        let mut disk = self.disk();
        let _held = self.hold(&mut disk, patience)?;
        let writer = disk.writer(self)?;
        lead.batch = self.take(own);
        let jobs: Vec<&Job> = lead.batch.iter().map(|request| &request.job).collect();
        let (batch, staged) = writer.stage(&jobs);
        let outcomes = match staged {
            None => batch.outcomes,
            Some(staged) => {
                let journal = staged.disk();
                let mut journal = journal::lock(&journal);
                // From here on the next one may stage. It waits for the lock that this one has.
                drop(disk);
                lead.pass();
                batch.settled(staged.write(&mut journal))
            }
        };
        let now = Instant::now();
        self.queue().last = Some((lead.batch.len(), now.duration_since(began), now));
        Ok(outcomes)
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
    leads: bool,
}

impl Lead<'_> {
    /// Makes the first in the queue, or whoever comes next, the leader.
    fn pass(&mut self) {
        if !std::mem::take(&mut self.leads) {
            return;
        }
        let mut queue = self.group.queue();
        match queue.requests.first() {
            Some(next) => {
                next.leads.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => queue.led = false,
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.pass();
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
