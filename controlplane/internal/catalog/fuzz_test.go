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

// A list of facts is either one that data planes take or refused.
func FuzzFacts(f *testing.F) {
	f.Add(factsCSV[:min(len(factsCSV), 1500)])
	f.Add(factsHeader + "\nopenai,x,5,chat,text image,text,yes,no,no,yes,2026-01-31\n")
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := parseFacts(strings.NewReader(text))
		if err != nil {
			return
		}
		for id, one := range facts {
			if one.MaxOutputTokens < 0 || one.Capabilities != nil && len(one.Capabilities.Operations) == 0 {
				t.Errorf("%s: %+v", id, one)
			}
		}
	})
}
