// Package openapi owns the document of the control plane's API, for those who
// serve it. Server and client are generated from it below; it knows neither.
package openapi

import _ "embed"

//go:embed openapi.yaml
var document []byte

// YAML is the document as it is written.
func YAML() []byte { return document }
