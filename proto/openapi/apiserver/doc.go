// Package apiserver is generated from openapi.yaml: the interface that the
// control plane implements, and the specification itself. It knows no rules.
package apiserver
