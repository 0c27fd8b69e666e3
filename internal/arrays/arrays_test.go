package arrays_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/arrays"
)

func said(elements []*string) []string {
	out := []string{}
	for _, e := range elements {
		if e == nil {
			out = append(out, "<NULL>")
		} else {
			out = append(out, *e)
		}
	}
	return out
}

func TestArraysAreReadAsPostgreSQLReadsThem(t *testing.T) {
	for text, want := range map[string][]string{
		"{}": {}, " { } ": {}, "{1}": {"1"}, "{ 1 , 2 }": {"1", "2"}, "{a b , c}": {"a b", "c"}, `{"a,b","{c}"}`: {"a,b", "{c}"}, `{"a\"b","c\\d"}`: {`a"b`, `c\d`},
		`{a\,b,\ c\ }`: {"a,b", " c "}, "{NULL,null,Null}": {"<NULL>", "<NULL>", "<NULL>"}, `{"NULL",N\ULL}`: {"NULL", "NULL"}, `{""," x "}`: {"", " x "}, "{ü,'a'}": {"ü", "'a'"},
	} {
		got, err := arrays.Parse(text)
		if err != nil || !slices.Equal(said(got), want) {
			t.Errorf("%s: %q, %v", text, said(got), err)
		}
	}
}

func TestWhatIsNoArrayOfOneDimensionIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "{", "}", "1,2", "{1", "1}", "{1,}", "{,1}", "{,}", "{1,,2}", "{{1}}", "{{1},{2}}", "[1:2]={1,2}", `{"a}`, `{"a"b}`, `{a"b"}`, `{a\}`, `{"a\"}`, "{1}{2}", "{}}", "[1,2]",
		"{" + strings.Repeat("1,", arrays.MaxElements) + "1}",
	} {
		if got, err := arrays.Parse(text); err == nil {
			t.Errorf("%.40s: %q", text, said(got))
		}
	}
	if got, err := arrays.Parse("{" + strings.Repeat("1,", arrays.MaxElements-1) + "1}"); err != nil || len(got) != arrays.MaxElements {
		t.Errorf("as many as there may be: %d, %v", len(got), err)
	}
}

func TestListsAreWrittenWithEveryElementInQuotes(t *testing.T) {
	a, b, c := "1", `a"b\c`, ""
	if got := arrays.List([]*string{&a, &b, nil, &c}); got != `["1", "a\"b\\c", NULL, ""]` {
		t.Error(got)
	}
	if got := arrays.List(nil); got != "[]" {
		t.Error(got)
	}
}

// FuzzParse looks for texts that break the reader, and for elements that do not come back from the text that PostgreSQL would write for them.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{}", `{"a\"b",NULL, c\ d ,""}`, "{{1}}", `{"`, `{\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		elements, err := arrays.Parse(s)
		if err != nil {
			return
		}
		var written []string
		for _, e := range elements {
			if e == nil {
				written = append(written, "NULL")
			} else {
				written = append(written, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(*e)+`"`)
			}
		}
		again, err := arrays.Parse("{" + strings.Join(written, ",") + "}")
		if err != nil || !slices.Equal(said(again), said(elements)) {
			t.Errorf("%q is %q, and again %q (%v)", s, said(elements), said(again), err)
		}
	})
}
