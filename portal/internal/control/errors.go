package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// Problem is an error that the control plane explained.
type Problem struct {
	Status    int
	Code      string
	Text      string
	Fix       string
	RequestID string
	// Fields is what is wrong where: the field's name without "body.".
	Fields map[string]FieldError
}

// FieldError is what is wrong with one field.
type FieldError struct{ Message, Fix string }

func (p *Problem) Error() string {
	return fmt.Sprintf("control plane: %d %s: %s", p.Status, p.Code, p.Text)
}

// Unavailable means that the control plane could not be reached, or that what
// answered in its place is not it.
type Unavailable struct{ cause error }

func (u *Unavailable) Error() string { return "control plane unavailable: " + u.cause.Error() }

// Unwrap returns the private cause.
func (u *Unavailable) Unwrap() error { return u.cause }

// answer is what all generated responses have.
type answer interface {
	GetApplicationproblemJSONDefault() *apiclient.Problem
	StatusCode() int
}

// OK takes the outcome of a call that answers 200 with a body.
func OK[T any](r interface {
	answer
	GetJSON200() *T
}, err error) (*T, error) {
	if err != nil {
		return nil, callError(err)
	}
	if v := r.GetJSON200(); v != nil {
		return v, nil
	}
	return nil, refusal(r)
}

// Created takes the outcome of a call that answers 201 with a body.
func Created[T any](r interface {
	answer
	GetJSON201() *T
}, err error) (*T, error) {
	if err != nil {
		return nil, callError(err)
	}
	if v := r.GetJSON201(); v != nil {
		return v, nil
	}
	return nil, refusal(r)
}

// Done takes the outcome of a call that answers 204.
func Done(r answer, err error) error {
	if err != nil {
		return callError(err)
	}
	if r.StatusCode() == http.StatusNoContent {
		return nil
	}
	return refusal(r)
}

// callError keeps a caller who left apart from a control plane that failed.
func callError(err error) error {
	if errors.Is(err, context.Canceled) && !errors.Is(err, errSilent) {
		return err
	}
	return &Unavailable{cause: err}
}

func refusal(r answer) error {
	p := r.GetApplicationproblemJSONDefault()
	if p == nil || p.Code == "" {
		return &Unavailable{cause: fmt.Errorf("status %d without a problem document", r.StatusCode())}
	}
	out := &Problem{Status: r.StatusCode(), Code: p.Code, Text: p.Title, Fix: p.Fix, RequestID: p.RequestId, Fields: map[string]FieldError{}}
	if p.Detail != nil && *p.Detail != "" {
		out.Text = *p.Detail
	}
	if p.Errors != nil {
		for _, e := range *p.Errors {
			f := FieldError{Message: e.Message}
			if e.Fix != nil {
				f.Fix = *e.Fix
			}
			out.Fields[strings.TrimPrefix(e.Location, "body.")] = f
		}
	}
	return out
}

// endingBody releases the call's context once the body is done with.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
