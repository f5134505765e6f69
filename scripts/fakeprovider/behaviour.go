package fakeprovider

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Mode names a way to fail. The zero Mode answers properly.
type Mode string

// Modes of failure.
const (
	// Hang takes the request and never answers.
	Hang Mode = "hang"
	// Stall sends half of the answer and then nothing more.
	Stall Mode = "stall"
	// Reset sends half of the answer and resets the connection.
	Reset Mode = "reset"
	// Cut sends half of the answer and closes the connection.
	Cut Mode = "cut"
	// Garbage answers 200 with bytes that are neither JSON nor events.
	Garbage Mode = "garbage"
	// Short promises a longer body than it sends, and closes.
	Short Mode = "short"
	// Long sends a longer body than it promises.
	Long Mode = "long"
	// Bomb answers with a small gzip body that unpacks to 64 MiB.
	Bomb Mode = "bomb"
	// Redirect answers 302 to an address inside a private network.
	Redirect Mode = "redirect"
	// Endless sends a body that does not end.
	Endless Mode = "endless"
	// Flood answers with a megabyte of headers.
	Flood Mode = "flood"
	// EventError sends half of a stream and then an error event.
	EventError Mode = "eventerror"
)

var modes = []Mode{Hang, Stall, Reset, Cut, Garbage, Short, Long, Bomb, Redirect, Endless, Flood, EventError}

// Behaviour says how one request is answered. A request chooses it by a
// directive, "fake:size=1000,events=20,gap=5ms", anywhere in the first 4 KB of
// its body: in the model's name or in a message. What a directive does not
// name comes from the server's default.
type Behaviour struct {
	Mode Mode
	// Status other than 0 and 200 answers with an OpenAI error.
	Status int
	// Size is how many bytes of text the answer holds.
	Size int
	// Events is how many content events a stream has.
	Events int
	// Delay passes before the first byte.
	Delay time.Duration
	// Gap passes before each event of a stream after the first.
	Gap time.Duration
	// Input, Output, Cached and Reasoning are the tokens reported. Output 0
	// means one for each event of a stream, one for four bytes of a plain
	// answer. Cached is part of Input, Reasoning part of Output, as OpenAI
	// reports them.
	Input, Output, Cached, Reasoning int
	// NoUsage leaves usage out of the answer.
	NoUsage bool
	// Tool answers with a call of this function.
	Tool string
}

// standard is what a request without directive gets when the server has no
// default of its own.
var standard = Behaviour{Size: 400, Events: 20, Input: 100}

const (
	directivePrefix = "fake:"
	maxSize         = 64 << 20
	maxEvents       = 1 << 20
)

// Parse reads a directive without its prefix, "size=1000,mode=stall", on top
// of base.
func Parse(base Behaviour, directive string) (Behaviour, error) {
	b := base
	if directive == "" {
		return b, nil
	}
	for part := range strings.SplitSeq(directive, ",") {
		name, value, _ := strings.Cut(part, "=")
		if err := b.set(name, value); err != nil {
			return base, fmt.Errorf("directive %q: %w", directive, err)
		}
	}
	return b, nil
}

func (b *Behaviour) set(name, value string) (err error) {
	switch name {
	case "mode":
		for _, m := range modes {
			if string(m) == value {
				b.Mode = m
				return nil
			}
		}
		return fmt.Errorf("there is no mode %q", value)
	case "tool":
		b.Tool = value
	case "nousage":
		b.NoUsage = true
	case "delay":
		b.Delay, err = time.ParseDuration(value)
	case "gap":
		b.Gap, err = time.ParseDuration(value)
	case "status":
		b.Status, err = number(value, 599)
	case "size":
		b.Size, err = number(value, maxSize)
	case "events":
		b.Events, err = number(value, maxEvents)
	case "in":
		b.Input, err = number(value, 1<<40)
	case "out":
		b.Output, err = number(value, 1<<40)
	case "cached":
		b.Cached, err = number(value, 1<<40)
	case "reasoning":
		b.Reasoning, err = number(value, 1<<40)
	default:
		return fmt.Errorf("there is no setting %q", name)
	}
	return err
}

func number(s string, limit int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", s, limit)
	}
	return n, nil
}

// output is how many tokens a whole answer reports.
func (b Behaviour) output(stream bool) int {
	switch {
	case b.Output > 0:
		return b.Output
	case stream:
		return b.Events
	}
	return (b.Size + 3) / 4
}

// findDirective returns the directive in a body, without prefix.
func findDirective(body []byte) []byte {
	window := body[:min(len(body), 4096)]
	i := bytes.Index(window, []byte(directivePrefix))
	if i < 0 {
		return nil
	}
	rest := window[i+len(directivePrefix):]
	for n, c := range rest {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '=' && c != ',' && c != '.' && c != '_' {
			return rest[:n]
		}
	}
	return rest
}
