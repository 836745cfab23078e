// Package apiv1 is the generated Go of the local API's messages.
package apiv1
