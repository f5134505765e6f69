package catalog

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proto/configcheck"
)

// What models can do, beside the list of what they cost.
//
//go:embed facts.csv
var factsCSV string

const factsHeader = "provider,model,max_output,operations,input,output,tools,reasoning,json_schema,temperature,deprecated"

// parseFacts reads our own list of facts by catalogue id. As with prices, one
// wrong line refuses all.
func parseFacts(in io.Reader) (map[string]Facts, error) {
	r := csv.NewReader(in)
	r.Comment = '#'
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("list of facts: header: %w", err)
	}
	if got := strings.Join(header, ","); got != factsHeader {
		return nil, fmt.Errorf("list of facts: header is %q, not %q", got, factsHeader)
	}
	out := map[string]Facts{}
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list of facts: %w", err)
		}
		line, _ := r.FieldPos(0)
		id := rec[0] + "/" + rec[1]
		if _, twice := out[id]; twice {
			return nil, fmt.Errorf("list of facts line %d: %s stands twice", line, id)
		}
		if out[id], err = parseFact(rec); err != nil {
			return nil, fmt.Errorf("list of facts line %d: %s: %w", line, id, err)
		}
	}
}

func parseFact(rec []string) (f Facts, err error) {
	if rec[2] != "" {
		if f.MaxOutputTokens, err = strconv.Atoi(rec[2]); err != nil || f.MaxOutputTokens < 0 || f.MaxOutputTokens > configcheck.MaxContextWindow {
			return f, fmt.Errorf("%q is not a number of tokens", rec[2])
		}
	}
	if rec[10] != "" {
		at, err := time.Parse(time.DateOnly, rec[10])
		if err != nil {
			return f, fmt.Errorf("deprecated: %w", err)
		}
		f.DeprecatedAt = &at
	}
	if rec[3] == "" {
		return f, nil
	}
	c := &Capabilities{Operations: strings.Fields(rec[3]), Input: strings.Fields(rec[4]), Output: strings.Fields(rec[5])}
	for _, list := range [][]string{c.Operations, c.Input, c.Output} {
		for _, w := range list {
			if !configcheck.ValidWord(w) {
				return f, fmt.Errorf("%q is not a word", w)
			}
		}
	}
	for i, to := range []*bool{&c.Tools, &c.Reasoning, &c.JSONSchema, &c.Temperature} {
		switch rec[6+i] {
		case "yes":
			*to = true
		case "no":
		default:
			return f, fmt.Errorf("%q is neither yes nor no", rec[6+i])
		}
	}
	f.Capabilities = c
	return f, nil
}
