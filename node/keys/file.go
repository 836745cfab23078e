package keys

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// maxFile bounds every file that is read here, in bytes.
const maxFile = 16 << 10

// unlock reads and decrypts one key file.
func unlock(path string, ask func() (string, error)) (*ecdsa.PrivateKey, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, err
	}
	key, err := unseal(content, ask)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return key, nil
}

// checkDir refuses a folder that is missing or that others can look into.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s", ErrNoKeys, dir)
	}
	if err != nil {
		return fmt.Errorf("open keys: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is a file; required: a folder", ErrKeyFile, dir)
	}
	return checkMode(dir, info, 0o700)
}

// checkMode refuses what anybody but the owner may use.
func checkMode(path string, info fs.FileInfo, required fs.FileMode) error {
	// Elsewhere than on Unix the bits say nothing.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("%w: %s has mode %04o; required: %04o, by: chmod %o %s", ErrExposed, path, mode, required, required, path)
	}
	return nil
}

// readFile reads a file that is its owner's alone.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrNoKeys, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file", ErrKeyFile, path)
	}
	if err := checkMode(path, info, 0o600); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrKeyFile, path, maxFile)
	}
	return content, nil
}

// writeFile makes a new file that is on disk when it returns.
func writeFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir puts a folder's entries on disk.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
