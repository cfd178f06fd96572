// SPDX-License-Identifier: MIT OR Apache-2.0
//! The witness: asked on a thread of its own, so that no stream ever waits for a network.

use std::{path::Path, time::Duration};

use glib::prelude::*;
use gst::prelude::*;
use privacy_register::{
    OpenError, Register, WitnessVerifier,
    witness::{self, Cosigned, SubmitError},
};

use super::{AuditSink, Message, Witness, settings::Settings};
use crate::{errand::Errand, journal::JournalError};

/// How long the witness may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A witness, and how it is recognised.
#[derive(Debug)]
pub(super) struct Address {
    url: String,
    key: WitnessVerifier,
}

impl Address {
    /// What `witness` and `witness-key` say.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>, gst::ErrorMessage> {
        let refused = |text: String| Err(gst::error_msg!(gst::ResourceError::Settings, ("{text}")));
        let (url, key) = match (&settings.witness, &settings.witness_key) {
            (None, None) => return Ok(None),
            (Some(url), Some(key)) => (url, key),
            (Some(url), None) => {
                return refused(format!(
                    "witness=\"{url}\": witness-key is not set, so anybody could answer in its place; set it to the key that the witness prints (clé du témoin manquante)"
                ));
            }
            (None, Some(_)) => {
                return refused(
                    "witness-key is set, but witness is not; set witness to the address of the witness, or leave out its key (adresse du témoin manquante)".into(),
                );
            }
        };
        let host = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return refused(format!(
                "witness=\"{url}\": this is no address of a witness; give the prefix before /add-checkpoint, such as http://witness.example:8080 (adresse de témoin invalide)"
            ));
        }
        // Whoever mistakes the two must not find the secret one in a log.
        if key.contains("PRIVATE+KEY") {
            return refused(
                "witness-key: this is the secret key of the witness, which must never leave its host; give the public one (clé secrète : ne donnez ici que la clé publique)".into(),
            );
        }
        let path = Path::new(key);
        let read = match path.exists() {
            true => WitnessVerifier::load(path),
            false => WitnessVerifier::from_text(key),
        };
        match read {
            Ok(key) => Ok(Some(Self {
                url: url.clone(),
                key,
            })),
            Err(e) => refused(format!(
                "witness-key=\"{key}\": {e}; give the key as the witness prints it, or the path of a file with it (clé de témoin invalide)"
            )),
        }
    }

    /// Starts the thread. It publishes what the register has taken, sends the checkpoint, and tells what came of it.
    pub(super) fn talk(
        self,
        element: &AuditSink,
        settings: &Settings,
        dir: &Path,
    ) -> Result<Errand, JournalError> {
        // A handle of its own, so that the stream never waits for this one.
        let mut register = Register::open(dir, settings.signing_key.as_deref())?;
        let element = element.downgrade();
        let work = move || {
            let message = self.ask(&mut register);
            if let Some(element) = element.upgrade() {
                tell(&element, message);
            }
        };
        Errand::start("auditsink-witness", Duration::ZERO, work).map_err(|source| {
            JournalError::Open(OpenError::Io {
                path: dir.into(),
                source,
            })
        })
    }

    fn ask(&self, register: &mut Register) -> Witness {
        let name = self.key.name().to_owned();
        let published = register.checkpoint().map_err(|e| (false, e.to_string()));
        let answer = published.and_then(|_| {
            let dir = register.dir().to_owned();
            let key = register.verifier_key();
            witness::submit(&self.url, &dir, &key, &self.key, TIMEOUT).map_err(|e| {
                let disagrees =
                    matches!(e, SubmitError::Disagree { .. } | SubmitError::Behind { .. });
                (disagrees, e.to_string())
            })
        });
        match answer {
            Ok(Cosigned { size, root, .. }) => Witness {
                witness: name,
                cosigned: true,
                size,
                root: hex::encode(root),
                ..Default::default()
            },
            Err((disagrees, error)) => Witness {
                witness: name,
                disagrees,
                error,
                ..Default::default()
            },
        }
    }
}

fn tell(element: &AuditSink, message: Witness) {
    if !message.cosigned {
        gst::element_warning!(element, gst::ResourceError::Failed, ["{}", message.error]);
    }
    let message = Message::Witness(message);
    let message = gst::message::Element::builder((&message).into())
        .src(element)
        .build();
    // Without a bus nobody listens, which is no fault.
    let _ = element.post_message(message);
}
