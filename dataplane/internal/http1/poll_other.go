//go:build !linux

package http1

import "errors"

const supported = false

func (c *Conn) tryRead(uintptr) bool { return true }

type watcher struct{}

func newWatcher() (*watcher, error) { return nil, errors.ErrUnsupported }

func (w *watcher) add(*Conn) error { return errors.ErrUnsupported }
func (w *watcher) remove(*Conn)    {}
func (w *watcher) close() error    { return nil }
