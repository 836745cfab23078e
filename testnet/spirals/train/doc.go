// Package train owns the work of the demo job: the two-spirals data set and a
// small neural network that learns to tell the spirals apart.
//
// It is what the job compiles to WebAssembly, so it imports next to nothing.
package train
