package tenantconfig

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/seal"
	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// FuzzKeyDecoder holds the fast decoder of keys to protobuf and configcheck:
// what it takes, they take, and it reads the same out of it.
func FuzzKeyDecoder(f *testing.F) {
	var kid, pid [16]byte
	k := &configv1.ApiKey{
		Id: string(id.Format(nil, id.APIKey, kid)), ProjectId: string(id.Format(nil, id.Project, pid)),
		SecretSha256: bytes.Repeat([]byte{1}, 32), PreviousSha256: bytes.Repeat([]byte{2}, 32), PreviousValidUntilUnix: 5,
		ExpiresAtUnix: 1 << 33, Revoked: true, AllowedRoutes: []string{"a", "b"},
	}
	whole, err := proto.Marshal(k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(protowire.AppendVarint(protowire.AppendTag(bytes.Clone(whole), 7, protowire.VarintType), 0))
	f.Add(protowire.AppendVarint(protowire.AppendTag(bytes.Clone(whole), 99, protowire.VarintType), 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		env := &configv1.Envelope{
			Revision: 3, TenantId: "ten_" + k.Id[4:], Kind: configv1.Kind_KIND_API_KEY, Id: k.Id, CommittedAtUnixNano: 1, Payload: payload,
		}
		raw, err := proto.Marshal(env)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := scanEnvelope(raw)
		if !ok {
			if len(payload) <= configcheck.MaxPayload {
				t.Fatal("a plain envelope is not scanned")
			}
			return
		}
		st := newState(nil, nil, nil)
		got, ok := st.scanKey(&e, 7, nil)
		m, err := configcheck.Decode(env)
		if !ok {
			// The long way decides; a good plain key must not need it.
			if err == nil && len(payload) == len(whole) && bytes.Equal(payload, whole) {
				t.Fatal("a plain key takes the long way")
			}
			return
		}
		if err != nil {
			t.Fatalf("taken though %v", err)
		}
		want := st.compactKey(m.(*configv1.ApiKey), 7, 3)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

func FuzzDeltaLog(f *testing.F) {
	log := binary.BigEndian.AppendUint64([]byte(deltaMagic), 77)
	log = appendRecord(log, 1, []byte("one"))
	log = appendRecord(log, 0, nil)
	f.Add(log)
	f.Add(log[:len(log)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		again := []byte(nil)
		identity, good, err := readDeltas(bytes.NewReader(data), func(seq uint64, raw []byte) { again = appendRecord(again, seq, raw) })
		if err != nil {
			return
		}
		again = append(binary.BigEndian.AppendUint64([]byte(deltaMagic), uint64(identity)), again...)
		if !bytes.Equal(again, data[:good]) {
			t.Fatal("the good part is not what was read")
		}
	})
}

// writeLarge writes a snapshot with a credential, a model and a route for each
// tenant, and keys spread evenly over them.
func writeLarge(t testing.TB, path string, tenants, keys int, key *seal.PrivateKey) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	bw := bufio.NewWriterSize(f, 1<<20)
	w, err := snapshot.NewWriter(bw, &configv1.SnapshotHeader{Revision: 1 << 40, Count: uint64(4*tenants + keys)})
	if err != nil {
		t.Fatal(err)
	}
	revision := uint64(0)
	name := func(prefix string, n int) string {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], uint64(n)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(b[8:], uint64(n)*0xbf58476d1ce4e5b9)
		return string(id.Format(nil, prefix, b))
	}
	put := func(tenant string, kind configv1.Kind, rid string, m proto.Message) {
		payload, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		revision++
		env := &configv1.Envelope{Revision: revision, TenantId: tenant, Kind: kind, Id: rid, CommittedAtUnixNano: 1_763_800_000_000_000_000, PublisherEpoch: 9, Payload: payload}
		if err := w.Write(env); err != nil {
			t.Fatal(err)
		}
	}
	sealed := make([]byte, 100) // Opened only when a tenant calls.
	if key != nil {
		if sealed, err = key.Public().Seal(name(id.Tenant, 0), name(id.Credential, 0), []byte("sk-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcd")); err != nil {
			t.Fatal(err)
		}
	}
	for n := range tenants {
		tenant, project := name(id.Tenant, n), name(id.Project, n)
		put(tenant, configv1.Kind_KIND_TENANT, tenant, &configv1.Tenant{Id: tenant, Slug: "t" + strconv.Itoa(n), Status: configv1.TenantStatus_TENANT_STATUS_ACTIVE})
		put(tenant, configv1.Kind_KIND_CREDENTIAL, name(id.Credential, n), &configv1.Credential{
			Id: name(id.Credential, n), Provider: "openai", BaseUrl: "https://api.openai.com/v1", AuthStyle: configv1.AuthStyle_AUTH_STYLE_BEARER, SealedSecret: sealed,
		})
		put(tenant, configv1.Kind_KIND_MODEL, name(id.Model, n), &configv1.Model{Id: name(id.Model, n), CredentialId: name(id.Credential, n), ProviderModel: "gpt-4o-mini", CatalogId: "openai/gpt-4o-mini"})
		put(tenant, configv1.Kind_KIND_ROUTE, name(id.Route, n), &configv1.Route{Id: name(id.Route, n), Name: "gpt-4o-mini", Targets: []*configv1.Target{{ModelId: name(id.Model, n)}}})
		for i := n; i < keys; i += tenants {
			h := sha256.Sum256([]byte("secret-" + strconv.Itoa(i)))
			put(tenant, configv1.Kind_KIND_API_KEY, name(id.APIKey, i), &configv1.ApiKey{Id: name(id.APIKey, i), ProjectId: project, SecretSha256: h[:]})
		}
	}
	if err := errors.Join(w.Close(), bw.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func residentMiB(t testing.TB) int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // Not on this system.
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// processorTime is what the process has used, which other processes on the
// machine do not change much.
func processorTime(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// A tenth of the full size as a test; the whole by BenchmarkLoadMillion.
func TestLoadsMany(t *testing.T) {
	dir := t.TempDir()
	writeLarge(t, filepath.Join(dir, "snapshot-1.tgs"), 10_000, 100_000, nil)
	s := loadDir(t, dir)
	checkLarge(t, s, 10_000, 100_000)
}

func loadDir(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, DataPlaneID: "dpl_x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.disk.close() })
	return s
}

func checkLarge(t testing.TB, s *Store, tenants, keys int) {
	t.Helper()
	if gotTenants, gotKeys := s.Counts(); gotTenants != uint64(tenants) || gotKeys != uint64(keys) || s.Refused() != 0 {
		t.Fatalf("%d tenants, %d keys, %d refused", gotTenants, gotKeys, s.Refused())
	}
	for i := 0; i < keys; i += 997 {
		h := sha256.Sum256([]byte("secret-" + strconv.Itoa(i)))
		k, ok := s.LookupKey(&h)
		if !ok || k.Tenant.Pin().Slug != "t"+strconv.Itoa(i%tenants) {
			t.Fatalf("key %d: %+v %v", i, k, ok)
		}
	}
}

// BenchmarkLoadMillion loads 100,000 tenants with 1,000,000 keys from the local
// snapshot, and says how long that took and how much memory it left.
func BenchmarkLoadMillion(b *testing.B) {
	dir := b.TempDir()
	writeLarge(b, filepath.Join(dir, "snapshot-1.tgs"), 100_000, 1_000_000, nil)
	runtime.GC()
	var took, cpu time.Duration
	var s *Store
	for b.Loop() {
		began, used := time.Now(), processorTime(b)
		s = loadDir(b, dir)
		took, cpu = time.Since(began), processorTime(b)-used
	}
	peak := residentMiB(b)
	checkLarge(b, s, 100_000, 1_000_000)
	b.ReportMetric(took.Seconds(), "s/load")
	b.ReportMetric(cpu.Seconds(), "cpu-s/load")
	b.ReportMetric(float64(peak), "MiB-resident")
	probes := make([][32]byte, 1<<14)
	for i := range probes {
		probes[i] = sha256.Sum256([]byte("secret-" + strconv.Itoa(i*61)))
	}
	began := time.Now()
	for i := range 1 << 18 {
		s.LookupKey(&probes[i&(1<<14-1)])
	}
	b.ReportMetric(float64(time.Since(began).Nanoseconds())/(1<<18), "ns/lookup")
}
