// SPDX-License-Identifier: MIT OR Apache-2.0
//! `purposegate`: video flows for one lawful purpose, on one signed mandate, or not at all.
//!
//! ```sh
//! gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,width=640,height=480 ! \
//!   purposegate purpose=vp.live_view.public_road mandate=m.biscuit trusted-keys=authority.pub \
//!     camera=cam-12 operator=a-0417 sink-class=csu-display ! tee name=t \
//!   t. ! queue ! autovideosink t. ! queue ! auditsink register=register
//! ```
//!
//! The element is glue; the thinking lives in plain modules:
//! [`opening`] reads the [`files`] and asks the policy, [`late`] words the refusals that come later,
//! [`session`] is one run with its decision and its counts, [`sessions`] is what the gates of a process know of
//! each other, [`media`] lets nothing but images in, [`footage`]
//! knows when a frame was filmed, [`exit`] judges one frame at the exit, [`black`] paints what leaves in its
//! place, [`paths`] makes sure that no branch leads around an exit gate and [`joins`] that none comes in from
//! the side, [`transport`] knows by what networks images come and leave, [`proof`] holds the Merkle tree over
//! what was let out, [`frames`] writes what its leaves are made of, and [`watch`] closes the gate when time
//! runs out or runs back.
#![forbid(unsafe_code)]

pub mod black;
pub mod exit;
pub mod files;
pub mod footage;
pub mod frames;
pub mod held;
pub mod joins;
pub mod late;
pub mod media;
pub mod opening;
pub mod paths;
pub mod proof;
mod purposegate;
pub mod session;
pub mod sessions;
pub mod ticker;
pub mod transport;
pub mod watch;

pub use purposegate::{DenyAction, Language, Message, PurposeGate, Sink, Stage};

pub use plugin::plugin_desc::plugin_register_static;

#[expect(
    missing_docs,
    reason = "what plugin_define! makes cannot be given documentation"
)]
mod plugin {
    fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
        privacy_common::init();
        crate::purposegate::register(plugin)
    }

    gst::plugin_define!(
        purposegate,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        // GStreamer knows a fixed list of licences, in which "MIT OR Apache-2.0" is not.
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
