// Package apiclient is generated from openapi.yaml: the typed client of the
// control plane's API. The portal and the command line use nothing else.
package apiclient
