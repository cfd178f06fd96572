// SPDX-License-Identifier: MIT OR Apache-2.0
//! The register: an append-only list of what was done with images, that nobody can quietly change.
//!
//! A register is a directory in the [C2SP tlog-tiles](https://c2sp.org/tlog-tiles) layout, made of plain
//! files only, so that any static file server or object store can hand it to an auditor:
//!
//! ```text
//! checkpoint               signed tree head (C2SP tlog-checkpoint, Ed25519)
//! tile/entries/000.p/3     the entries: JSON, each behind a 16-bit big-endian length
//! tile/0/000.p/3           their RFC 6962 leaf hashes, 256 to a tile; tile/1/… hashes those tiles
//! journal                  entries acknowledged and signed that the files above do not hold yet
//! live/                    a locked file for each session that runs
//! witnessed                last checkpoint with the cosignatures of witnesses, if there are any
//! register.pub             key that verifies the checkpoint
//! keys/register.key        key that signs it, mode 0600: not to be served or copied
//! lock                     empty; whoever writes holds it
//! ```
//!
//! and a checkpoint reads
//!
//! ```text
//! gst-privacy/csu-1
//! 3
//! TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=
//!
//! — gst-privacy/csu-1 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//! ```
//!
//! ```
//! use privacy_register::{Agent, Entry, Operation, Register};
//! # let tmp = tempfile::tempdir()?;
//! # let dir = tmp.path().join("register");
//! let mut register = Register::init(&dir, "gst-privacy/csu-1")?;
//! let mut entry = Entry::new(Operation::Consult);
//! entry.purpose_id = "vp.live_view.public_road".into();
//! entry.motif = "surveillance de la voie publique".into();
//! entry.agent = Some(Agent { id: "a-0417".into(), ..Default::default() });
//! let index = register.append(&entry)?; // on the disk, and under a signed checkpoint
//! assert_eq!(index, 0);
//!
//! let report = privacy_register::verify(&dir, &register.verifier_key())?;
//! assert_eq!(report.entries, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`prove`] makes a text of about one kibibyte ([C2SP tlog-proof](https://c2sp.org/tlog-proof)) that shows, without
//! the register, that one entry stands in it; [`prove_frame`] the same for one frame of one export.
//!
//! What it shows and what it cannot show: whoever changes, removes or reorders an entry is found out by
//! [`verify`], which names the entry. Whoever holds the signing key *and* the directory can write a new
//! history; only a copy of an earlier checkpoint kept elsewhere reveals that
//! ([`verify_since`]), or one that was cosigned by [`witness`]es, who keep it ([`verify_witnessed`]).
#![forbid(unsafe_code)]

mod agents;
mod bundle;
mod checkpoint;
mod cosignature;
mod entry;
mod error;
mod fields;
mod files;
mod frames;
mod group;
mod head;
pub mod journal;
mod key;
mod lean;
mod live;
mod policy;
mod proof;
mod purge;
mod reader;
mod register;
mod report;
mod tiles;
mod tree;
mod verify;
mod walk;
pub mod witness;
mod writer;

pub use agents::{AgentError, AgentName, AgentTable};
pub use checkpoint::{CheckpointError, SignedCheckpoint};
pub use cosignature::{WitnessKey, WitnessVerifier};
pub use entry::{Entry, EntryError, MAX_ENTRY_SIZE, Operation, Phase, Record, SCHEMA};
pub use error::{AppendError, JournalFault, OpenError, PurgeError, ReadError, VerifyError};
pub use fields::{Agent, Anonymisation, Element, Erasure, Model, Output, Recipient, Refusal};
pub use frames::{
    FRAME_PROOF_FORMAT, Frame, FrameError, FrameFile, FrameProof, prove_frame, prove_frame_among,
    prove_frame_within,
};
pub use key::{KeyError, SigningKey, VerifierKey};
pub use live::Held;
pub use policy::{
    Cosignature, Policy, PolicyError, Witnessed, WitnessedError, WitnessedReport, verify_witnessed,
};
pub use proof::{MAX_PROOF, Proof, ProofError, consistency, prove};
pub use reader::{Entries, Reader};
pub use register::Register;
pub use report::{EntryName, Interrupted, Report};
pub use tlog_tiles::Hash;
pub use verify::{verify, verify_since};
