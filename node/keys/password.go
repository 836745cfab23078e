package keys

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// PasswordVariable is the environment variable that Password looks at.
const PasswordVariable = "LODE_PASSWORD"

// maxPassword bounds a password, in bytes.
const maxPassword = 1024

// Password returns the usual source of passwords: the first line of file, where
// one is named, else the environment variable LODE_PASSWORD, else a prompt on
// the terminal. The error wraps ErrNoPassword when nobody can be asked.
func Password(file string) func(prompt string) (string, error) {
	return func(prompt string) (string, error) {
		if file != "" {
			return passwordFile(file)
		}
		if password, ok := os.LookupEnv(PasswordVariable); ok {
			return password, nil
		}
		return askTerminal(os.Stdin, os.Stderr, prompt)
	}
}

func passwordFile(path string) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	line, err := bufio.NewReader(io.LimitReader(f, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if len(password) > maxPassword {
		return "", fmt.Errorf("read password: the first line of %s is longer than %d bytes; required: the password alone", path, maxPassword)
	}
	return password, nil
}

func askTerminal(in, out *os.File, prompt string) (string, error) {
	fd := int(in.Fd())
	if !term.IsTerminal(fd) {
		return "", fmt.Errorf("%w: there is no terminal to ask at; required: a file with the password, or %s", ErrNoPassword, PasswordVariable)
	}
	if _, err := fmt.Fprintf(out, "%s: ", prompt); err != nil {
		return "", fmt.Errorf("ask for password: %w", err)
	}
	password, err := term.ReadPassword(fd)
	// The new line that the user typed was not echoed.
	_, outErr := fmt.Fprintln(out)
	if err := errors.Join(err, outErr); err != nil {
		return "", fmt.Errorf("ask for password: %w", err)
	}
	return string(password), nil
}

// choosePassword asks for a new password, twice.
func choosePassword(cfg Config) (string, error) {
	if cfg.Password == nil {
		if !cfg.Light {
			return "", fmt.Errorf("%w: the keys in %s guard money; required: a password", ErrNoPassword, cfg.Dir)
		}
		return "", nil
	}
	password, err := cfg.Password("Choose a password for the keys in " + cfg.Dir)
	if err != nil {
		return "", err
	}
	if password == "" && !cfg.Light {
		return "", fmt.Errorf("%w: it is empty, and the keys in %s guard money; required: a password", ErrNoPassword, cfg.Dir)
	}
	again, err := cfg.Password("The same password again")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", fmt.Errorf("%w: the two that were typed differ; nothing was made", ErrPassword)
	}
	return password, nil
}

// passwordOnce returns what asks for the password of existing keys, only once
// and only if it is needed.
func passwordOnce(cfg Config) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		if cfg.Password == nil {
			return "", fmt.Errorf("%w: the keys in %s want one", ErrNoPassword, cfg.Dir)
		}
		return cfg.Password("Password of the keys in " + cfg.Dir)
	})
}
