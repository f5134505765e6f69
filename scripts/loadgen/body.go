package loadgen

import (
	"encoding/json"
	"strings"
)

// placeholder stands where a request's id goes into its body: gateways need not
// pass on the header that holds it, but they do pass on the body.
const placeholder = "load-0000000000000000-00000000"

// ChatBody makes a chat request of about size bytes. The directive, when there
// is one, tells the fake provider how to answer.
func ChatBody(model, directive string, stream bool, size int) []byte {
	text := ""
	if directive != "" {
		text = "fake:" + directive + " "
	}
	name, _ := json.Marshal(model)
	start := `{"model":` + string(name) + `,"user":"` + placeholder + `"`
	if stream {
		start += `,"stream":true`
	}
	start += `,"messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"` + text
	const end = `"}]}`
	const filler = "Please count the coins in the box by the gate once more and tell me how many there are. "
	if pad := size - len(start) - len(end); pad > 0 {
		start += strings.Repeat(filler, pad/len(filler)+1)[:pad]
	}
	return []byte(start + end)
}
