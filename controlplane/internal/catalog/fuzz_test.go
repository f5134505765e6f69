package catalog

import (
	"strings"
	"testing"
)

// A price list is either plausible in every line or refused.
func FuzzPriceList(f *testing.F) {
	f.Add(pricesCSV[:min(len(pricesCSV), 1500)])
	f.Add(listHeader + "\nopenai,x,X,1,,2026-01-01,0.1,1000,0,,,,,,https://example.com\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseList(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, l := range list {
			for _, a := range l.Rates.Amounts() {
				if a.Nano < 0 || a.Nano > maxListed {
					t.Errorf("%s: %s is %s", l.Entry.ID, a.Name, a.Nano)
				}
			}
		}
	})
}
