package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// outputFlag reads -o from args, the only flag of the verbs that print data.
func outputFlag(args []string) (string, error) {
	format := "table"
	switch {
	case len(args) == 0:
	case len(args) == 2 && (args[0] == "-o" || args[0] == "--output"):
		format = args[1]
	case len(args) == 1 && strings.HasPrefix(args[0], "-o="):
		format = strings.TrimPrefix(args[0], "-o=")
	default:
		return "", usageError{"does not take " + strings.Join(args, " ")}
	}
	switch format {
	case "table", "json", "yaml":
		return format, nil
	}
	return "", usageError{fmt.Sprintf("-o %q: want table, json or yaml", format)}
}

// field is one named value of a row; rows of a table have the same fields.
type field struct{ name, value string }

// printRows writes rows in the wanted form.
func printRows(w io.Writer, format string, rows [][]field) error {
	switch format {
	case "json":
		list := make([]map[string]string, len(rows))
		for i, r := range rows {
			list[i] = map[string]string{}
			for _, f := range r {
				list[i][f.name] = f.value
			}
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	case "yaml":
		for _, r := range rows {
			for i, f := range r {
				lead := "  "
				if i == 0 {
					lead = "- "
				}
				// A JSON string is a YAML string.
				if _, err := fmt.Fprintf(w, "%s%s: %s\n", lead, f.name, strconv.Quote(f.value)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range rows {
		var names, values []string
		for _, f := range r {
			names, values = append(names, strings.ToUpper(f.name)), append(values, f.value)
		}
		if i == 0 {
			fmt.Fprintln(tw, strings.Join(names, "\t"))
		}
		fmt.Fprintln(tw, strings.Join(values, "\t"))
	}
	return tw.Flush()
}
