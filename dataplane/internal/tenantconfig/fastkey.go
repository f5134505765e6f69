package tenantconfig

import (
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/id"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// rawEnvelope is an envelope whose strings still lie in the buffer it was read
// from.
type rawEnvelope struct {
	revision  uint64
	tenant    []byte
	kind      configv1.Kind
	id        []byte
	deleted   bool
	committed int64
	payload   []byte
}

// scanEnvelope reads an envelope without allocating. It answers false for
// anything out of the ordinary, which then goes the long way through
// proto.Unmarshal and configcheck.
func scanEnvelope(b []byte) (e rawEnvelope, ok bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return e, false
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return e, false
			}
			b = b[n:]
			switch num {
			case 1:
				e.revision = v
			case 3:
				e.kind = configv1.Kind(v)
			case 5:
				e.deleted = v != 0
			case 6:
				e.committed = int64(v)
			case 7: // Publisher's epoch: the stream has fenced it already.
			default:
				return e, false
			}
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return e, false
			}
			b = b[n:]
			switch num {
			case 2:
				e.tenant = v
			case 4:
				e.id = v
			case 8:
				e.payload = v
			default:
				return e, false
			}
		default:
			return e, false
		}
	}
	return e, e.revision > 0 && e.committed >= 0 && len(e.payload) <= configcheck.MaxPayload
}

// rawKey is an API key whose strings still lie in the buffer it was read from.
type rawKey struct {
	id, project, secret, previous []byte
	until, expires                int64
	revoked                       bool
	routes                        []string
}

// scanKeyFields reads an API key without allocating, but for its routes.
func scanKeyFields(b []byte) (k rawKey, ok bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return k, false
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			v, used := protowire.ConsumeVarint(b)
			if n = used; n < 0 || !k.number(num, v) {
				return k, false
			}
		case protowire.BytesType:
			v, used := protowire.ConsumeBytes(b)
			if n = used; n < 0 || !k.bytes(num, v) {
				return k, false
			}
		default:
			return k, false
		}
		b = b[n:]
	}
	return k, true
}

func (k *rawKey) number(num protowire.Number, v uint64) bool {
	switch num {
	case 5:
		k.until = int64(v)
	case 6:
		k.expires = int64(v)
	case 7:
		k.revoked = v != 0
	default:
		return false
	}
	return true
}

func (k *rawKey) bytes(num protowire.Number, v []byte) bool {
	switch num {
	case 1:
		k.id = v
	case 2:
		k.project = v
	case 3:
		k.secret = v
	case 4:
		k.previous = v
	case 8:
		if len(k.routes) == configcheck.MaxAllowedRoutes || !configcheck.ValidName(string(v)) {
			return false
		}
		k.routes = append(k.routes, string(v))
	default:
		return false
	}
	return true
}

// good reports whether configcheck would take the key, but for its ids.
func (k *rawKey) good(id []byte) bool {
	if string(k.id) != string(id) || !goodHash(k.secret) || badUnix(k.until) || badUnix(k.expires) {
		return false
	}
	if len(k.previous) == 0 {
		return k.until == 0
	}
	return goodHash(k.previous) && string(k.previous) != string(k.secret)
}

// scanKey reads and checks an API key as configcheck would, into the entries
// of the table, without allocating for a key that may call every route. It
// answers false for whatever it does not take for a plain good key.
func (s *state) scanKey(e *rawEnvelope, tenant uint32, dst []keyEntry) (entries []keyEntry, ok bool) {
	k, ok := scanKeyFields(e.payload)
	if !ok || !k.good(e.id) {
		return dst, false
	}
	entry := keyEntry{revision: e.revision, tenant: tenant, expires: clampUnix(k.expires)}
	var okID, okProject bool
	entry.id, okID = id.Bits(id.APIKey, string(k.id))
	entry.project, okProject = id.Bits(id.Project, string(k.project))
	if !okID || !okProject {
		return dst, false
	}
	entry.limits = s.limits.intern(k.routes, nil) << 1
	if k.revoked {
		entry.limits |= 1
	}
	copy(entry.hash[:], k.secret)
	dst = append(dst, entry)
	if k.until > 0 {
		copy(entry.hash[:], k.previous)
		entry.previousUntil = clampUnix(k.until)
		dst = append(dst, entry)
	}
	return dst, true
}

func badUnix(at int64) bool { return at < 0 || at > configcheck.MaxUnix }

func goodHash(h []byte) bool {
	if len(h) != 32 {
		return false
	}
	for _, c := range h {
		if c != 0 {
			return true
		}
	}
	return false
}
