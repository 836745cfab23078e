// Command acts is the job that the tests of package run let behave: its first
// argument says how. It exits with 1 where the sandbox refused what it tried
// and with 3 where the sandbox should have refused and did not.
package main

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	acts := map[string]func(){
		"greet": greet, "panic": func() { panic("on purpose") }, "exit": exit,
		"hog": hog, "loop": loop, "count": count, "fill": fill, "files": files, "churn": churn,
		"plant": plant, "flood": flood, "sparse": sparse, "seek": seek, "deep": deep,
		"oddnames": oddNames, "chance": chance, "copy": copyInput, "spoil": spoil, "memory": memory,
	}
	act, ok := acts[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such act:", os.Args[1])
		os.Exit(4)
	}
	act()
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func wrong(what string) {
	fmt.Println("WRONG:", what)
	os.Exit(3)
}

func greet() {
	fmt.Println(strings.Join(os.Args[2:], " "))
	for _, env := range os.Environ() {
		fmt.Println("env", env)
	}
	if n, err := os.Stdin.Read(make([]byte, 1)); n != 0 || err == nil {
		wrong("stdin is not empty")
	}
	fmt.Fprintln(os.Stderr, "to stderr")
	must(os.WriteFile("/out/greeting", []byte("greetings"), 0o644))
	must(os.WriteFile("scratch", []byte("relative"), 0o644))
}

func exit() {
	code, err := strconv.Atoi(os.Args[2])
	must(err)
	os.Exit(code)
}

func hog() {
	var held [][]byte
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
	}
}

func memory() {
	block := make([]byte, 8<<20)
	for i := range block {
		block[i] = byte(i)
	}
	runtime.KeepAlive(block)
	fmt.Println("ok")
}

func loop() {
	must(os.WriteFile("/out/partial", []byte("what there was"), 0o644))
	fmt.Println("looping")
	for i := 0; ; i++ {
		_ = i
	}
}

// count prints a number each few milliseconds, up to its argument.
func count() {
	most, err := strconv.Atoi(os.Args[2])
	must(err)
	for i := range most {
		fmt.Println(i)
		time.Sleep(2 * time.Millisecond)
	}
}

func fill() {
	file, err := os.Create("/out/big")
	must(err)
	block := make([]byte, 64<<10)
	for {
		_, err := file.Write(block)
		must(err)
	}
}

func files() {
	for i := 0; ; i++ {
		must(os.WriteFile(fmt.Sprintf("/out/%06d", i), nil, 0o644))
	}
}

// churn writes far more than the limit in all, and never more at once.
func churn() {
	block := make([]byte, 512<<10)
	for range 20 {
		must(os.WriteFile("/out/a", block, 0o644))
		must(os.Rename("/out/a", "/out/b"))
		must(os.WriteFile("/out/a", block[:1024], 0o644))
		must(os.Rename("/out/a", "/out/b"))
		must(os.Remove("/out/b"))
		must(os.Mkdir("/out/d", 0o755))
		must(os.Remove("/out/d"))
	}
	must(os.WriteFile("/out/last", block, 0o644))
}

func plant() {
	for _, try := range []struct {
		what string
		do   func() error
	}{
		{"symlink out", func() error { return os.Symlink("/etc/passwd", "/out/link") }},
		{"symlink up", func() error { return os.Symlink("../../..", "/out/up") }},
		{"hard link", func() error {
			must(os.WriteFile("/out/file", []byte("x"), 0o644))
			return os.Link("/out/file", "/out/hard")
		}},
		{"absolute path", read("/etc/passwd")},
		{"dots", read("/out/../../../../../../../../etc/passwd")},
		{"relative dots", read("../../../../../../../../etc/passwd")},
		{"proc", read("/proc/self/environ")},
		{"rename up", func() error { return os.Rename("/out/file", "/out/../../escaped") }},
		{"mkdir up", func() error { return os.Mkdir("/out/../../escaped", 0o755) }},
	} {
		if err := try.do(); err == nil {
			wrong(try.what)
		} else {
			fmt.Println(try.what, "refused:", err)
		}
	}
}

func read(name string) func() error {
	return func() error {
		_, err := os.ReadFile(name)
		return err
	}
}

func flood() {
	line := strings.Repeat("flood ", 1000) + "\n"
	for range 2000 {
		fmt.Print(line)
	}
	time.Sleep(100 * time.Millisecond)
	fmt.Fprintln(os.Stderr, "end of flood")
}

func sparse() {
	file, err := os.Create("/out/sparse")
	must(err)
	must(file.Truncate(1 << 40))
}

func seek() {
	file, err := os.Create("/out/sparse")
	must(err)
	_, err = file.WriteAt([]byte("x"), 1<<40)
	must(err)
}

func deep() {
	must(os.MkdirAll("/out"+strings.Repeat("/d", 200), 0o755))
}

func oddNames() {
	for _, name := range []string{"new\nline", "bell\a", string([]byte{0xff, 0xfe}), strings.Repeat("n", 300), `back\slash`} {
		if err := os.WriteFile("/out/"+name, nil, 0o644); err == nil {
			wrong(fmt.Sprintf("name %q", name))
		}
	}
}

// chance prints all that may differ between two runs.
func chance() {
	fmt.Println(time.Now().UnixNano(), rand.Int63())
	random := make([]byte, 32)
	_, err := crand.Read(random)
	must(err)
	fmt.Printf("%x\n", random)
	started := time.Now()
	time.Sleep(time.Hour)
	fmt.Println(time.Since(started))
	for _, name := range []string{"c", "a", "b"} {
		must(os.WriteFile("/out/"+name, random, 0o644))
	}
	entries, err := os.ReadDir("/out")
	must(err)
	for _, e := range entries {
		info, err := e.Info()
		must(err)
		fmt.Println(e.Name(), info.ModTime().UnixNano(), info.Size(), info.Mode())
	}
	seen := make(map[string]int)
	for i := range 100 {
		seen[strconv.Itoa(i)] = i
	}
	for k := range seen {
		fmt.Print(k, " ")
	}
	fmt.Println()
}

func copyInput() {
	var found []string
	for _, root := range os.Args[2:] {
		must(filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := os.ReadFile(name)
			found = append(found, name+"="+string(body))
			return err
		}))
	}
	must(os.WriteFile("/out/found", []byte(strings.Join(found, "\n")), 0o644))
}

func spoil() {
	for _, try := range []func() error{
		func() error { return os.WriteFile("/in/file", []byte("spoilt"), 0o644) },
		func() error { return os.WriteFile("/in/new", []byte("spoilt"), 0o644) },
		func() error { return os.Remove("/in/file") },
		func() error { return os.Truncate("/in/file", 0) },
		func() error { return os.Rename("/in/file", "/out/file") },
		func() error { return os.Mkdir("/in/dir", 0o755) },
		read("/in/escape"),
	} {
		if err := try(); err == nil {
			wrong("an input was changed, or left")
		} else if errors.Is(err, os.ErrNotExist) {
			wrong("the input is not there: " + err.Error())
		}
	}
}
