// Package examples owns the example configurations that the binary carries, so that weir demo needs no file beside it.
//
// It will not do anything with them.
package examples

import "embed"

// Fleet is examples/fleet: the configuration, policy and metrics of the synthetic smart-home company.
//
//go:embed fleet
var Fleet embed.FS
