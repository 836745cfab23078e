// Command hello is the smallest job: `make bench` runs it to measure all that is
// not the job.
package main

import "fmt"

func main() { fmt.Println("hello") }
