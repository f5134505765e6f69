package pipeline

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
)

// mark is text that a body of a dialect must hold to ask for something. Text
// inside of a JSON string has its quotes escaped, so prose does not match.
type mark struct {
	text []byte
	of   tenantconfig.Lack
}

func marks(of tenantconfig.Lack, texts ...string) (out []mark) {
	for _, t := range texts {
		out = append(out, mark{[]byte(`"` + t + `"`), of})
	}
	return out
}

func together(lists ...[]mark) (out []mark) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// Marks of the dialects. They only tell when to look closer.
var (
	tools     = tenantconfig.LackTools
	schema    = tenantconfig.LackSchema
	images    = tenantconfig.LackImages
	documents = tenantconfig.LackDocuments
	chatMarks = together(marks(tools, "tools", "functions"), marks(schema, "json_schema"), marks(images, "image_url"),
		marks(tenantconfig.LackAudio, "input_audio"), marks(documents, "file"), marks(tenantconfig.LackVideo, "video_url"))
	responsesMarks = together(marks(tools, "tools"), marks(schema, "json_schema"), marks(images, "input_image"),
		marks(tenantconfig.LackAudio, "input_audio"), marks(documents, "input_file"))
	messagesMarks = together(marks(tools, "tools"), marks(schema, "output_format", "output_config"), marks(images, "image"), marks(documents, "document"))
	geminiMarks   = together(marks(tools, "tools"), marks(schema, "responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"),
		marks(images|documents|tenantconfig.LackAudio|tenantconfig.LackVideo, "inlineData", "inline_data", "fileData", "file_data"))
)

// farBeyond is how many times a context window a prompt must be estimated at
// to be refused here: an estimate is no count, and the provider knows better.
const farBeyond = 4

// abilities refuses what the model is known not to do, before anybody is
// called. A model of which nothing is known pays two comparisons; any other one
// a search of the body for each thing that it lacks, about 1 µs for 30 KB, and
// a reading of the whole body only where one was found.
func (x *exchange) abilities() error {
	a := &x.target.Abilities
	long := a.ContextWindow > 0 && x.roughly(len(x.peek.Prompt())+len(x.peek.Context())) > farBeyond*int64(a.ContextWindow)
	if a.Lacks == 0 && !long {
		return nil
	}
	if a.Lacks&tenantconfig.LackChat != 0 {
		return x.cannot("does not serve chat: it is for %s", words(a.Known.GetOperations())).WithParam("model")
	}
	if !long && !x.marked(a.Lacks) {
		return nil
	}
	req := &x.translation.request
	defer func() { *req = canon.Request{} }()
	if f := x.from.format.ReadRequest(x.body, req); f != nil {
		return f
	}
	if f := x.lacking(req, a.Lacks); f != nil {
		return f
	}
	if n := x.roughly(textSize(req)); long && n > farBeyond*int64(a.ContextWindow) {
		return x.cannot("takes %d tokens of context, and this prompt has about %d", a.ContextWindow, n)
	}
	return nil
}

// roughly is a count of tokens by the size of a text.
func (x *exchange) roughly(bytes int) int64 { return int64(bytes) / 4 }

// marked reports whether the body may ask for something that is lacked.
func (x *exchange) marked(lacks tenantconfig.Lack) bool {
	for i := range x.from.marks {
		if m := &x.from.marks[i]; m.of&lacks != 0 && bytes.Contains(x.body, m.text) {
			return true
		}
	}
	return false
}

// lacking is the fault of the first thing in the request that is lacked.
func (x *exchange) lacking(req *canon.Request, lacks tenantconfig.Lack) *fault.Fault {
	if lacks&tenantconfig.LackTools != 0 && len(req.Tools) > 0 {
		return x.cannot("does not call tools").WithParam("tools")
	}
	if lacks&tenantconfig.LackSchema != 0 && req.Format.Kind == canon.FormatSchema {
		return x.cannot("does not answer after a JSON schema").WithParam("response_format")
	}
	for i := range req.Messages {
		if what := lackingPart(req.Messages[i].Parts, lacks); what != "" {
			return x.cannot("does not take %s: it takes %s", what, words(x.target.Abilities.Known.GetInput())).WithParam("messages")
		}
	}
	return nil
}

// lackingPart names the first part that is lacked, in the results of tools too.
func lackingPart(parts []canon.Part, lacks tenantconfig.Lack) string {
	for i := range parts {
		what, of := "", tenantconfig.Lack(0)
		switch parts[i].Kind {
		case canon.ImagePart:
			what, of = "images", tenantconfig.LackImages
		case canon.AudioPart:
			what, of = "audio", tenantconfig.LackAudio
		case canon.VideoPart:
			what, of = "video", tenantconfig.LackVideo
		case canon.DocumentPart:
			// A document of text is text to any model.
			if len(parts[i].Text) == 0 {
				what, of = "documents", tenantconfig.LackDocuments
			}
		case canon.ToolResultPart:
			what, of = lackingPart(parts[i].Content, lacks), lacks
		}
		if what != "" && of&lacks != 0 {
			return what
		}
	}
	return ""
}

// textSize is the size of a request's text: media count by other rules.
func textSize(req *canon.Request) int {
	n := 0
	for i := range req.Messages {
		n += partsSize(req.Messages[i].Parts)
	}
	return n
}

func partsSize(parts []canon.Part) int {
	n := 0
	for i := range parts {
		n += len(parts[i].Text) + len(parts[i].Args) + partsSize(parts[i].Content)
	}
	return n
}

func (x *exchange) cannot(format string, args ...any) *fault.Fault {
	return fault.Newf(fault.CapabilityMismatch, "The model %s of %s "+format+".", append([]any{x.target.ProviderModel, x.target.Provider}, args...)...)
}

// words lists words for people.
func words(list []string) string {
	var b []byte
	for i, w := range list {
		switch {
		case i > 0 && i == len(list)-1:
			b = append(b, " and "...)
		case i > 0:
			b = append(b, ", "...)
		}
		b = append(b, w...)
	}
	return string(b)
}
