package anthropic

import (
	"bytes"
	"math/rand/v2"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// Callers of this dialect send thoughts back with their signatures, and SDKs
// carry nothing else of them. Another provider's signature is therefore given
// out with its origin and the thought's id in front of it, and taken apart
// when it comes back:
//
//	tollgate/<dialect>/<id>/<signature>
const tagMark = `"tollgate/`

// tagged says whether a signature needs its origin written in front.
func tagged(t, id canon.Text, from canon.Dialect) bool {
	return !id.Empty() || !t.Empty() && !ours(from)
}

// ours says whether signatures of the dialect are Anthropic's own: its models
// sign alike wherever they run, and a dialect that does not say may carry one.
func ours(from canon.Dialect) bool {
	switch from {
	case canon.Anthropic, canon.Bedrock, canon.OpenAIChat, "":
		return true
	}
	return false
}

// origins are the dialects that a mark may name.
var origins = [...]canon.Dialect{
	canon.Anthropic, canon.Bedrock, canon.OpenAIChat, canon.Responses, canon.Gemini, canon.Cohere,
}

func appendTagged(b []byte, t, id canon.Text, from canon.Dialect) []byte {
	if bytes.ContainsAny(id, `/\`) {
		id = nil
	}
	if !tagged(t, id, from) {
		if t == nil {
			return append(b, `""`...)
		}
		return append(b, t...)
	}
	b = append(b, tagMark...)
	b = append(append(b, from...), '/')
	b = append(id.Append(b), '/')
	return append(t.Append(b), '"')
}

// untag takes a signature apart. From is "" when it bears no mark.
func untag(t canon.Text) (signature, id canon.Text, from canon.Dialect) {
	if t.Empty() {
		return nil, nil, ""
	}
	rest, found := bytes.CutPrefix(t, []byte(tagMark))
	if !found {
		return t, nil, ""
	}
	dialect, rest, ok1 := bytes.Cut(rest, []byte{'/'})
	name, rest, ok2 := bytes.Cut(rest, []byte{'/'})
	from = originOf(dialect)
	if !ok1 || !ok2 || from == "" || bytes.IndexByte(name, '\\') >= 0 {
		return t, nil, ""
	}
	if len(name) > 0 {
		id = append(append(canon.Text{'"'}, name...), '"')
	}
	if len(rest) > 1 {
		signature = append(canon.Text{'"'}, rest...)
	}
	return signature, id, from
}

func originOf(name []byte) canon.Dialect {
	for _, d := range origins {
		if string(name) == string(d) {
			return d
		}
	}
	return ""
}

// appendCallID writes the id of a call in an answer. The API's clients need
// one that is not used again in the conversation, so one is made where another
// dialect has none.
func appendCallID(b []byte, id canon.Text) []byte {
	if !id.Empty() {
		return append(b, id...)
	}
	b = append(b, `"toolu_`...)
	b = strconv.AppendUint(b, rand.Uint64()|1<<63, 36)
	return append(b, '"')
}
