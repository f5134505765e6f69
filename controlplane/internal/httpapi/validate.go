package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/proto/fault"
)

// validate holds a request against the document and returns its body. The
// body is left as it was for the handler to decode.
func validate(c echo.Context, op *operation) ([]byte, error) {
	raw, err := readBody(c.Request())
	if err != nil {
		return nil, err
	}
	var fields []fault.Field
	for _, p := range op.params {
		fields = append(fields, checkParameter(c, p)...)
	}
	fields = append(fields, unknownQuery(c.QueryParams(), op.params)...)
	if op.body != nil {
		more, err := checkBody(c.Request(), raw, op.body)
		if err != nil {
			return nil, err
		}
		fields = append(fields, more...)
	}
	if len(fields) == 0 {
		return raw, nil
	}
	f := fault.New(fault.ValidationFailed, "", nil)
	f.Fields = fields
	return nil, f
}

func readBody(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		if long, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(long.Limit)
		}
		return nil, fault.New(fault.RequestTimeout, "The body did not arrive whole.", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.ContentLength = int64(len(raw))
	return raw, nil
}

func checkBody(r *http.Request, raw []byte, schema *openapi3.Schema) ([]fault.Field, error) {
	if len(raw) == 0 {
		return nil, fault.New(fault.MalformedJSON, "The body is empty.", nil)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || media != echo.MIMEApplicationJSON {
		return nil, fault.New(fault.UnsupportedMedia, "", nil)
	}
	var body any
	if err := json.Unmarshal(raw, &body); err != nil {
		detail := "The body is not valid JSON."
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			detail = fmt.Sprintf("The body is not valid JSON: it breaks at byte %d.", syntax.Offset)
		}
		return nil, fault.New(fault.MalformedJSON, detail, nil)
	}
	if fields := checkText("body", body); len(fields) > 0 {
		return fields, nil
	}
	return append(unknownFields("body", body, schema), schemaFields("body", schema.VisitJSON(body, schemaOptions()...))...), nil
}

func schemaOptions() []openapi3.SchemaValidationOption {
	return []openapi3.SchemaValidationOption{
		openapi3.MultiErrors(), openapi3.VisitAsRequest(),
		openapi3.WithStringFormatValidator("date-time", dateTime{}),
	}
}

// dateTime takes exactly what handlers can decode.
type dateTime struct{}

func (dateTime) Validate(s string) error {
	t, err := time.Parse(time.RFC3339, s)
	if err == nil && (t.Year() < 1970 || t.Year() > 9999) {
		err = errors.New("not between 1970 and 9999")
	}
	return err
}

func checkParameter(c echo.Context, p *openapi3.Parameter) []fault.Field {
	location := p.In + "." + p.Name
	in := &openapi3filter.RequestValidationInput{
		Request: c.Request(), PathParams: pathParams(c), QueryParams: c.QueryParams(),
		Options: &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true, SchemaValidationOptions: schemaOptions()},
	}
	for _, v := range given(c, p) {
		if bad := badText(v); bad != "" {
			return []fault.Field{{Location: location, Message: bad, Fix: "Send printable UTF-8 text."}}
		}
	}
	err := openapi3filter.ValidateParameter(c.Request().Context(), in, p)
	if err == nil {
		return nil
	}
	if fields := schemaFields(location, err); len(fields) > 0 {
		return fields
	}
	return []fault.Field{{Location: location, Message: "is not " + describe(p.Schema.Value), Fix: "Correct it, or leave it out."}}
}

func pathParams(c echo.Context) map[string]string {
	m := map[string]string{}
	for i, n := range c.ParamNames() {
		m[n] = unescaped(c, c.ParamValues()[i])
	}
	return m
}

// unescaped is a path parameter as the handler will see it: the router cuts
// the path as it was sent when that differs from its plain form.
func unescaped(c echo.Context, v string) string {
	if c.Request().URL.RawPath == "" {
		return v
	}
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}

// given lists what was sent for a parameter.
func given(c echo.Context, p *openapi3.Parameter) []string {
	switch p.In {
	case openapi3.ParameterInPath:
		return []string{unescaped(c, c.Param(p.Name))}
	case openapi3.ParameterInQuery:
		return c.QueryParams()[p.Name]
	}
	return c.Request().Header.Values(p.Name)
}

func unknownQuery(q url.Values, params []*openapi3.Parameter) []fault.Field {
	var known []string
	for _, p := range params {
		if p.In == openapi3.ParameterInQuery {
			known = append(known, p.Name)
		}
	}
	var fields []fault.Field
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			fields = append(fields, unknown("query."+clip(name), known))
		}
	}
	return fields
}

// unknownFields finds what the document lacks: a mistake of the caller, which
// silence would hide.
func unknownFields(at string, v any, schema *openapi3.Schema) []fault.Field {
	if schema.Type == nil && schema.Properties == nil && schema.Items == nil {
		// The document lets anything through here.
		return nil
	}
	var fields []fault.Field
	switch v := v.(type) {
	case []any:
		if schema.Items == nil {
			return nil
		}
		for i, e := range v {
			fields = append(fields, unknownFields(fmt.Sprintf("%s[%d]", at, i), e, schema.Items.Value)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			where := at + "." + clip(name)
			if p := schema.Properties[name]; p != nil {
				fields = append(fields, unknownFields(where, v[name], p.Value)...)
			} else {
				fields = append(fields, unknown(where, slices.Collect(maps.Keys(schema.Properties))))
			}
		}
	}
	return fields
}

func unknown(location string, known []string) fault.Field {
	fix := "Remove it."
	if len(known) > 0 {
		slices.Sort(known)
		fix = "Remove it or correct its spelling. Known here: " + strings.Join(known, ", ") + "."
	}
	return fault.Field{Location: location, Message: "is not known", Fix: fix}
}

// schemaFields turns what the validator found into fields for people. Values
// are not repeated: they may be secrets.
func schemaFields(location string, err error) []fault.Field {
	if err == nil {
		return nil
	}
	if many, ok := errors.AsType[openapi3.MultiError](err); ok {
		var fields []fault.Field
		for _, e := range many {
			fields = append(fields, schemaFields(location, e)...)
		}
		return fields
	}
	se, ok := errors.AsType[*openapi3.SchemaError](err)
	if !ok {
		return nil
	}
	at := location
	for _, part := range se.JSONPointer() {
		if _, err := strconv.Atoi(part); err == nil {
			at += "[" + part + "]"
		} else {
			at += "." + clip(part)
		}
	}
	return []fault.Field{schemaField(at, se)}
}

func schemaField(at string, se *openapi3.SchemaError) fault.Field {
	s := se.Schema
	switch se.SchemaField {
	case "required":
		return fault.Field{Location: at, Message: "is missing", Fix: "Add it."}
	case "nullable":
		return fault.Field{Location: at, Message: "must not be null", Fix: "Leave it out, or send " + describe(s) + "."}
	case "minLength":
		if s.MinLength == 1 {
			return fault.Field{Location: at, Message: "must not be empty", Fix: "Fill it in."}
		}
		return fault.Field{Location: at, Message: fmt.Sprintf("is shorter than %d characters", s.MinLength), Fix: "Make it longer."}
	case "maxLength":
		return fault.Field{Location: at, Message: fmt.Sprintf("is longer than %d characters", *s.MaxLength), Fix: "Make it shorter."}
	case "maxItems":
		return fault.Field{Location: at, Message: fmt.Sprintf("has more than %d entries", *s.MaxItems), Fix: "Send fewer."}
	}
	fix := "Correct it."
	if describe(s) == "text" {
		fix = "Send text, in quotes."
		if example, ok := s.Example.(string); ok {
			fix = fmt.Sprintf("Send text, in quotes, such as %q.", example)
		}
	}
	return fault.Field{Location: at, Message: "must be " + describe(s), Fix: fix}
}

// describe says what a schema wants, for people.
func describe(s *openapi3.Schema) string {
	switch {
	case len(s.Enum) > 0:
		words := convert(s.Enum, func(v any) string { return fmt.Sprint(v) })
		return "one of " + strings.Join(words, ", ")
	case s.Format == "date-time":
		return "a time such as 2026-11-22T15:04:05Z"
	case s.Pattern != "":
		return "of the form " + s.Pattern
	case s.Type.Is("integer") && s.Min != nil && s.Max != nil:
		return fmt.Sprintf("a whole number from %.0f to %.0f", *s.Min, *s.Max)
	case s.Type.Is("integer"):
		return "a whole number"
	case s.Type.Is("array"):
		return "a list"
	case s.Type.Is("boolean"):
		return "true or false"
	case s.Type.Is("object"):
		return "an object"
	}
	return "text"
}

// checkText refuses text that a database cannot keep, in names and values.
func checkText(at string, v any) []fault.Field {
	var fields []fault.Field
	switch v := v.(type) {
	case string:
		if bad := badText(v); bad != "" {
			fields = append(fields, fault.Field{Location: at, Message: bad, Fix: "Send printable UTF-8 text."})
		}
	case []any:
		for i, e := range v {
			fields = append(fields, checkText(fmt.Sprintf("%s[%d]", at, i), e)...)
		}
	case map[string]any:
		for k, e := range v {
			fields = append(fields, checkText(at+"."+clip(k), e)...)
		}
	}
	return fields
}

func badText(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.ContainsRune(s, 0):
		return "holds a zero character"
	}
	return ""
}

// clip keeps a name that the caller made up from filling the answer.
func clip(name string) string {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	return name
}
