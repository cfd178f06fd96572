// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file that `purposegate` writes for each frame that it lets out, read by the register: both describe the same
//! leaf and the same tree.

use gstpurposegate::{frames::Frames, proof};
use privacy_register::{FrameFile, FrameProof, prove_frame, prove_frame_among};

#[test]
fn what_the_gate_writes_the_register_proves() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let path = tmp.path().join("frames.jsonl");
    let frames = Frames::new(path.to_str().expect("a name in UTF-8")).expect("a new file");
    frames.begin("session");
    let mut tree = proof::Tree::default();
    let mut roots = Vec::new();
    for n in 0..25u64 {
        let pts = (n != 3).then_some(n * 40_000_000);
        let (scan, mask) = match n % 3 {
            0 => (String::new(), String::new()),
            // What a text of JSON spells in another way.
            1 => (format!("scan, text=\"é\\{n}\";"), "mask\u{7f}\n;".into()),
            _ => ("scan;".repeat(200), "mask, ok=(boolean)true;".into()),
        };
        let stands_for = pts.unwrap_or(u64::MAX);
        // Some hash: that of the bytes of a frame is not what this is about.
        let frame = proof::leaf(stands_for, &n.to_be_bytes(), "", "");
        let line = frames.write(n, pts, &frame, &scan, &mask);
        line.expect("room on the disk");
        tree.push(proof::leaf_of(stands_for, &frame, &scan, &mask));
        roots.push(tree.root().expect("a leaf").to_hex().to_string());
    }
    frames.finish().expect("room on the disk");

    let file = FrameFile::read(&path).expect("a file of frames");
    assert_eq!(file.frames(), tree.len());
    assert_eq!(file.root(), roots[24]);
    for n in 0..25 {
        let proof = prove_frame(&path, n).expect("a frame");
        let json = proof.to_json().expect("a proof");
        let read = FrameProof::from_json(&json).expect("the same proof");
        assert_eq!(read, proof);
        read.check(&roots[24]).expect("a proof that holds");
        assert!(read.check(&roots[23]).is_err());
        // As the entry of a segment has it, which was written before the frames that follow.
        let early = prove_frame_among(&path, n, n + 1).expect("a frame");
        early.check(&roots[n as usize]).expect("a proof that holds");
    }
}
