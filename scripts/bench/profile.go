package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// ProfileShare is the part of the processor time that goes to one thing.
type ProfileShare struct {
	Area    string  `json:"area"`
	Percent float64 `json:"percent"`
	// Top are its largest functions.
	Top []string `json:"top"`
}

// profile takes a processor profile of the data plane under one case.
func (b *bencher) profile(ctx context.Context, p *stand.Plane) ([]ProfileShare, error) {
	_, c := b.s.chosen()
	g := b.gateways[len(b.gateways)-1]
	loaded := make(chan error, 1)
	go func() {
		_, err := b.load(ctx, c, g, b.s.profile+time.Second)
		loaded <- err
	}()
	path := b.s.keep
	if path == "" {
		path = filepath.Join(b.s.dir, "cpu.pprof")
	}
	err := download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.OpsAddr, int(b.s.profile.Seconds())), path)
	if loadErr := <-loaded; err == nil {
		err = loadErr
	}
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-flat", "-nodecount=2000", "-nodefraction=0", path).Output()
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	return areas(string(out)), nil
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, resp.Body)
	return err
}

// areaRules sort functions into what they are about. The first match counts.
var areaRules = []struct{ area, part string }{
	{"system calls", "syscall"},
	{"system calls", "runtime/internal/syscall"},
	{"memory and garbage", "mallocgc"}, {"memory and garbage", "gcDrain"}, {"memory and garbage", "scanobject"},
	{"memory and garbage", "scanObject"}, {"memory and garbage", "greyobject"}, {"memory and garbage", "runtime.(*m"},
	{"memory and garbage", "memclr"}, {"memory and garbage", "runtime.gc"}, {"memory and garbage", "sweep"},
	{"memory and garbage", "nextFree"}, {"memory and garbage", "wbBuf"}, {"memory and garbage", "newobject"}, {"memory and garbage", "heap"},
	{"copying", "memmove"},
	{"clock", "nanotime"}, {"clock", "time.Now"}, {"clock", "walltime"}, {"clock", "vdso"},
	{"scheduler and poller", "runtime."}, {"scheduler and poller", "internal/poll"}, {"scheduler and poller", "sync."},
	{"HTTP server", "net/http"}, {"HTTP server", "echo"}, {"HTTP server", "net/textproto"}, {"HTTP server", "bufio"}, {"HTTP server", "net.("},
}

// areas sums the flat shares of a profile's functions by area.
func areas(top string) []ProfileShare {
	sums := map[string]*ProfileShare{}
	for line := range strings.SplitSeq(top, "\n") {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasSuffix(f[1], "%") {
			continue
		}
		percent, err := strconv.ParseFloat(strings.TrimSuffix(f[1], "%"), 64)
		if err != nil || percent == 0 {
			continue
		}
		name := f[5]
		area := areaOf(name)
		s := sums[area]
		if s == nil {
			s = &ProfileShare{Area: area}
			sums[area] = s
		}
		s.Percent += percent
		if len(s.Top) < 4 {
			s.Top = append(s.Top, fmt.Sprintf("%s %.1f %%", name, percent))
		}
	}
	var out []ProfileShare
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b ProfileShare) int { return cmp.Compare(b.Percent, a.Percent) })
	return out
}

const ours = "github.com/tollgate/tollgate/"

func areaOf(function string) string {
	if i := strings.Index(function, ours); i >= 0 {
		rest := function[i+len(ours):]
		if dot := strings.IndexByte(rest, '.'); dot > 0 {
			rest = rest[:dot]
		}
		return strings.Replace(rest, "/internal", "", 1)
	}
	for _, r := range areaRules {
		if strings.Contains(function, r.part) {
			return r.area
		}
	}
	return "other"
}

func printProfile(w io.Writer, shares []ProfileShare) {
	if len(shares) == 0 {
		return
	}
	fmt.Fprintln(w, "\nWhere the data plane's processor time goes (1 KB / 1 KB):")
	for _, s := range shares {
		if s.Percent >= 0.5 {
			fmt.Fprintf(w, "%6.1f %%  %-24s %s\n", s.Percent, s.Area, strings.Join(s.Top, ", "))
		}
	}
}
