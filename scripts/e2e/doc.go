// Package e2e holds the end-to-end tests: the one binary is built and started
// as people start it, and then used as they use it, through vendor SDKs, a
// browser and plain HTTP. It knows nothing from inside the product.
package e2e
