package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// recordPage is what the page of the record shows.
type recordPage struct {
	Asked    url.Values // what was typed
	Filtered bool
	Everyone bool
	Page     *RecordPage
	Older    string // address; empty: there is nothing
	Newer    bool   // this is not the beginning
	Fault    *fault.Error
}

// mostEntries is how much of the record can be asked for at once.
const mostEntries = 500

// recordFields are the fields of the record's address.
var recordFields = []string{"person", "reads", "kind", "from", "to", "before"}

func showRecord(c *call) error {
	v := c.r.URL.Query()
	p := recordPage{Asked: v, Everyone: c.person.People, Newer: v.Get("before") != ""}
	for _, name := range recordFields[:5] {
		p.Filtered = p.Filtered || v.Get(name) != ""
	}
	q, err := readRecordQuery(v)
	if err == nil {
		p.Page, err = c.visitor.Record(c.ctx(), q)
	}
	status := http.StatusOK
	if err != nil {
		status, p.Fault = c.excuse(err), public(err)
	} else if p.Page.Next > 0 {
		older := url.Values{}
		for _, name := range recordFields {
			if v.Get(name) != "" {
				older.Set(name, v.Get(name))
			}
		}
		older.Set("before", strconv.FormatInt(p.Page.Next, 10))
		p.Older = "/record?" + older.Encode()
	}
	c.render(status, "record", &view{Title: "Record", Section: "record", Data: p})
	return nil
}

// readRecordQuery takes the record's filter apart.
func readRecordQuery(v url.Values) (RecordQuery, error) {
	q := RecordQuery{Person: strings.TrimSpace(v.Get("person")), Reads: strings.TrimSpace(v.Get("reads")), Kind: v.Get("kind")}
	if q.Kind != "" && q.Kind != "questions" && q.Kind != "people" {
		return q, fault.New(fault.Usage, "there is no such kind of entry", "choose questions or people, or leave it out")
	}
	var err error
	if text := v.Get("from"); text != "" {
		if q.From, err = readMoment(text); err != nil {
			return q, err
		}
	}
	if text := v.Get("to"); text != "" {
		if q.To, err = readMoment(text); err != nil {
			return q, err
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return q, emptyRange()
	}
	if text := v.Get("before"); text != "" {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before < 1 {
			return q, fault.New(fault.Usage, "before is no number of an entry", "follow the link to what is older")
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > mostEntries {
			return q, fault.Newf(fault.Usage, "the limit is no number from 1 to %d", mostEntries).WithHint("give another")
		}
	}
	return q, nil
}

// readMoment reads a date, or a time to the second.
func readMoment(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.Year() >= 1970 && t.Year() <= 2200 {
		return t.UTC(), nil
	}
	return readDay(text)
}
