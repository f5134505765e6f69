package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// Limits of what is read of a list.
const (
	maxList  = 15 << 20
	listTime = time.Minute
)

// priceImport is what `prices import` was asked for.
type priceImport struct {
	format, from, output string
	dryRun               bool
	effective            *time.Time
}

// prices is the operator's tool for price lists.
func prices(ctx context.Context, a *app, args []string) error {
	if len(args) == 0 || args[0] != "import" {
		return usageError{"knows one thing to do: import"}
	}
	what, err := importFlags(args[1:])
	if err != nil {
		return err
	}
	api, key := a.getenv("TOLLGATE_API_URL"), a.getenv("TOLLGATE_MANAGEMENT_KEY")
	if api == "" {
		api = "http://127.0.0.1:8081"
	}
	if key == "" {
		return usageError{"TOLLGATE_MANAGEMENT_KEY is not set; give a management key of the operator"}
	}
	files, err := readList(ctx, what.from)
	if err != nil {
		return err
	}
	c, err := apiclient.NewClientWithResponses(api, apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
	if err != nil {
		return usageError{"TOLLGATE_API_URL is not a URL"}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*listTime)
	defer cancel()
	// Where on this machine a file lies is nobody's business later.
	source := what.from
	if !strings.Contains(source, "://") {
		source = filepath.Base(source)
	}
	body := apiclient.PriceImport{Files: files, Source: &source, DryRun: &what.dryRun, EffectiveFrom: what.effective}
	if what.format != "" {
		body.Format = new(apiclient.PriceImportFormat(what.format))
	}
	res, err := c.ImportPricesWithResponse(ctx, body)
	if err != nil {
		return fmt.Errorf("the control plane at %s cannot be reached: %w", api, err)
	}
	if res.JSON200 == nil {
		return refusedBy(res.HTTPResponse, res.Body)
	}
	return printImport(a.stdout, what.output, res.JSON200)
}

func importFlags(args []string) (priceImport, error) {
	what := priceImport{output: "table"}
	value := func(i *int, name string) (string, error) {
		if _, v, ok := strings.Cut(args[*i], "="); ok {
			return v, nil
		}
		*i++
		if *i == len(args) {
			return "", usageError{name + " needs a value"}
		}
		return args[*i], nil
	}
	for i := 0; i < len(args); i++ {
		name, _, _ := strings.Cut(args[i], "=")
		var err error
		switch {
		case name == "--format":
			what.format, err = value(&i, name)
		case args[i] == "--dry-run":
			what.dryRun = true
		case name == "--effective":
			what.effective, err = effectiveDay(value(&i, name))
		case name == "-o" || name == "--output":
			what.output, err = value(&i, name)
		case strings.HasPrefix(args[i], "-") || what.from != "":
			err = usageError{"does not take " + args[i]}
		default:
			what.from = args[i]
		}
		if err != nil {
			return what, err
		}
	}
	switch {
	case what.from == "":
		return what, usageError{"needs a file, a directory or a URL"}
	case what.output != "table" && what.output != "json":
		return what, usageError{fmt.Sprintf("-o %q: want table or json", what.output)}
	}
	return what, nil
}

// effectiveDay reads a date or a time; today is now.
func effectiveDay(text string, err error) (*time.Time, error) {
	if err != nil {
		return nil, err
	}
	if text == time.Now().UTC().Format(time.DateOnly) {
		return nil, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return &t, nil
		}
	}
	return nil, usageError{fmt.Sprintf("--effective %q: want a date such as 2027-01-31", text)}
}

// readList reads a list from where it is.
func readList(ctx context.Context, from string) ([]apiclient.PriceFile, error) {
	if strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "http://") {
		text, err := fetchList(ctx, from)
		return []apiclient.PriceFile{{Name: from, Text: text}}, err
	}
	var files []apiclient.PriceFile
	left := int64(maxList)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		// In a directory only tables are the list's.
		if err != nil || d.IsDir() || path != from && filepath.Ext(path) != ".toml" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := readAtMost(f, left)
		left -= int64(len(text))
		files = append(files, apiclient.PriceFile{Name: filepath.ToSlash(path), Text: text})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no list in %s: of a directory, the tables of models.dev are read (*.toml)", from)
	}
	return files, nil
}

func fetchList(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", usageError{"the list's URL is not one"}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("fetch the list: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetch the list: %s answered %s", url, res.Status)
	}
	return readAtMost(res.Body, maxList)
}

func readAtMost(r io.Reader, limit int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("the list is larger than %d MiB", maxList>>20)
	}
	return string(b), err
}

// refusedBy is what the control plane says of a call that it refused.
func refusedBy(res *http.Response, body []byte) error {
	var p struct {
		Title, Detail, Fix string
		Errors             []struct{ Location, Message, Fix string }
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" && p.Detail == "" {
		return fmt.Errorf("the control plane answered %s", res.Status)
	}
	var b strings.Builder
	b.WriteString(strings.TrimSpace(p.Title + " " + p.Detail))
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", e.Location, e.Message)
		if e.Fix != "" {
			fmt.Fprintf(&b, ". %s", e.Fix)
		}
	}
	if len(p.Errors) == 0 && p.Fix != "" {
		b.WriteString(" " + p.Fix)
	}
	return errors.New(b.String())
}

// shownNotes bounds how many notes a terminal is shown; JSON has all.
const shownNotes = 20

func printImport(w io.Writer, format string, r *apiclient.PriceImportResult) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	var rows [][]field
	for _, item := range r.Items {
		rows = append(rows, []field{{"what", string(item.Action)}, {"model", item.CatalogId},
			{"from", item.EffectiveFrom.UTC().Format(time.DateOnly)}, {"changes", changesText(item)}})
	}
	if err := printRows(w, "table", rows); err != nil {
		return err
	}
	if len(r.Left) > 0 {
		fmt.Fprintf(w, "\n%d things of the list have no place in a price:\n", len(r.Left))
		for i, n := range r.Left {
			if i == shownNotes {
				fmt.Fprintf(w, "  … and %d more; -o json shows all\n", len(r.Left)-i)
				break
			}
			fmt.Fprintf(w, "  %s %s\n", n.Where, n.Text)
		}
	}
	if len(r.Unknown) > 0 {
		n := 0
		var names []string
		for _, u := range r.Unknown {
			n += u.Models
			names = append(names, u.Provider)
		}
		slices.Sort(names)
		fmt.Fprintf(w, "\n%d models are of providers that are not known here: %s\n", n, strings.Join(names, ", "))
	}
	done := "Taken over"
	if r.DryRun {
		done = "Nothing is changed; this would be taken over"
	}
	_, err := fmt.Fprintf(w, "\n%s from %s (%s): %d new, %d changed, %d gone, %d pinned and so left, %d the same.\n",
		done, r.Source, r.Format, r.New, r.Changed, r.Gone, r.Pinned, r.Same)
	return err
}

func changesText(item apiclient.PriceImportItem) string {
	var parts []string
	for _, c := range item.Changes {
		switch {
		case c.Old == nil && c.New != nil:
			parts = append(parts, c.Name+" "+*c.New)
		case c.New == nil && c.Old != nil:
			parts = append(parts, c.Name+" "+*c.Old+" → none")
		case c.Old != nil && c.New != nil:
			parts = append(parts, c.Name+" "+*c.Old+" → "+*c.New)
		}
	}
	return strings.Join(parts, ", ")
}
