// Command hello is the smallest job: it says hello and ends.
package main

import "fmt"

func main() { fmt.Println("hello") }
