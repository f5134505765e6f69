// Package natsembed owns the NATS server inside a single-machine installation:
// JetStream on local disk with every write synced, reached in process. It must
// not know subjects or streams; those belong to the programs that use them. It
// is the one place outside tests that links the NATS server.
package natsembed

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// maxStore caps the disk that JetStream may take, so that a full disk is met
// as a refused publish and never as a failed write.
const maxStore = 4 << 30

// Config says where the server keeps its streams.
type Config struct {
	// StoreDir holds the streams. It is made when missing.
	StoreDir string
	// Logger may be nil.
	Logger *slog.Logger
}

// Server is a running NATS server.
type Server struct{ s *server.Server }

// Start returns when the server takes connections.
func Start(cfg Config) (*Server, error) {
	s, err := server.NewServer(options(cfg))
	if err != nil {
		return nil, fmt.Errorf("start embedded NATS: %w", err)
	}
	if cfg.Logger != nil {
		s.SetLoggerV2(logger{cfg.Logger}, false, false, false)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, errors.New("start embedded NATS: not ready within ten seconds; see the log")
	}
	return &Server{s}, nil
}

func options(cfg Config) *server.Options {
	return &server.Options{
		ServerName: "tollgate",
		DontListen: true,
		JetStream:  true,
		StoreDir:   cfg.StoreDir,
		// The ledger must survive a power cut together with what was
		// acknowledged before it: sync each write, batches make it cheap.
		SyncAlways:         true,
		JetStreamMaxStore:  maxStore,
		JetStreamMaxMemory: 64 << 20,
		NoSigs:             true,
		NoSystemAccount:    true,
		MaxPayload:         8 << 20,
	}
}

// Option connects a client in process, whatever URL it is given.
func (s *Server) Option() nats.Option { return nats.InProcessServer(s.s) }

// Stop closes connections and returns when everything is on disk.
func (s *Server) Stop() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// logger hands the server's lines to slog. Notices tell about each start and
// stream; they are detail here.
type logger struct{ l *slog.Logger }

func (l logger) Noticef(f string, v ...any) { l.l.Debug("nats: " + fmt.Sprintf(f, v...)) }
func (l logger) Warnf(f string, v ...any)   { l.l.Warn("nats: " + fmt.Sprintf(f, v...)) }
func (l logger) Errorf(f string, v ...any)  { l.l.Error("nats: " + fmt.Sprintf(f, v...)) }
func (l logger) Fatalf(f string, v ...any)  { l.l.Error("nats: " + fmt.Sprintf(f, v...)) }
func (l logger) Debugf(f string, v ...any)  { l.l.Debug("nats: " + fmt.Sprintf(f, v...)) }
func (l logger) Tracef(f string, v ...any)  { l.l.Debug("nats: " + fmt.Sprintf(f, v...)) }
