// SPDX-License-Identifier: MIT OR Apache-2.0
//! The second person: a countersignature under a mandate, with that person's own key.
//!
//! Clear images that leave, and a mask that is lifted for one person, take two people (CSI R.253-2 asks for measures
//! that keep images from those who must not have them; RGPD 32(1)). The second signature is a third-party block of
//! the [Biscuit]: it covers the last block of the token, so it cannot be moved to another mandate.
//!
//! [Biscuit]: https://doc.biscuitsec.org/reference/specifications#third-party-blocks

use biscuit_auth::{
    BlockBuilder, KeyPair, PublicKey,
    builder::{Fact, Term},
};

use super::token::{self, MAX_BLOCKS, VerifyError};
use crate::key;

/// One countersignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countersignature {
    /// The key that made it.
    pub key: PublicKey,
    /// Its block, from 1.
    pub block: usize,
    /// Who the second person is, as they declared it: a function or a pseudonym.
    pub name: String,
    /// In what quality they agreed.
    pub role: String,
}

/// Why a mandate could not be countersigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountersignError {
    /// The token itself is not accepted.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The key or the name is that of somebody who signed already.
    #[error(
        "the same person signs twice ({0}); the second signature must be another's / la même personne signe deux fois, la seconde signature doit être celle d'une autre"
    )]
    SamePerson(String),
    /// A name or role that is empty, too long or not one line.
    #[error("{0} is one line of 1 to 200 characters / une ligne de 1 à 200 caractères")]
    Text(&'static str),
    /// The key is of a kind that does not sign here.
    #[error("the key is not an Ed25519 key; make one with privacyctl key new")]
    Key,
    /// The mandate has as many blocks as are read.
    #[error("the mandate has {MAX_BLOCKS} blocks already; countersign an earlier copy of it")]
    TooManyBlocks,
    /// The block could not be added, such as to a sealed token.
    #[error("the token cannot be countersigned: {0}")]
    Token(String),
}

impl Countersignature {
    /// Fingerprint of the key.
    pub fn fingerprint(&self) -> String {
        key::fingerprint(&self.key)
    }

    /// Whether that is the same person, as far as names can tell.
    pub(crate) fn is_by(&self, name: &str) -> bool {
        folded(&self.name) == folded(name)
    }
}

/// Countersigns a mandate that one of `keys` signed. `name` is a function or a pseudonym, and never the one that
/// issued the mandate or operates under it.
pub fn countersign(
    bytes: &[u8],
    keys: &[PublicKey],
    name: &str,
    role: &str,
    second: &KeyPair,
) -> Result<Vec<u8>, CountersignError> {
    let mandate = token::verify(bytes, keys)?;
    let (token, signer) = token::open(bytes, keys)?;
    for (field, text) in [("name", name), ("role", role)] {
        if text.trim().is_empty() || text.chars().count() > 200 || text.contains(char::is_control) {
            return Err(CountersignError::Text(field));
        }
    }
    let public = second.public();
    if !key::fit_to_sign(&public) {
        return Err(CountersignError::Key);
    }
    let made = Countersignature {
        key: public,
        block: token.block_count(),
        name: name.to_owned(),
        role: role.to_owned(),
    };
    if public == signer || mandate.countersignatures.iter().any(|c| c.key == public) {
        return Err(CountersignError::SamePerson(made.fingerprint()));
    }
    let others = mandate.countersignatures.iter().map(|c| &c.name);
    let operators = mandate.form.operators.iter().map(|o| &o.id);
    if std::iter::once(&mandate.form.issued_by)
        .chain(others)
        .chain(operators)
        .any(|other| made.is_by(other))
    {
        return Err(CountersignError::SamePerson(name.to_owned()));
    }
    if token.block_count() >= MAX_BLOCKS {
        return Err(CountersignError::TooManyBlocks);
    }
    let text = |text: &str| Term::Str(text.to_owned());
    let fact = Fact::new(
        "countersigned".to_owned(),
        vec![text(&mandate.form.mandate_id), text(name), text(role)],
    );
    let error = |e: biscuit_auth::error::Token| CountersignError::Token(e.to_string());
    let block = BlockBuilder::new().fact(fact).map_err(error)?;
    token
        .third_party_request()
        .and_then(|request| request.create_block(&second.private(), block))
        .and_then(|block| token.append_third_party(public, block))
        .and_then(|token| token.to_vec())
        .map_err(error)
}

/// A name as people compare names.
fn folded(name: &str) -> String {
    name.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}
