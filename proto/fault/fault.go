// Package fault owns the errors that callers may see: one kind per code, with
// its public text, its HTTP status and what to do about it. Data planes render
// a fault in the caller's dialect, the control plane as problem+json. An error
// that is not a Fault is "internal" to the outside, whatever its text says;
// the private cause goes to the log alone.
package fault

import (
	"errors"
	"fmt"
)

// Kind is one row of the catalogue of errors.
type Kind struct {
	// Code is permanent and stands in the documentation: docs/errors/{code}.md.
	Code string
	// Status is the HTTP status.
	Status int
	// Type is the error type of the OpenAI dialect.
	Type string
	// Text is what happened, in a sentence for people.
	Text string
	// Fix is what to do about it.
	Fix string
	// Retry says whether the same call may succeed later: SDKs are told to
	// retry or not by it.
	Retry bool
}

// Fault is an error with a public face and a private cause.
type Fault struct {
	Kind *Kind
	// Detail replaces Kind.Text when set. It must hold nothing secret.
	Detail string
	// Fix replaces Kind.Fix when set.
	Fix string
	// Param names the field at fault, for example "model" or "body.name".
	Param string
	// Fields lists what is wrong where, for forms and config.
	Fields []Field
	// Status and Code stand in place of the kind's when set: a provider's
	// refusal keeps the status and code that SDKs know.
	Status int
	Code   string
	cause  error
}

// HTTPStatus is the status that the caller gets.
func (f *Fault) HTTPStatus() int {
	if f.Status != 0 {
		return f.Status
	}
	return f.Kind.Status
}

// PublicCode is the code that the caller gets.
func (f *Fault) PublicCode() string {
	if f.Code != "" {
		return f.Code
	}
	return f.Kind.Code
}

// Field is one thing that is wrong in a request.
type Field struct {
	// Location, for example "body.name".
	Location string `json:"location"`
	Message  string `json:"message"`
	Fix      string `json:"fix,omitempty"`
}

// New makes a fault of kind k. The detail may be empty; cause may be nil.
func New(k *Kind, detail string, cause error) *Fault {
	return &Fault{Kind: k, Detail: detail, cause: cause}
}

// Newf makes a fault of kind k with a formatted public detail.
func Newf(k *Kind, format string, args ...any) *Fault {
	return &Fault{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// Invalid says what is wrong with one field of a request, and what to do about
// it; fix may be empty.
func Invalid(location, message, fix string) *Fault {
	return New(ValidationFailed, "", nil).WithField(location, message, fix)
}

// WithFix says what to do in place of the kind's own advice.
func (f *Fault) WithFix(fix string) *Fault { f.Fix = fix; return f }

// WithParam names the field at fault.
func (f *Fault) WithParam(p string) *Fault { f.Param = p; return f }

// WithField adds a field error.
func (f *Fault) WithField(location, message, fix string) *Fault {
	f.Fields = append(f.Fields, Field{location, message, fix})
	return f
}

// Public is the text that callers may see.
func (f *Fault) Public() string {
	if f.Detail != "" {
		return f.Detail
	}
	return f.Kind.Text
}

// PublicFix is what callers are told to do.
func (f *Fault) PublicFix() string {
	if f.Fix != "" {
		return f.Fix
	}
	return f.Kind.Fix
}

// maxSpoken bounds a message that the advice is added to.
const maxSpoken = 400

// Spoken is the text with the advice, for callers who get to see one message
// and nothing beside it, as users of SDKs do. A provider's own words stay as
// they are, and so does what is long already.
func (f *Fault) Spoken() string {
	text, fix := f.Public(), f.PublicFix()
	if f.Code != "" || f.Status != 0 || len(text)+len(fix) > maxSpoken {
		return text
	}
	return text + " " + fix
}

// Error holds the private cause too: for logs, never for callers.
func (f *Fault) Error() string {
	if f.cause != nil {
		return f.Kind.Code + ": " + f.Public() + ": " + f.cause.Error()
	}
	return f.Kind.Code + ": " + f.Public()
}

// Unwrap returns the private cause.
func (f *Fault) Unwrap() error { return f.cause }

// Is reports whether target is a fault of the same kind.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Kind == f.Kind
}

// From finds the fault in err, or hides err behind Internal.
func From(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Kind: Internal, cause: err}
}

// DocURL is where a code is explained, below base (no trailing slash).
func DocURL(base, code string) string { return base + "/errors/" + code + ".md" }

// DocBase is where the documentation of this version lives.
const DocBase = "https://github.com/tollgate/tollgate/blob/main/docs"
