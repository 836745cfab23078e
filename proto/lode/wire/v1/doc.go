// Package wirev1 is the generated Go of wire.proto: what two nodes say to each
// other, before package proto has checked it.
package wirev1
