package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/proto/fault"
)

// render gives every page by its file name.
func render() (map[string]string, error) {
	pages := map[string]string{}
	var index strings.Builder
	index.WriteString("# Errors\n\nEvery error carries a `code`. Codes are permanent: programs may act on them. " +
		"`Retry` says whether the same call may succeed later; SDKs are told so by `x-should-retry`.\n\n" +
		"At the gateway `message` ends with what to do about it, because users of SDKs see the message alone; `fix` holds the same advice by itself. " +
		"A message with a provider's own words stays as it is, and so does `message` in the last event of a stream.\n\n" +
		"| code | status | retry | what happened |\n|---|---|---|---|\n")
	for _, k := range fault.All() {
		page, err := renderKind(k)
		if err != nil {
			return nil, err
		}
		pages[k.Code+".md"] = page
		fmt.Fprintf(&index, "| [`%s`](%s.md) | %s | %s | %s |\n", k.Code, k.Code, status(k), yes(k.Retry), k.Text)
	}
	for code := range why {
		if fault.ByCode(code) == nil {
			return nil, fmt.Errorf("why.go explains %q, which is no code", code)
		}
	}
	pages["README.md"] = index.String()
	return pages, nil
}

func renderKind(k *fault.Kind) (string, error) {
	w, ok := why[k.Code]
	if !ok {
		return "", fmt.Errorf("why.go does not explain %q", k.Code)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", k.Code, k.Text)
	if k == fault.UpstreamRejected {
		b.WriteString("HTTP status: **the provider's own**, 400 to 499. ")
	} else {
		fmt.Fprintf(&b, "HTTP status **%d %s**. ", k.Status, http.StatusText(k.Status))
	}
	if k.Retry {
		b.WriteString("The same call may succeed later: wait as `retry-after` says where it is sent, then try again.\n")
	} else {
		b.WriteString("The same call will fail again until something is changed.\n")
	}
	fmt.Fprintf(&b, "\n## Why\n\n%s\n\n## What to do\n\n%s\n", w.reason, k.Fix)
	b.WriteString("\nGive the `request_id` to whoever runs Tollgate when you ask for help: it finds the log line.\n")
	if w.where != controlPlane {
		body, err := example(map[string]any{"error": map[string]any{
			"message": spoken(k), "type": k.Type, "param": nil, "code": k.Code, "fix": k.Fix,
			"request_id": exampleID, "doc_url": fault.DocURL(fault.DocBase, k.Code),
		}})
		if err != nil {
			return "", err
		}
		b.WriteString("\n## From the gateway\n\n" + body)
	}
	if w.where != dataPlane {
		body, err := example(map[string]any{
			"type": fault.DocURL(fault.DocBase, k.Code), "title": k.Text, "status": k.Status,
			"code": k.Code, "fix": k.Fix, "request_id": exampleID,
		})
		if err != nil {
			return "", err
		}
		b.WriteString("\n## From the control plane\n\n" + body)
	}
	return b.String(), nil
}

// status is the one that callers get; a refusal of a provider keeps its own.
func status(k *fault.Kind) string {
	if k == fault.UpstreamRejected {
		return "4xx"
	}
	return strconv.Itoa(k.Status)
}

// spoken is a message as the gateway writes it.
func spoken(k *fault.Kind) string {
	f := fault.New(k, "", nil)
	if k == fault.UpstreamRejected {
		f.Status, f.Detail = http.StatusBadRequest, "The provider refused the call: max_tokens is too large"
	}
	return f.Spoken()
}

const exampleID = "req_06hn3s9k7e2v5x8b1c4d6f0g2h"

func example(v any) (string, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", err
	}
	return "```json\n" + string(b) + "\n```\n", nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
