// Package apiv1connect is the generated client and server of the local API.
package apiv1connect
