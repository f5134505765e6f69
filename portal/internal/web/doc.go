// Package web owns the pages: which address shows what, who may see it, forms
// and their tokens, and the browser's session. It calls the control plane
// through package control, hands view models to package view, and turns every
// error into a page in one place. It must not know of databases or data
// planes, and keeps nothing between two requests.
package web
