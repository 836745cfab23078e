// Command guest is the job of the node's tests: its first argument says how it behaves.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("hello")
		return
	}
	switch os.Args[1] {
	case "copy": // an input to the output, with arguments and environment
		b, err := os.ReadFile("/in/text")
		if err != nil {
			fail(err)
		}
		if err := os.WriteFile("/out/copy", append(b, strings.Join(os.Args[2:], " ")+os.Getenv("GREETING")...), 0o644); err != nil {
			fail(err)
		}
		fmt.Println("copied")
	case "exit":
		fmt.Fprintln(os.Stderr, "leaving")
		os.Exit(7)
	case "count": // until it is stopped
		for i := 0; ; i++ {
			fmt.Println("count", i)
			time.Sleep(100 * time.Millisecond)
		}
	case "work": // for a while, by the job's own clock
		d, err := time.ParseDuration(os.Args[2])
		if err != nil {
			fail(err)
		}
		for end := time.Now().Add(d); time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Println("worked")
	case "trap":
		var none *int
		*none = 1
	case "memory": // more than any test grants
		var held [][]byte
		for range 1 << 10 {
			held = append(held, make([]byte, 16<<20))
		}
		fmt.Println(len(held))
	case "disk":
		for i := range 1 << 10 {
			if err := os.WriteFile(fmt.Sprint("/out/", i), make([]byte, 1<<20), 0o644); err != nil {
				fail(err)
			}
		}
	case "link": // out of its outputs
		if err := os.Symlink("/etc/passwd", "/out/link"); err != nil {
			fail(err)
		}
	case "many": // small files, more than ride in one message
		for i := range 300 {
			if err := os.WriteFile(fmt.Sprint("/out/", i), []byte(fmt.Sprint(i)), 0o644); err != nil {
				fail(err)
			}
		}
	case "flood":
		for i := range 20_000 {
			fmt.Println("line", i, strings.Repeat("x", 100))
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
