// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who counts which camera. The same people counted twice in different ways are told by the difference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

/// The claims of one element between start and stop.
///
/// Two pads on one camera would give two records of the same window, whose difference tells what one of them
/// withholds. Two elements may count one camera of a site file, for two recipients say, but in windows of
/// the same length: the difference of longer and shorter ones is a window shorter than any may be.
#[derive(Debug)]
pub struct Claims {
    /// The site file, which tells apart cameras that have the same name.
    config: String,
    /// The camera of each pad.
    pads: Mutex<BTreeMap<String, String>>,
    /// Up to where each camera was told, whichever pad had it: the same time is never told twice.
    told: Mutex<BTreeMap<String, i64>>,
    /// Cameras that this element has in [`WINDOWS`].
    shared: Mutex<BTreeSet<String>>,
}

/// Length of the windows of each camera of a site file, in ns, and how many elements count it in this process.
static WINDOWS: Mutex<BTreeMap<(String, String), (i64, usize)>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic holds it")
}

impl Claims {
    /// No claims yet on the cameras of the site file `config`.
    pub fn new(config: &str) -> Self {
        Self {
            config: config.to_owned(),
            pads: Mutex::default(),
            told: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    /// Gives `camera` to `pad`, unless another pad has it: then that pad's name.
    pub fn take(&self, pad: &str, camera: &str) -> Result<(), String> {
        let mut claims = lock(&self.pads);
        let holder = claims.iter().find(|(p, c)| *p != pad && *c == camera);
        if let Some((holder, _)) = holder {
            return Err(holder.clone());
        }
        claims.insert(pad.to_owned(), camera.to_owned());
        Ok(())
    }

    /// The pad is gone.
    pub fn release(&self, pad: &str) {
        lock(&self.pads).remove(pad);
    }

    /// Counts `camera` in windows of this length, unless another element counts it in others: then their length.
    pub fn share(&self, camera: &str, window: i64) -> Result<(), i64> {
        let mut all = lock(&WINDOWS);
        let mut shared = lock(&self.shared);
        let key = (self.config.clone(), camera.to_owned());
        let (theirs, elements) = all.entry(key).or_insert((window, 0));
        if *theirs != window {
            return Err(*theirs);
        }
        *elements += usize::from(shared.insert(camera.to_owned()));
        Ok(())
    }

    /// Up to where `camera` was told.
    pub fn told(&self, camera: &str) -> i64 {
        lock(&self.told).get(camera).copied().unwrap_or(i64::MIN)
    }

    /// Notes up to where `camera` was told.
    pub fn tell(&self, camera: &str, until: i64) {
        let mut told = lock(&self.told);
        match told.get_mut(camera) {
            Some(before) => *before = until.max(*before),
            None => {
                told.insert(camera.to_owned(), until);
            }
        }
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        let mut all = lock(&WINDOWS);
        for camera in std::mem::take(&mut *lock(&self.shared)) {
            let key = (self.config.clone(), camera);
            if let Some((_, elements)) = all.get_mut(&key) {
                *elements -= 1;
                if *elements == 0 {
                    all.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_camera_has_windows_of_one_length() {
        let (first, second) = (Claims::new("a.toml"), Claims::new("a.toml"));
        assert_eq!(first.share("cam", 900), Ok(()));
        assert_eq!(first.share("cam", 900), Ok(()));
        assert_eq!(second.share("cam", 1200), Err(900));
        assert_eq!(second.share("cam", 900), Ok(()));
        assert_eq!(second.share("other", 1200), Ok(()));
        assert_eq!(Claims::new("b.toml").share("cam", 1200), Ok(()));
        drop(first);
        assert_eq!(Claims::new("a.toml").share("cam", 1200), Err(900));
        drop(second);
        assert_eq!(Claims::new("a.toml").share("cam", 1200), Ok(()));
    }
}
