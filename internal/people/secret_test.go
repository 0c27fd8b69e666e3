package people

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestNothingSecretPrints shows every exported type that holds or leads to a secret to fmt, slog and JSON.
func TestNothingSecretPrints(t *testing.T) {
	h := openHouse(t)
	added := h.add("ana", Analyst)
	service := h.service("metabase", "10.1.0.0/16")
	c, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	link, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	token, s, err := signIn(h, "ana", added.PagePassword.Reveal())
	must(t, err)
	v, err := h.SCRAMFor(h.t.Context(), at("ana", office))
	must(t, err)
	p, err := h.VerifyPage(t.Context(), at("ana", office), added.PagePassword.Reveal())
	must(t, err)
	account := h.kept().accounts["ana"]
	page, err := account.Page.Hash.MarshalText()
	must(t, err)
	kept := digestOf(token.Reveal())
	secrets := []string{
		added.PagePassword.Reveal(), added.SQL.Password.Reveal(), service.SQL.Password.Reveal(), link.Token.Reveal(), token.Reveal(), c.Key.Reveal()[40:80], string(page),
	}
	for _, b := range [][]byte{account.SQL.StoredKey, account.SQL.ServerKey, account.SQL.Salt, account.Page.Hash.key[:], kept[:], h.kept().mockKey} {
		secrets = append(secrets, string(b), hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b), strings.Trim(fmt.Sprintf("%d", b), "[]"), fmt.Sprintf("%#v", b)[7:])
	}
	type within struct {
		Named any
		Many  []any
	}
	events := []any{}
	for _, e := range h.events {
		events = append(events, e)
	}
	for _, value := range append(events, added, &added, added.PagePassword, *added.SQL, added.SQL, c, &c, link, &link, token, s, v, &v, p, h.Registry, h.o.Authority, h.List(), h.Sessions("ana"), h.o) {
		var out bytes.Buffer
		for _, x := range []any{value, &value, within{value, []any{value}}, map[string]any{"a": value}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&out, verb+"\n", x)
			}
			for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(handler).InfoContext(t.Context(), "x", "value", x)
			}
			if data, err := json.Marshal(x); err == nil {
				out.Write(data)
			}
		}
		for i, secret := range secrets {
			if bytes.Contains(out.Bytes(), []byte(secret)) {
				t.Errorf("%T shows secret %d", value, i)
			}
		}
	}
}

func TestASecretShowsItselfToItsOwnerAlone(t *testing.T) {
	s := newSecret("hush")
	if s.Reveal() != "hush" || s.IsZero() || fmt.Sprintf("%+v", s) != sealed {
		t.Error("it does not")
	}
	if (Secret{}).Reveal() != "" || !(Secret{}).IsZero() {
		t.Error("no secret is one")
	}
}

func TestAnEventsFormIsStable(t *testing.T) {
	expires := start.Add(time.Hour)
	data, err := json.Marshal(Event{Kind: RoleChanged, Account: "ana", By: "root", Address: Caller{}.place(), At: start, FromRole: Viewer, Role: Analyst, Widens: true, Expires: &expires})
	must(t, err)
	const want = `{"kind":"role_changed","account":"ana","by":"root","address":"local","at":"2026-11-20T09:00:00Z","role":"analyst","from_role":"viewer","widens":true,"expires":"2026-11-20T10:00:00Z"}`
	if string(data) != want {
		t.Errorf("got %s", data)
	}
}
