// SPDX-License-Identifier: MIT OR Apache-2.0
//! The live sessions of this process: what entry gates have announced, and what has become of it.
//!
//! Any element can send an event that is called `privacy-purpose`. So an exit gate believes none by itself: it
//! looks here whether an entry gate that runs now has announced exactly this purpose, and whether that gate's
//! images can reach it. Events do not leave a process, hence neither does this table.
//!
//! An event travels behind the frames that are queued before it. The [`Shared`] verdict does not: what the
//! entry gate decides counts at once for the frames between the gates.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
};

use gst::prelude::*;
use privacy_common::Purpose;
use privacy_policy::Refusal;

static LIVE: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<Arc<Shared>>> {
    // A thread that panicked left whole entries: they are pushed and removed in one step.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has become of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Verdict {
    /// Its frames may flow.
    Open,
    /// Its entry gate was stopped.
    Ended,
    /// Its frames may not flow, and may again.
    Suspended,
    /// Its frames may not flow any more.
    Closed,
}

/// A session as both gates see it.
#[derive(Debug)]
pub struct Shared {
    session: String,
    /// All that was announced, since events of an earlier purpose may still be on their way.
    announced: Mutex<Vec<Purpose>>,
    source: glib::WeakRef<gst::Pad>,
    /// Seconds since 1970-01-01 UTC.
    expires: AtomicI64,
    verdict: AtomicU8,
    recorded: AtomicBool,
    why: OnceLock<Refusal>,
}

impl Shared {
    /// Identifier of the session.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// What has become of it.
    pub fn verdict(&self) -> Verdict {
        match self.verdict.load(Ordering::Acquire) {
            0 => Verdict::Open,
            1 => Verdict::Ended,
            2 => Verdict::Suspended,
            _ => Verdict::Closed,
        }
    }

    /// When it ends, in seconds since 1970-01-01 UTC.
    pub fn expires(&self) -> i64 {
        self.expires.load(Ordering::Acquire)
    }

    /// Whether its end is in the register, or about to be.
    pub fn recorded(&self) -> &AtomicBool {
        &self.recorded
    }

    /// Why it was closed, where it was.
    pub fn why(&self) -> Option<&Refusal> {
        self.why.get()
    }

    /// Closes the session for good. Whether it was open until now; only the first reason is kept.
    pub fn close(&self, why: Refusal) -> bool {
        let first = self.why.set(why).is_ok();
        self.verdict.store(Verdict::Closed as u8, Ordering::Release);
        first
    }

    /// Stops the frames of the session for a while, or lets them go on. Whether that is new; nothing changes
    /// where it was closed.
    pub fn suspend(&self, suspended: bool) -> bool {
        let (from, to) = match suspended {
            true => (Verdict::Open, Verdict::Suspended),
            false => (Verdict::Suspended, Verdict::Open),
        };
        self.verdict
            .compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn end(&self) {
        if self.verdict() != Verdict::Closed {
            self.verdict.store(Verdict::Ended as u8, Ordering::Release);
        }
    }

    fn announced(&self) -> MutexGuard<'_, Vec<Purpose>> {
        self.announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session in the table, for as long as this lives.
#[derive(Debug)]
pub struct Announced(Arc<Shared>);

impl Announced {
    /// The session.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Announces another purpose of the same session, and with it another end.
    pub fn renew(&self, purpose: &Purpose) {
        self.0.announced().extend(as_sent(purpose));
        self.0.expires.store(purpose.expires, Ordering::Release);
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        live().retain(|shared| !Arc::ptr_eq(shared, &self.0));
        self.0.end();
    }
}

/// Puts a session into the table: from now on its purpose is believed by exit gates that images from the pad
/// `source` can reach.
pub fn announce(purpose: &Purpose, source: &gst::Pad) -> Announced {
    let shared = Arc::new(Shared {
        session: purpose.session.clone(),
        announced: Mutex::new(as_sent(purpose).into_iter().collect()),
        source: source.downgrade(),
        expires: AtomicI64::new(purpose.expires),
        recorded: AtomicBool::default(),
        verdict: AtomicU8::new(Verdict::Open as u8),
        why: OnceLock::new(),
    });
    live().push(shared.clone());
    Announced(shared)
}

/// The session of which an entry gate that runs has announced exactly `purpose`, and whose frames can come
/// here: `leads_here` is asked about the pad they leave from.
pub fn find(purpose: &Purpose, leads_here: impl Fn(&gst::Pad) -> bool) -> Option<Arc<Shared>> {
    let named: Vec<Arc<Shared>> = live()
        .iter()
        .filter(|shared| shared.session == purpose.session)
        .cloned()
        .collect();
    named.into_iter().find(|shared| {
        shared.announced().contains(purpose)
            && shared.source.upgrade().is_some_and(|pad| leads_here(&pad))
    })
}

/// How many sessions are in the table.
pub fn count() -> usize {
    live().len()
}

/// A purpose as it reads at the other end: texts lose what the contract cannot carry.
fn as_sent(purpose: &Purpose) -> Option<Purpose> {
    Purpose::from_event(&purpose.to_event())?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::late::Late;
    use privacy_common::{DetectorUse, Mask, MaskMethod, SinkClass};

    fn purpose(session: &str) -> Purpose {
        Purpose {
            session: session.into(),
            purpose: "vp.live_view.public_road".into(),
            mandate_digest: "00".into(),
            rules_version: "test".into(),
            camera: "cam-12".into(),
            operator: "a-0417".into(),
            sink_class: SinkClass::CsuDisplay,
            required_mask: Mask::None,
            mask_classes: vec![],
            mask_method: MaskMethod::Any,
            one_clear: false,
            detector_use: DetectorUse::None,
            classes: vec![],
            statistics: None,
            expires: i64::MAX,
        }
    }

    #[test]
    fn a_session_is_known_while_its_gate_runs_and_only_for_what_it_announced() {
        gst::init().unwrap();
        let pad = gst::Pad::new(gst::PadDirection::Src);
        let asked = purpose("sessions-1");
        let here = |at: &gst::Pad| at == &pad;
        assert!(find(&asked, here).is_none());
        let announced = announce(&asked, &pad);
        assert!(find(&asked, here).is_some());
        assert!(find(&asked, |_| false).is_none(), "it leads elsewhere");
        let mut other = asked.clone();
        other.expires -= 1;
        assert!(find(&other, here).is_none());
        announced.renew(&other);
        assert!(find(&other, here).is_some() && find(&asked, here).is_some());
        let shared = announced.shared().clone();
        drop(announced);
        assert!(find(&asked, here).is_none());
        assert_eq!(shared.verdict(), Verdict::Ended);
    }

    #[test]
    fn what_is_closed_stays_closed_for_its_first_reason() {
        gst::init().unwrap();
        let pad = gst::Pad::new(gst::PadDirection::Src);
        let announced = announce(&purpose("sessions-2"), &pad);
        let shared = announced.shared().clone();
        assert!(shared.suspend(true));
        assert_eq!(shared.verdict(), Verdict::Suspended);
        assert!(shared.suspend(false) && !shared.suspend(false));
        assert_eq!(shared.verdict(), Verdict::Open);
        assert!(shared.close((&Late::NoRegister).into()));
        assert!(!shared.close((&Late::TwoPurposes).into()));
        assert!(!shared.suspend(false));
        assert_eq!(shared.why().unwrap().code, "NO_REGISTER");
        drop(announced);
        assert_eq!(shared.verdict(), Verdict::Closed);
    }
}
