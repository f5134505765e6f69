package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/secretkey"
	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"github.com/tollgate/tollgate/scripts/internal/stand"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

// ScaleReport says what holding very many keys takes.
type ScaleReport struct {
	Tenants      int     `json:"tenants"`
	Keys         int     `json:"keys"`
	SnapshotMiB  float64 `json:"snapshot_mib"`
	ReadySeconds float64 `json:"ready_s"`
	RSSMiB       float64 `json:"rss_mib"`
	// A call with an unknown key, refused.
	UnknownKeyP50US int64 `json:"unknown_key_p50_us"`
	UnknownKeyP99US int64 `json:"unknown_key_p99_us"`
	// Reads from disk that such calls caused, in bytes.
	UnknownKeyDiskReads int64 `json:"unknown_key_disk_reads"`
}

const (
	readyMark = 3.0
	rssMark   = 600.0
)

// scale starts a data plane on a large snapshot, with nothing else alive.
func scale(ctx context.Context, s settings, r *Report) error {
	bin, err := stand.Build(ctx, s.dir)
	if err != nil {
		return err
	}
	r.Scale = &ScaleReport{Tenants: s.tenants, Keys: s.keys}
	path := filepath.Join(s.dir, "large.snapshot")
	secret, err := writeLarge(path, s.tenants, s.keys)
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	r.Scale.SnapshotMiB = float64(info.Size()) / (1 << 20)
	plane, err := stand.Lonely(stand.Config{Dir: filepath.Join(s.dir, "lonely"), Binaries: bin, GatewayCPU: gatewayCPU, RestCPU: restCPU}, path)
	if err != nil {
		return err
	}
	// The first start takes the file, the second has it on its own disk.
	for range 2 {
		if err := plane.Stop(20 * time.Second); err != nil {
			return err
		}
		begin := time.Now()
		if err := plane.Start(ctx); err != nil {
			return err
		}
		r.Scale.ReadySeconds = time.Since(begin).Seconds()
	}
	defer plane.Stop(20 * time.Second)
	return r.Scale.calls(ctx, plane, secret)
}

// calls checks that the keys are really there and that unknown ones are not.
func (r *ScaleReport) calls(ctx context.Context, plane *stand.Plane, secret string) error {
	body := loadgen.ChatBody("demo", "", false, 300)
	resp, err := stand.Post(ctx, "http://"+plane.Addr+"/v1/chat/completions", secret, body)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("a call with one of the keys: %s", resp.Status)
	}
	before, err := diskReads(plane.Pid())
	if err != nil {
		return err
	}
	result, err := loadgen.Run(ctx, loadgen.Options{Targets: []string{plane.Addr}, Key: secretkey.New(secretkey.API), Conns: 1, Count: 5000,
		Requests: []loadgen.Request{{Name: "unknown", Body: body}}, Records: true})
	if err != nil {
		return err
	}
	after, err := diskReads(plane.Pid())
	if err != nil {
		return err
	}
	r.UnknownKeyDiskReads = after - before
	// Nothing but the snapshot is there, so the answer is 503, never 401.
	if k := result.Kinds["unknown"]; k.Status[503] != k.Requests {
		return fmt.Errorf("unknown keys were answered %v", k.Status)
	}
	r.UnknownKeyP50US, r.UnknownKeyP99US = refusals(result.Records)
	rss, err := plane.RSS()
	r.RSSMiB = float64(rss) / (1 << 20)
	return err
}

func refusals(records []loadgen.Record) (p50, p99 int64) {
	var v []int64
	for _, rec := range records {
		v = append(v, rec.LatencyUS)
	}
	slices.Sort(v)
	return v[len(v)/2], v[len(v)*99/100]
}

// diskReads is read_bytes of /proc/PID/io.
func diskReads(pid int) (n int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "read_bytes: %d", &n); err == nil {
			return n, nil
		}
	}
	return 0, errors.New("the kernel does not tell of disk reads")
}

// writeLarge writes a snapshot of this many tenants and keys and returns the
// secret of one key.
func writeLarge(path string, tenants, keys int) (secret string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := bufio.NewWriterSize(f, 1<<20)
	demo := &configv1.CatalogModel{Id: "demo/demo", Provider: "demo", ProviderModel: "demo", BuiltIn: true,
		CostPrices: []*configv1.Price{{Id: id.New(id.Price), EffectiveFromUnix: 1, Input: 100_000_000, Output: 200_000_000}}}
	total := 1 + tenants + keys
	w, err := snapshot.NewWriter(buf, &configv1.SnapshotHeader{Revision: uint64(total), StreamCreatedUnixNano: 1,
		StreamSequence: uint64(total), BuiltAtUnixNano: time.Now().UnixNano(), Count: uint64(total)})
	if err != nil {
		return "", err
	}
	g := &generator{w: w}
	g.add("", configv1.Kind_KIND_CATALOG_MODEL, demo.Id, demo)
	secret = secretkey.New(secretkey.API)
	for t := range tenants {
		tenant := id.New(id.Tenant)
		g.add(tenant, configv1.Kind_KIND_TENANT, tenant, &configv1.Tenant{Id: tenant, Slug: fmt.Sprintf("tenant-%d", t), Status: configv1.TenantStatus_TENANT_STATUS_ACTIVE})
		project := id.New(id.Project)
		for k := keys * t / tenants; k < keys*(t+1)/tenants; k++ {
			key := &configv1.ApiKey{Id: id.New(id.APIKey), ProjectId: project, SecretSha256: make([]byte, 32)}
			rand.Read(key.SecretSha256)
			if k == 0 {
				hash := secretkey.Hash(secret)
				key.SecretSha256 = hash[:]
			}
			g.add(tenant, configv1.Kind_KIND_API_KEY, key.Id, key)
		}
	}
	return secret, errors.Join(g.err, w.Close(), buf.Flush())
}

type generator struct {
	w        *snapshot.Writer
	revision uint64
	err      error
}

func (g *generator) add(tenant string, kind configv1.Kind, resource string, m proto.Message) {
	if g.err != nil {
		return
	}
	payload, err := proto.Marshal(m)
	if err != nil {
		g.err = err
		return
	}
	g.revision++
	g.err = g.w.Write(&configv1.Envelope{Revision: g.revision, TenantId: tenant, Kind: kind, Id: resource, CommittedAtUnixNano: 1, PublisherEpoch: 1, Payload: payload})
}

func (r *ScaleReport) print(w io.Writer) {
	if r == nil {
		return
	}
	verdict := "ok"
	if r.ReadySeconds > readyMark || r.RSSMiB > rssMark || r.UnknownKeyDiskReads > 0 {
		verdict = "ABOVE"
	}
	fmt.Fprintf(w, "\n%d tenants, %d keys: ready in %.2f s (mark ≤ %.0f), %.0f MiB resident (mark ≤ %.0f), snapshot %.0f MiB; unknown key p50 %d µs, p99 %d µs, %d bytes read from disk %s\n",
		r.Tenants, r.Keys, r.ReadySeconds, readyMark, r.RSSMiB, rssMark, r.SnapshotMiB, r.UnknownKeyP50US, r.UnknownKeyP99US, r.UnknownKeyDiskReads, verdict)
}
