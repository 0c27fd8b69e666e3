//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strconv"

	"github.com/weirproject/weir/internal/node"
)

// pageWay asks over the page's API.
type pageWay struct {
	who, address, token string
	client              *http.Client
}

func (w *pageWay) name() string   { return "json" }
func (w *pageWay) person() string { return w.who }

// post sends a value as JSON and reads one back. The status is 0 when nothing came.
func (w *pageWay) post(ctx context.Context, path string, in, out any) (status int, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	if w.token != "" {
		r.Header.Set("Authorization", "Bearer "+w.token)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	d := json.NewDecoder(resp.Body)
	d.DisallowUnknownFields()
	return resp.StatusCode, d.Decode(out)
}

// pageSaid is everything that the API may say to a question.
type pageSaid struct {
	Error *struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	} `json:"error"`
	Columns json.RawMessage `json:"columns"`
	Types   json.RawMessage `json:"types"`
	Rows    json.RawMessage `json:"rows"`
}

func (w *pageWay) ask(ctx context.Context, sql string, _ []string) (answer, error) {
	var out pageSaid
	status, err := w.post(ctx, "/query", map[string]string{"sql": sql}, &out)
	if err != nil {
		return answer{}, err
	}
	if out.Error != nil {
		return answer{code: strconv.Itoa(status), message: out.Error.Message, hint: out.Error.Hint}, nil
	}
	return answer{rows: string(out.Rows)}, nil
}

// stranger is somebody at the page's API who has not signed in.
func (s *siege) stranger() *pageWay {
	s.t.Helper()
	pem, err := os.ReadFile(s.ada.SQL.CA)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &pageWay{address: s.page, client: &http.Client{Transport: transport}}
}

// api signs somebody in to the page's API.
func (s *siege) api(u node.NewUser) *pageWay {
	s.t.Helper()
	w := s.stranger()
	w.who = u.User
	var opened map[string]any
	status, err := w.post(s.t.Context(), "/session", map[string]string{"name": u.User, "password": u.PagePassword}, &opened)
	if err != nil || status != http.StatusCreated {
		s.t.Fatalf("%s signs in to the page: %d, %v", u.User, status, err)
	}
	if w.token, _ = opened["token"].(string); w.token == "" {
		s.t.Fatalf("%s got no token", u.User)
	}
	return w
}
