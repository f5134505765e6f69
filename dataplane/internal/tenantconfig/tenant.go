package tenantconfig

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Tenant is one tenant's slot. It stays the same while the tenant's config
// changes; Pin gives the config of the moment.
type Tenant struct {
	// ID of the tenant.
	ID    string
	state *state
	// present says that the Tenant resource itself is here: keys and routes
	// may arrive before it.
	present  atomic.Bool
	compiled atomic.Pointer[Compiled]

	mu        sync.Mutex
	resources []resource
}

// resource is one thing of a tenant other than a key, as it arrived.
type resource struct {
	kind      configv1.Kind
	revision  uint64
	committed int64
	// id shares its bytes with payload.
	id      string
	payload string
	// opened is the credential's secret once it was needed.
	opened *openedSecret
	// broken resources made the compiler panic; they are left out.
	broken bool
}

type openedSecret struct {
	secret Secret
	err    error
}

func newResource(kind configv1.Kind, id string, revision uint64, committed int64, payload []byte) resource {
	r := resource{kind: kind, revision: revision, committed: committed, payload: string(payload)}
	if i := strings.Index(r.payload, id); i >= 0 {
		r.id = r.payload[i : i+len(id)]
	} else {
		r.id = strings.Clone(id)
	}
	return r
}

// Pin gives the tenant's config, compiled. It costs one load, but for the
// first request after a start or a change of the catalogue: that one compiles,
// in memory, some microseconds for each credential, model and route.
func (t *Tenant) Pin() *Compiled {
	if c := t.compiled.Load(); c != nil {
		return c
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.compileLocked()
}

// compileLocked compiles and swaps. A resource that makes the compiler panic
// is left out and reported.
func (t *Tenant) compileLocked() *Compiled {
	for {
		if c := t.compiled.Load(); c != nil {
			return c
		}
		catalog := t.state.catalog.Load()
		c, bad, why := tryCompile(t, catalog)
		if c != nil {
			t.compiled.Store(c)
			// The catalogue may have changed meanwhile, and its change may have
			// passed this tenant before the store.
			if t.state.catalog.Load() != catalog {
				t.compiled.CompareAndSwap(c, nil)
			}
			return c
		}
		t.resources[bad].broken = true
		t.state.report(refusalOf(t.ID, &t.resources[bad], "payload", why))
	}
}

// tryCompile turns a panic of the compiler into the index of the resource it
// was at; no config may take a data plane down.
func tryCompile(t *Tenant, catalog *catalog) (c *Compiled, bad int, why string) {
	k := compiler{tenant: t, catalog: catalog, at: -1}
	defer func() {
		if p := recover(); p != nil {
			if k.at < 0 {
				// Not while looking at a resource: nothing to leave out.
				panic(p)
			}
			c, bad, why = nil, k.at, "cannot be compiled by this version of the data plane"
			t.state.log.Error("config compiler panicked", "tenant", t.ID, "resource", t.resources[k.at].id, "panic", fmt.Sprint(p))
		}
	}()
	return k.compile(), 0, ""
}

// find returns the index of a resource; -1 when it is not there.
func (t *Tenant) find(kind configv1.Kind, id string) int {
	return slices.IndexFunc(t.resources, func(r resource) bool { return r.kind == kind && r.id == id })
}

// put sets a resource and swaps the compiled config, or puts back what was
// there and says why.
func (t *Tenant) put(r resource) (path, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.kind == configv1.Kind_KIND_CREDENTIAL {
		if err := t.state.open(t.ID, &r); err != nil {
			return "sealed_secret", "does not open with this data plane's key for this tenant and credential"
		}
	}
	i := t.find(r.kind, r.id)
	var before resource
	if i < 0 {
		i = len(t.resources)
		t.resources = append(t.resources, r)
	} else {
		before, t.resources[i] = t.resources[i], r
	}
	t.compiled.Store(nil)
	c, bad, why := tryCompile(t, t.state.catalog.Load())
	if c != nil {
		t.compiled.Store(c)
	} else if bad == i {
		if before.kind == 0 {
			t.resources = slices.Delete(t.resources, i, i+1)
		} else {
			t.resources[i] = before
		}
		t.compileLocked()
		return "payload", why
	}
	t.compileLocked()
	if r.kind == configv1.Kind_KIND_TENANT {
		t.present.Store(true)
	}
	return "", ""
}

// drop removes a resource.
func (t *Tenant) drop(kind configv1.Kind, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(kind, id); i >= 0 {
		t.resources = slices.Delete(t.resources, i, i+1)
	}
	if kind == configv1.Kind_KIND_TENANT {
		t.present.Store(false)
	}
	t.compiled.Store(nil)
}

// revisionOf gives the revision held of a resource; 0 when it is not there.
func (t *Tenant) revisionOf(kind configv1.Kind, id string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(kind, id); i >= 0 {
		return t.resources[i].revision
	}
	return 0
}

// envelope writes a resource as it came; nil when it is not here.
func (t *Tenant) envelope(kind configv1.Kind, id string) *configv1.Envelope {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.find(kind, id)
	if i < 0 {
		return nil
	}
	r := &t.resources[i]
	return &configv1.Envelope{
		Revision: r.revision, TenantId: t.ID, Kind: kind, Id: strings.Clone(r.id),
		CommittedAtUnixNano: r.committed, Payload: []byte(r.payload),
	}
}

func (t *Tenant) tenantEnvelope() *configv1.Envelope {
	return t.envelope(configv1.Kind_KIND_TENANT, t.ID)
}

// suspended reads the tenant's status without compiling the rest.
func (t *Tenant) suspended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.find(configv1.Kind_KIND_TENANT, t.ID)
	if i < 0 {
		return false
	}
	var m configv1.Tenant
	mustParse(&t.resources[i], &m)
	return m.GetStatus() != configv1.TenantStatus_TENANT_STATUS_ACTIVE
}
