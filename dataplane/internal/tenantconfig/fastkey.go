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

// scanKey reads and checks an API key as configcheck would, into the entries
// of the table, without allocating for a key that may call every route. It
// answers false for whatever it does not take for a plain good key.
func (s *state) scanKey(e *rawEnvelope, tenant uint32, dst []keyEntry) (entries []keyEntry, ok bool) {
	k := keyEntry{revision: e.revision, tenant: tenant}
	var keyID, project, secret, previous []byte
	var until, expires int64
	var routes []string
	b := e.payload
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return dst, false
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return dst, false
			}
			b = b[n:]
			switch num {
			case 5:
				until = int64(v)
			case 6:
				expires = int64(v)
			case 7:
				k.allow = 0
				if v != 0 {
					k.allow = 1
				}
			default:
				return dst, false
			}
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return dst, false
			}
			b = b[n:]
			switch num {
			case 1:
				keyID = v
			case 2:
				project = v
			case 3:
				secret = v
			case 4:
				previous = v
			case 8:
				if len(routes) == configcheck.MaxAllowedRoutes || !configcheck.ValidName(string(v)) {
					return dst, false
				}
				routes = append(routes, string(v))
			default:
				return dst, false
			}
		default:
			return dst, false
		}
	}
	if string(keyID) != string(e.id) || !goodHash(secret) || badUnix(until) || badUnix(expires) {
		return dst, false
	}
	if len(previous) > 0 {
		if !goodHash(previous) || string(previous) == string(secret) {
			return dst, false
		}
	} else if until != 0 {
		return dst, false
	}
	var okID, okProject bool
	k.id, okID = id.Bits(id.APIKey, string(keyID))
	k.project, okProject = id.Bits(id.Project, string(project))
	if !okID || !okProject {
		return dst, false
	}
	k.expires = clampUnix(expires)
	k.allow |= s.allow.intern(routes) << 1
	copy(k.hash[:], secret)
	dst = append(dst, k)
	if until > 0 {
		copy(k.hash[:], previous)
		k.previousUntil = clampUnix(until)
		dst = append(dst, k)
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
