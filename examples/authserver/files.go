package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// sealingKey returns the key in the file path, which seals the signing keys in
// the database. At the first start it is made, if this program may: not where other
// instances need the same one.
func sealingKey(ctx context.Context, path string, st store.Store, mayMake bool) (token.SealingKey, error) {
	text, err := os.ReadFile(path)
	if mayMake && errors.Is(err, fs.ErrNotExist) {
		if err := makeSealingKey(ctx, path, st); err != nil {
			return token.SealingKey{}, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return token.SealingKey{}, fmt.Errorf("sealing key: %w", err)
	}
	key, err := token.ParseSealingKey(string(text))
	if err != nil {
		return token.SealingKey{}, fmt.Errorf("sealing key %s: %w; put it back from a backup", path, err)
	}
	return key, nil
}

// makeSealingKey writes a new key, unless that would hide that one was lost.
func makeSealingKey(ctx context.Context, path string, st store.Store) error {
	page, err := st.List(ctx, store.Query{Kind: token.KindSigningKey, Limit: 1})
	if err != nil {
		return fmt.Errorf("looking for signing keys: %w", err)
	}
	if len(page.Records) > 0 {
		return fmt.Errorf("%s is missing, and the database has signing keys that were sealed with it; put it back from a backup", path)
	}
	key, err := token.NewSealingKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("making a sealing key: %w", err)
	}
	// Linked, not renamed: where two processes start at once, the first one's
	// key stays, and the other one reads it.
	err = writeDurably(path, []byte(key.Reveal()+"\n"), os.Link)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing the sealing key: %w", err)
	}
	return nil
}

// writeDurably writes a file that only its owner may read, whole or not at all:
// beside its place first, to which put, os.Rename or os.Link, brings it. What is
// there when it returns nil survives a loss of power.
func writeDurably(path string, data []byte, put func(from, to string) error) error {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // in vain if it was renamed
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := put(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// makeFolder makes a folder for its owner alone, if there is none.
func makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes durable which files a folder has.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // it does that by itself, and a folder can't be opened
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
