// Package link owns the connection to NATS: that it is tried for ever, that a
// dead one is noticed within seconds, and what is said about it in the log. It
// knows nothing of what goes over it.
package link

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
)

// Connect opens a connection under a name. It succeeds while NATS is down and
// goes on trying; opts come last and so decide.
func Connect(url, name string, log *slog.Logger, opts ...nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{
		nats.Name(name),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		// Credentials that are refused for a while are no reason to give up.
		nats.IgnoreAuthErrorAbort(),
		// Full jitter, so that a restarted server does not meet all at once.
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			return rand.N(min(2*time.Second, 100*time.Millisecond<<min(attempts, 5)))
		}),
		// A link that is dead without a word is one that revocations do not come
		// over.
		nats.Timeout(2 * time.Second),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		// What cannot be sent now must fail now: whoever sends keeps what matters.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connection to NATS is back") }),
	}, opts...)
	nc, err := nats.Connect(url, all...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}
