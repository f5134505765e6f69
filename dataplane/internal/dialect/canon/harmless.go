package canon

import "strings"

// harmless are fields that say how a call is kept, billed or looked up at the
// provider they were written for: without them the answer is the same.
var harmless = [...]string{
	"client_metadata", "include", "metadata", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier",
	"service_tier", "store", "stream_options", "user", "labels",
}

// Harmless says whether the field, which a writer could not express, leaves the
// answer as it would have been: routes that refuse losses let it pass. Of store
// only false does; what is to be stored is asked for.
func (r *Request) Harmless(name string) bool {
	if name == "store" && r.stores() {
		return false
	}
	if strings.HasSuffix(strings.TrimSuffix(name, ".ttl"), "cache_control") {
		return true
	}
	name, _, _ = strings.Cut(name, ".")
	for _, h := range harmless {
		if name == h {
			return true
		}
	}
	return false
}

// stores says whether the caller asked to have the answer kept.
func (r *Request) stores() bool {
	for i := range r.Extra {
		if e := &r.Extra[i]; e.Name == "store" {
			return string(e.Value) == "true"
		}
	}
	return false
}
