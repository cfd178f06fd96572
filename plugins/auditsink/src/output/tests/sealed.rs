// SPDX-License-Identifier: MIT OR Apache-2.0
//! Encrypted files, and the keys of those who read them.

use std::{io::Read, process::Command};

use age::x25519::Identity;

use super::{flush, hidden, noise, sha256};
use crate::output::*;

/// What one of the recipients gets.
pub fn decrypted(path: &Path, identity: &Identity) -> Vec<u8> {
    let decryptor = age::Decryptor::new(File::open(path).unwrap()).unwrap();
    let identity: &dyn age::Identity = identity;
    let mut plain = Vec::new();
    let mut reader = decryptor.decrypt([identity].into_iter()).unwrap();
    reader.read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn an_encrypted_file_can_be_read_by_each_recipient_and_has_no_clear_byte() {
    let tmp = tempfile::tempdir().unwrap();
    let identities = [Identity::generate(), Identity::generate()];
    let keys = identities.each_ref().map(|i| i.to_public().to_string());
    let recipients = Recipients::parse(&keys.join(" , ")).unwrap();
    for length in [1, 100, 65_535, 65_536, 65_537, 131_072, 1_000_000] {
        let location = tmp.path().join("piece.age");
        let plain: Vec<u8> = b"a clear byte, "
            .iter()
            .copied()
            .cycle()
            .take(length)
            .collect();
        let mut output = Output::create(&location, "t", &recipients).unwrap();
        assert!(!output.is_seekable());
        for part in plain.chunks(40_000) {
            output.write(part).unwrap();
            let disk = fs::read(hidden(&output)).unwrap();
            assert!(!disk.windows(13).any(|w| w == b"a clear byte,"));
        }
        let error = output.seek(0).unwrap_err();
        assert!(error.to_string().contains("fragment-duration=1000"));
        let finished = output.finish().unwrap();
        let disk = fs::read(&location).unwrap();
        assert_eq!(finished.sha256, sha256(&disk));
        assert_eq!(finished.bytes, disk.len() as u64);
        let encryption = finished.encryption.unwrap();
        assert_eq!(encryption.recipients, keys);
        assert_eq!(encryption.plain_bytes, length as u64);
        assert_eq!(encryption.plain_sha256, sha256(&plain));
        for identity in &identities {
            assert!(decrypted(&location, identity) == plain, "{length}");
        }
        fs::remove_file(&location).unwrap();
    }
}

#[test]
fn many_writes_that_give_nothing_yet_are_no_failure() {
    let tmp = tempfile::tempdir().unwrap();
    let identity = Identity::generate();
    let recipients = Recipients::parse(&identity.to_public().to_string()).unwrap();
    let location = tmp.path().join("counts.jsonl.age");
    let mut output = Output::create(&location, "t", &recipients).unwrap();
    let plain = noise(100_000);
    for part in plain.chunks(50) {
        output.write(part).unwrap();
        flush(&output).unwrap();
    }
    output.finish().unwrap();
    assert!(decrypted(&location, &identity) == plain);
}

#[test]
fn the_command_line_tool_age_reads_the_file() {
    let test = "the_command_line_tool_age_reads_the_file";
    if Command::new("age").arg("--version").output().is_err() {
        let missing = "the program age is missing, install the Debian package age";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
        eprintln!("SKIPPED {test}: {missing}");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let secret = tmp.path().join("key.txt");
    let made = Command::new("age-keygen").arg("-o").arg(&secret).output();
    assert!(made.unwrap().status.success());
    let public = Command::new("age-keygen").arg("-y").arg(&secret).output();
    let public = String::from_utf8(public.unwrap().stdout).unwrap();
    let keys = tmp.path().join("keys");
    fs::write(&keys, format!("# whom it goes to\n\n{public}")).unwrap();
    let recipients = Recipients::parse(keys.to_str().unwrap()).unwrap();
    let plain = noise(1_234_567);
    let location = tmp.path().join("piece.age");
    let mut output = Output::create(&location, "t", &recipients).unwrap();
    for part in plain.chunks(10_000) {
        output.write(part).unwrap();
    }
    output.finish().unwrap();
    let read = Command::new("age")
        .arg("--decrypt")
        .arg("--identity")
        .arg(&secret)
        .arg(&location)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{error}");
    assert!(read.stdout == plain);
    // The file of secret keys is never taken for one of public keys.
    let error = Recipients::parse(secret.to_str().unwrap()).unwrap_err();
    assert!(matches!(error, RecipientError::Secret(_)), "{error}");
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_reason() {
    let tmp = tempfile::tempdir().unwrap();
    let good = Identity::generate().to_public().to_string();
    assert_eq!(Recipients::parse(&good).unwrap().names(), [good.as_str()]);
    let twice = format!("{good},{good}");
    assert_eq!(Recipients::parse(&twice).unwrap().names().len(), 1);

    let secret = "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    let weak = weak_key([0; 32]);
    let one = weak_key(std::array::from_fn(|i| u8::from(i == 0)));
    let mistyped = good.replace(&good[10..12], "bb");
    for (text, wanted) in [
        (secret.to_owned(), "holds a secret key"),
        (secret.to_lowercase(), "holds a secret key"),
        (format!("{good},{secret}"), "key 2 holds a secret key"),
        (format!("my {secret}"), "holds a secret key"),
        (mistyped, "key 1 is not an age public key"),
        (
            format!("{good}, age1pq1xyz"),
            "key 2 is not an age public key",
        ),
        (format!("{good} {good}"), "key 1 is not an age public key"),
        (weak, "protected from nobody"),
        (one, "protected from nobody"),
        (String::new(), "names no recipient"),
        ("age1,".into(), "key 1 is not"),
        (many(MAX_RECIPIENTS + 1), "at most 32"),
        ("age-plugin-yubikey-1QQPZRY".into(), "holds a secret key"),
        ("age-keys.txt".into(), "path of a file"),
        ("/nowhere/keys".into(), "path of a file"),
        ("/dev/zero".into(), "not a file"),
        ("/".into(), "not a file"),
    ] {
        let error = Recipients::parse(&text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text:?}: {error}");
        assert!(error.starts_with("recipient-key"), "{error}");
        assert!(!error.contains("QQPZRY"), "{error}");
    }
    assert_eq!(
        Recipients::parse(&many(MAX_RECIPIENTS))
            .unwrap()
            .names()
            .len(),
        32
    );

    let file = tmp.path().join("keys");
    for (text, wanted) in [
        (format!("# one\n{good}\n  \n#{secret}\n"), None),
        (format!("{good}\n{secret}"), Some("line 2 of")),
        ("# nobody\n".into(), Some("names no recipient")),
        ("ssh-ed25519 AAAA".into(), Some("keys of SSH")),
        ("#".repeat(70_000), Some("longer than")),
    ] {
        fs::write(&file, text).unwrap();
        match (Recipients::parse(file.to_str().unwrap()), wanted) {
            (Ok(recipients), None) => assert_eq!(recipients.names(), [good.as_str()]),
            (Err(error), Some(wanted)) => {
                let error = error.to_string();
                assert!(error.contains(wanted), "{error}");
                assert!(!error.contains("QQPZRY"), "{error}");
            }
            (read, _) => panic!("{read:?}"),
        }
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(Recipients::parse(file.to_str().unwrap()).is_err());
}

fn many(count: usize) -> String {
    let keys = std::iter::repeat_with(|| Identity::generate().to_public().to_string());
    keys.take(count).collect::<Vec<_>>().join(",")
}

fn weak_key(point: [u8; 32]) -> String {
    bech32::encode::<bech32::Bech32>(bech32::Hrp::parse("age").unwrap(), &point).unwrap()
}
