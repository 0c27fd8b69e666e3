package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// jsonError is how an error looks to a program.
type jsonError struct {
	Kind    string `json:"kind"` // of fault.Kind
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func (c *call) sendError(status int, f *fault.Error) {
	c.sendJSON(status, struct {
		Error jsonError `json:"error"`
	}{jsonError{f.Kind.String(), f.Message, f.Hint}})
}

// sendJSON answers with a value. One that cannot be written is a mistake of ours, and becomes a panic that is answered like any other.
func (c *call) sendJSON(status int, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic(errors.New("an answer has no JSON"))
	}
	c.send(status, "application/json", b.Bytes())
}

// read reads the body's JSON object into v, whose fields are all that may stand in it.
func (c *call) read(v any) error {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return stated(http.StatusUnsupportedMediaType, fault.New(fault.Usage, "the body is not marked as JSON", "send it with Content-Type: application/json"))
	}
	body, err := io.ReadAll(c.r.Body) // what is too long is said to be that, whatever stands in it
	if err != nil {
		return unread(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badJSON(err)
	}
	if repeats(json.NewDecoder(bytes.NewReader(body))) {
		return fault.New(fault.Usage, "the body has a field twice", "give each field once")
	}
	return nil
}

// repeats says whether an object of a body that was read has a field twice, in whatever case. Of two, we would take the last, and something on the way may have looked at the first.
func repeats(d *json.Decoder) bool {
	open, err := d.Token()
	if open != json.Delim('{') && open != json.Delim('[') || err != nil {
		return false
	}
	seen := map[string]bool{}
	for d.More() {
		if open == json.Delim('{') {
			name, _ := d.Token()
			field := strings.ToLower(strings.ToUpper(fmt.Sprint(name)))
			if seen[field] {
				return true
			}
			seen[field] = true
		}
		if repeats(d) {
			return true
		}
	}
	_, err = d.Token() // the end of it
	return err != nil
}

// badJSON says what is wrong with a body, and repeats nothing of it: it may hold a password.
func badJSON(err error) error {
	var of *json.UnmarshalTypeError
	if errors.As(err, &of) && of.Field != "" {
		return fault.Newf(fault.Usage, "the field %s has another type", of.Field).WithHint("the shapes stand in /api/v1/openapi.yaml")
	}
	return fault.New(fault.Usage, "the body is not the JSON object that is asked for, or has a field that it does not know", "the fields stand in /api/v1/openapi.yaml")
}
