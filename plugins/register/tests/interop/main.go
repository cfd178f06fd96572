// SPDX-License-Identifier: MIT OR Apache-2.0

// Command interop reads and writes registers with the implementation of Go's checksum database
// (golang.org/x/mod/sumdb/note and tlog), which knows nothing of this project. Whatever it accepts, others accept.
//
// The exit status is 0 when everything was accepted, 1 when something was refused, 2 for wrong arguments.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Height of the tiles, fixed by C2SP tlog-tiles: 256 hashes each.
const height = 8

const usage = `usage:
  interop read DIR VKEY              every entry, tile and proof of a register
  interop proof FILE VKEY BODY       a tlog-proof file against the body of its entry
  interop tree OLD NEW VKEY          two checkpoints, the proof between them on standard input
  interop prove DIR VKEY INDEX       a tlog-proof file, made here
  interop consistency DIR VKEY SIZE  a proof from SIZE to the checkpoint, made here
  interop cosigned FILE VKEY WITNESS a checkpoint with a cosignature/v1
  interop newkey NAME                a key pair, made here
  interop sign SKEY                  signs the text on standard input
  interop cosign SKEY TIME           adds a cosignature/v1 to the note on standard input`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if err.Error() == usage {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	wanted := map[string]int{"read": 2, "proof": 3, "tree": 3, "prove": 3, "consistency": 3, "cosigned": 3,
		"newkey": 1, "sign": 1, "cosign": 2}
	if len(args) == 0 || len(args)-1 != wanted[args[0]] || wanted[args[0]] == 0 {
		return errors.New(usage)
	}
	a := args[1:]
	switch args[0] {
	case "read":
		return read(a[0], a[1])
	case "proof":
		return proof(a[0], a[1], a[2])
	case "tree":
		return tree(a[0], a[1], a[2])
	case "prove":
		return prove(a[0], a[1], a[2])
	case "consistency":
		return consistency(a[0], a[1], a[2])
	case "cosigned":
		return cosigned(a[0], a[1], a[2])
	case "newkey":
		skey, vkey, err := note.GenerateKey(rand.Reader, a[0])
		if err == nil {
			fmt.Println(skey)
			fmt.Println(vkey)
		}
		return err
	case "sign":
		return sign(a[0])
	default:
		return cosign(a[0], a[1])
	}
}

// open verifies a checkpoint (C2SP tlog-checkpoint) and parses its three lines.
func open(msg []byte, verifiers ...note.Verifier) (tlog.Tree, *note.Note, error) {
	n, err := note.Open(msg, note.VerifierList(verifiers...))
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 {
		return tlog.Tree{}, nil, fmt.Errorf("a checkpoint has three lines: %q", n.Text)
	}
	if lines[0] != verifiers[0].Name() {
		return tlog.Tree{}, nil, fmt.Errorf("origin %q, want %q", lines[0], verifiers[0].Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, nil, fmt.Errorf("not a size: %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, n, err
}

func openFile(path, vkey string) (tlog.Tree, []byte, error) {
	msg, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, nil, err
	}
	t, _, err := open(msg, v)
	return t, msg, err
}

// folder reads the tiles of a register for tlog.TileHashReader, which checks them against the signed root.
type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		// The checksum database has the height in its paths; C2SP has one height only.
		path := "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
		var err error
		if data[i], err = os.ReadFile(filepath.Join(string(f), path)); err != nil {
			return nil, err
		}
		if len(data[i]) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes, want %d", path, len(data[i]), t.W*tlog.HashSize)
		}
	}
	return data, nil
}

// bodies reads the entry bundles (C2SP tlog-tiles): each entry behind its length in two bytes.
func (f folder) bodies(size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n*(1<<height) < size; n++ {
		width := size - n*(1<<height)
		if width > 1<<height {
			width = 1 << height
		}
		t := tlog.Tile{H: height, L: -1, N: n, W: int(width)}
		path := "tile/entries/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/data/", height))
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		for i := int64(0); i < width; i++ {
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("%s ends within entry %d", path, len(all))
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:end])
			data = data[end:]
		}
		if len(data) != 0 {
			return nil, fmt.Errorf("%s goes on after its last entry", path)
		}
	}
	return all, nil
}

// hashes keeps what tlog.StoredHashes makes.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = h[at]
	}
	return out, nil
}

func read(dir, vkey string) error {
	t, _, err := openFile(filepath.Join(dir, "checkpoint"), vkey)
	if err != nil {
		return err
	}
	if t.N == 0 {
		return fmt.Errorf("the register is empty")
	}
	tiles := tlog.TileHashReader(t, folder(dir))
	root, err := tlog.TreeHash(t.N, tiles)
	if err != nil {
		return err
	}
	if root != t.Hash {
		return fmt.Errorf("the tiles make %v, signed is %v", root, t.Hash)
	}
	bodies, err := folder(dir).bodies(t.N)
	if err != nil {
		return err
	}
	// The whole tree once more, from the entries alone.
	var stored hashes
	for n, body := range bodies {
		new, err := tlog.StoredHashes(int64(n), body, stored)
		if err != nil {
			return err
		}
		stored = append(stored, new...)
	}
	if root, err = tlog.TreeHash(t.N, stored); err != nil {
		return err
	}
	if root != t.Hash {
		return fmt.Errorf("the entries make %v, signed is %v", root, t.Hash)
	}
	for n, body := range bodies {
		p, err := tlog.ProveRecord(t.N, int64(n), tiles)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(p, t.N, t.Hash, int64(n), tlog.RecordHash(body)); err != nil {
			return fmt.Errorf("entry %d: %v", n, err)
		}
	}
	fmt.Println(t.N)
	return nil
}

// proof checks a file in the format of C2SP tlog-proof.
func proof(path, vkey, bodyPath string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("not a tlog-proof: %q", head)
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	var p tlog.RecordProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		p = append(p, h)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	t, _, err := open(checkpoint, v)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(bodyPath)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(p, t.N, t.Hash, index, tlog.RecordHash(body))
}

func tree(oldPath, newPath, vkey string) error {
	old, _, err := openFile(oldPath, vkey)
	if err != nil {
		return err
	}
	new, _, err := openFile(newPath, vkey)
	if err != nil {
		return err
	}
	var p tlog.TreeProof
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		h, err := tlog.ParseHash(in.Text())
		if err != nil {
			return err
		}
		p = append(p, h)
	}
	return tlog.CheckTree(p, new.N, new.Hash, old.N, old.Hash)
}

func prove(dir, vkey, text string) error {
	index, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	t, msg, err := openFile(filepath.Join(dir, "checkpoint"), vkey)
	if err != nil {
		return err
	}
	p, err := tlog.ProveRecord(t.N, index, tlog.TileHashReader(t, folder(dir)))
	if err != nil {
		return err
	}
	fmt.Printf("c2sp.org/tlog-proof@v1\nindex %d\n", index)
	for _, h := range p {
		fmt.Println(h)
	}
	fmt.Printf("\n%s", msg)
	return nil
}

func consistency(dir, vkey, text string) error {
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	t, _, err := openFile(filepath.Join(dir, "checkpoint"), vkey)
	if err != nil {
		return err
	}
	p, err := tlog.ProveTree(t.N, size, tlog.TileHashReader(t, folder(dir)))
	for _, h := range p {
		fmt.Println(h)
	}
	return err
}

// witness verifies cosignatures of C2SP tlog-cosignature, which came after the package note: eight bytes of time,
// then an Ed25519 signature over a text that holds it. Framing and key names stay the package's.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
	time uint64
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a verifier key: %q", vkey)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, fmt.Errorf("not a key for cosignature/v1: %q", vkey)
	}
	id := sha256.Sum256([]byte(parts[0] + "\n" + string(key)))
	if fmt.Sprintf("%x", id[:4]) != parts[1] {
		return nil, fmt.Errorf("key id %s, want %x", parts[1], id[:4])
	}
	return &witness{name: parts[0], hash: binary.BigEndian.Uint32(id[:4]), key: key[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }

func (w *witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	w.time = binary.BigEndian.Uint64(sig)
	return ed25519.Verify(w.key, cosigned1(w.time, msg), sig[8:])
}

func cosigned1(time uint64, msg []byte) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), msg...)
}

func cosigned(path, vkey, witnessKey string) error {
	msg, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	w, err := newWitness(witnessKey)
	if err != nil {
		return err
	}
	t, n, err := open(msg, v, w)
	if err != nil {
		return err
	}
	names := make(map[string]bool)
	for _, s := range n.Sigs {
		names[s.Name] = true
	}
	if !names[v.Name()] || !names[w.name] {
		return fmt.Errorf("signed by %v only", names)
	}
	fmt.Println(t.N, w.time)
	return nil
}

func sign(skey string) error {
	s, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	text, err := readAll()
	if err != nil {
		return err
	}
	msg, err := note.Sign(&note.Note{Text: string(text)}, s)
	os.Stdout.Write(msg)
	return err
}

// cosigner makes what witness verifies, with a key in the text form of the package note.
type cosigner struct {
	witness
	private ed25519.PrivateKey
}

func (c *cosigner) Sign(msg []byte) ([]byte, error) {
	sig := binary.BigEndian.AppendUint64(nil, c.time)
	return append(sig, ed25519.Sign(c.private, cosigned1(c.time, msg))...), nil
}

func cosign(skey, time string) error {
	// PRIVATE+KEY+<name>+<hash>+<key>
	parts := strings.SplitN(skey, "+", 5)
	if len(parts) != 5 {
		return fmt.Errorf("not a signing key")
	}
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return fmt.Errorf("not a signing key")
	}
	c := &cosigner{private: ed25519.NewKeyFromSeed(seed[1:])}
	public := append([]byte{4}, c.private.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256([]byte(parts[2] + "\n" + string(public)))
	c.name, c.hash = parts[2], binary.BigEndian.Uint32(id[:4])
	if c.time, err = strconv.ParseUint(time, 10, 64); err != nil {
		return err
	}
	msg, err := readAll()
	if err != nil {
		return err
	}
	text, _, found := bytes.Cut(msg, []byte("\n\n"))
	if !found {
		return fmt.Errorf("not a note: %q", msg)
	}
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, c)
	if err != nil {
		return err
	}
	// The signatures there stay as they are: the new line goes below them.
	_, line, _ := bytes.Cut(signed, []byte("\n\n"))
	os.Stdout.Write(append(msg, line...))
	fmt.Fprintf(os.Stderr, "%s+%08x+%s\n", c.name, c.hash, base64.StdEncoding.EncodeToString(public))
	return nil
}

func readAll() ([]byte, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(os.Stdin)
	return b.Bytes(), err
}
