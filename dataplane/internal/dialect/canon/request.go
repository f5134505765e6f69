package canon

import "github.com/tollgate/tollgate/proto/fault"

// Request is what is asked of a model.
type Request struct {
	// From is the dialect it was read from.
	From Dialect
	// Model is the name that the caller wrote.
	Model    Text
	Messages []Message
	Tools    []Tool
	Choice   ToolChoice
	// Parallel allows several tool calls in one answer.
	Parallel Flag

	MaxTokens        Raw
	Temperature      Raw
	TopP             Raw
	TopK             Raw
	FrequencyPenalty Raw
	PresencePenalty  Raw
	Seed             Raw
	Stop             []Text
	// N is how many answers are asked for.
	N           Raw
	LogProbs    Flag
	TopLogProbs Raw

	Reasoning Reasoning
	Format    Format
	// User is the end user, as the caller names them.
	User        Text
	ServiceTier Text
	Stream      bool
	// IncludeUsage says that a stream's end shall tell the usage. Dialects
	// whose streams always do set it.
	IncludeUsage bool
	// Cache is a mark on the request as a whole.
	Cache CacheMark

	// Extra are the fields that have no name here. The writer of the same
	// dialect writes them again; others report them as lost.
	Extra []Field
}

// Unsupported gives the fault of a request with a field that only its own
// dialect has and that cannot be dropped; nil when a writer of dialect to may
// go on. Every writer asks it first.
func (r *Request) Unsupported(to Dialect) *fault.Fault {
	if r.From == to {
		return nil
	}
	for i := range r.Extra {
		if e := &r.Extra[i]; e.Needed {
			return fault.Newf(fault.UnsupportedField, "The provider of this route cannot be told %s, and the request means something else without it.", e.Name).
				WithParam(e.Name).WithFix("Leave the field out, or call a route whose provider speaks your dialect.")
		}
	}
	return nil
}

// Role of a message.
type Role uint8

// Roles. A developer's messages are System; Tool messages hold tool results
// only. System messages may stand anywhere; a writer whose dialect has them
// only at the head moves leading ones there and reports later ones, or writes
// those in the way that loses least.
const (
	User Role = iota
	Assistant
	System
	ToolRole
)

// Message is one turn.
type Message struct {
	Role Role
	// Name of who speaks, where a dialect has that.
	Name  Text
	Parts []Part
	// Extra are fields of the message that have no name here, for writers of
	// the request's own dialect; Request.Extra names them too, for the others.
	Extra []Field
}

// Kind of a part.
type Kind uint8

// Kinds of parts.
const (
	// TextPart: Text, and Citations in answers.
	TextPart Kind = iota
	// ImagePart, AudioPart, VideoPart and DocumentPart: Media. A document may
	// hold Text in place of Media.
	ImagePart
	AudioPart
	VideoPart
	DocumentPart
	// ToolCallPart: ID, Name, Args.
	ToolCallPart
	// ToolResultPart: ID of the call, Name where known, Content, IsError.
	ToolResultPart
	// ReasoningPart: Text, Signature; or Redacted in place of both. ID where
	// the dialect has one.
	ReasoningPart
	// RefusalPart: Text.
	RefusalPart
	// OpaquePart: Raw, readable to the dialect From alone: server tools and
	// their results and the like. Others report it as lost.
	OpaquePart
)

// Part is a piece of a message, of one kind; the comment on the kind says
// which fields it has.
type Part struct {
	Kind Kind
	Text Text
	// Media of images, audio, video and documents.
	Media Media

	ID   Text
	Name Text
	// Args of a tool call: a JSON object in most cases, but models write what
	// they like and a stream may break off; nil means none. For a custom tool
	// it is a JSON string.
	Args Raw
	// Custom marks the call of a tool that takes free text.
	Custom bool

	Content []Part
	IsError Flag

	// Signature proves to its provider that reasoning (or, with Gemini, a tool
	// call or text) is its own; it goes back unchanged or not at all.
	Signature Text
	Redacted  Text

	Citations []Citation
	Cache     CacheMark

	// Raw is the part as From wrote it.
	Raw  Raw
	From Dialect
	// Extra are fields of the part that have no name here, for writers of From;
	// Request.Extra names them too, for the others.
	Extra []Field
}

// Media is content that is not text: exactly one of Data, URL and FileID.
type Media struct {
	// Type is the media type, "image/png"; nil when not known.
	Type Text
	// Data is base64.
	Data   Text
	URL    Text
	FileID Text
	// Name of the file.
	Name Text
	// Detail is how closely to look: "low", "high", "auto".
	Detail Text
}

// Citation says where a text came from.
type Citation struct {
	URL   Text
	Title Text
	// Quote is the text that is cited.
	Quote Text
	// Start and End are where in the text it applies, in characters; both 0
	// when not known.
	Start, End int
	Raw        Raw
	From       Dialect
}

// CacheMark asks the provider to keep what stands up to here.
type CacheMark struct {
	Set bool
	// TTL is "5m" or "1h"; nil when left to the provider.
	TTL Text
}

// Tool is something the model may call.
type Tool struct {
	Name        Text
	Description Text
	// Schema of the arguments.
	Schema Raw
	Strict Flag
	// Custom tools take free text; Grammar restricts it: an object with
	// "syntax" ("lark" or "regex") and "definition".
	Custom  bool
	Grammar Raw
	Cache   CacheMark
	// Raw is a tool that the provider runs itself, as From wrote it; Name is
	// then its type. Others report it as lost.
	Raw  Raw
	From Dialect
	// Extra are fields of the tool that have no name here, as Part has them.
	Extra []Field
}

// ChoiceMode says how free the model is to call tools.
type ChoiceMode uint8

// Modes.
const (
	ChoiceUnset ChoiceMode = iota
	ChoiceAuto
	ChoiceNone
	// ChoiceAny: it must call some tool.
	ChoiceAny
	// ChoiceOne: it must call the tool Name.
	ChoiceOne
)

// ToolChoice is the mode with its tool.
type ToolChoice struct {
	Mode ChoiceMode
	Name Text
	// Allowed are the tools it may choose from; empty means all.
	Allowed []Text
}

// ReasoningMode says whether the model shall think first.
type ReasoningMode uint8

// Modes.
const (
	ReasoningUnset ReasoningMode = iota
	ReasoningOff
	ReasoningOn
	// ReasoningAdaptive leaves it to the model.
	ReasoningAdaptive
)

// Reasoning asks for thought before the answer.
type Reasoning struct {
	Mode ReasoningMode
	// Effort is "minimal", "low", "medium", "high", "xhigh" or "max".
	Effort string
	// Budget in tokens; 0 when not given.
	Budget int64
	// Summary is "auto", "concise" or "detailed"; Show asks for the thoughts.
	Summary Text
	Show    Flag
}

// FormatKind is what the answer's text must be.
type FormatKind uint8

// Kinds of formats.
const (
	FormatUnset FormatKind = iota
	FormatText
	FormatJSON
	FormatSchema
)

// Format of the answer.
type Format struct {
	Kind        FormatKind
	Name        Text
	Description Text
	Schema      Raw
	Strict      Flag
}

// Target is what a writer must know of the model that a request goes to.
type Target struct {
	// Model is the provider's name of it.
	Model string
	// MaxTokens is what to ask for where the dialect demands a bound and the
	// caller set none; 0 means the dialect's own default.
	MaxTokens int64
}

// Losses are the names of fields that a writer could not express.
type Losses []string

// Add notes a loss once.
func (l *Losses) Add(name string) {
	for _, n := range *l {
		if n == name {
			return
		}
	}
	*l = append(*l, name)
}
