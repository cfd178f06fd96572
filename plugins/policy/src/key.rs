// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys that sign mandates and the text they are kept in.
//!
//! ```text
//! -----BEGIN PUBLIC KEY-----
//! MCowBQYDK2VwAyEA…
//! -----END PUBLIC KEY-----
//! ```
//!
//! Private keys are PKCS #8 PEM (RFC 5958, RFC 8410), public keys SubjectPublicKeyInfo PEM; `openssl pkey`
//! reads both. A file of trusted keys may hold several, one after another.

pub use biscuit_auth::{KeyPair, PublicKey};

/// Why a key could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM block with the expected title.
    #[error("no \"{0}\" block in it; `privacyctl key new` writes one")]
    Absent(&'static str),
    /// A block that is not a key of a supported algorithm (Ed25519, P-256).
    #[error("block {block} is not an Ed25519 or P-256 key: {reason}")]
    Unreadable {
        /// Position in the text, from 1.
        block: usize,
        /// What the decoder said.
        reason: String,
    },
    /// The key could not be written as PEM.
    #[error("the key cannot be written as PEM: {0}")]
    Encode(String),
}

/// A new Ed25519 key pair from the system's random source.
pub fn generate() -> KeyPair {
    KeyPair::new()
}

/// The private key as PEM. Wiped from memory when the returned value is dropped.
pub fn private_pem(
    pair: &KeyPair,
) -> Result<impl std::ops::Deref<Target = String> + use<>, KeyError> {
    pair.to_private_key_pem()
        .map_err(|e| KeyError::Encode(e.to_string()))
}

/// The public key as PEM.
pub fn public_pem(key: &PublicKey) -> Result<String, KeyError> {
    key.to_pem().map_err(|e| KeyError::Encode(e.to_string()))
}

/// Reads the one private key of a PEM text.
pub fn parse_private(pem: &str) -> Result<KeyPair, KeyError> {
    let block = blocks(pem, "PRIVATE KEY")
        .next()
        .ok_or(KeyError::Absent("PRIVATE KEY"))?;
    KeyPair::from_private_key_pem(block).map_err(|e| KeyError::Unreadable {
        block: 1,
        reason: e.to_string(),
    })
}

/// Reads every public key of a PEM text; at least one. One bad block makes the whole text bad, since
/// nobody can tell which key was meant.
pub fn parse_public(pem: &str) -> Result<Vec<PublicKey>, KeyError> {
    let keys = blocks(pem, "PUBLIC KEY")
        .enumerate()
        .map(|(i, block)| {
            PublicKey::from_pem(block).map_err(|e| KeyError::Unreadable {
                block: i + 1,
                reason: e.to_string(),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(KeyError::Absent("PUBLIC KEY"));
    }
    Ok(keys)
}

/// Whether mandates may be signed with this kind of key: Ed25519 only.
///
/// An ECDSA signature can be rewritten into another valid one without the key (r, s and r, -s). The signature is what
/// a mandate is revoked by and what tells a second use from the first, so whoever holds a mandate must not be able to
/// change it.
pub fn fit_to_sign(key: &PublicKey) -> bool {
    matches!(key, PublicKey::Ed25519(_))
}

/// Short name of a public key for messages: the first 16 hex digits of the SHA-256 of its bytes.
pub fn fingerprint(key: &PublicKey) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(&Sha256::digest(key.to_bytes())[..8])
}

fn blocks<'a>(pem: &'a str, title: &'static str) -> impl Iterator<Item = &'a str> {
    let begin = format!("-----BEGIN {title}-----");
    let end = format!("-----END {title}-----");
    let mut rest = pem;
    std::iter::from_fn(move || {
        let start = rest.find(&begin)?;
        let length = rest[start..].find(&end)? + end.len();
        let block = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_text() {
        let (one, two) = (generate(), generate());
        let private = private_pem(&one).unwrap();
        assert_eq!(parse_private(&private).unwrap().public(), one.public());
        let both = format!(
            "# city hall\n{}\n{}",
            public_pem(&one.public()).unwrap(),
            public_pem(&two.public()).unwrap()
        );
        assert_eq!(parse_public(&both).unwrap(), [one.public(), two.public()]);
        assert_eq!(fingerprint(&one.public()).len(), 16);
    }

    #[test]
    fn a_text_without_a_key_and_a_spoilt_key_are_errors() {
        assert_eq!(parse_public(""), Err(KeyError::Absent("PUBLIC KEY")));
        let pem = public_pem(&generate().public()).unwrap();
        let spoilt = pem.replace("MCow", "AAAA");
        assert!(matches!(
            parse_public(&spoilt),
            Err(KeyError::Unreadable { block: 1, .. })
        ));
        // A public key is never taken for a private one.
        assert!(parse_private(&pem).is_err());
        assert!(parse_private("-----BEGIN PRIVATE KEY-----").is_err());
    }
}
