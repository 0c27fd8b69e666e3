package treatment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const canary = "canary-7f3a@example.test"

func canaryRaw(t *testing.T) (Raw, *Builder) {
	t.Helper()
	l := &Layout{Table: "fleet.app_user", Columns: []Column{{Name: "email", Type: Type{Kind: Text}}, {Name: "n", Type: Type{Kind: Int64}}}, Key: []int{1}}
	full, part := NewBuilder(l), NewBuilder(l)
	for _, b := range []*Builder{full, part} {
		b.Begin(Insert)
		b.Bytes([]byte(canary))
		b.Int(918273645)
	}
	raw, err := full.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return raw, part
}

func TestRawNeverPrints(t *testing.T) {
	raw, builder := canaryRaw(t)
	type nest struct {
		R Raw
		B *Builder
		r Raw
		b *Builder
		p *Raw
	}
	n := nest{raw, builder, raw, builder, &raw}
	var out bytes.Buffer
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %t %p %T %10v %U %e %c %b %o") {
		for _, x := range []any{raw, &raw, builder, *builder, n, &n, []Raw{raw}, map[string]Raw{"a": raw}, []any{raw, builder}, errors.Join(fmt.Errorf("%v", raw))} {
			fmt.Fprintf(&out, verb, x)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "raw", raw, "builder", builder, "nest", n, "ptr", &n, "list", []Raw{raw})
	}
	for _, x := range []any{raw, builder, n, &n, []Raw{raw}, map[string]any{"a": raw}} {
		j, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(j)
		y, err := yaml.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(y)
	}
	func() {
		defer func() { fmt.Fprintf(&out, "%v %+v", recover(), n) }()
		builder.Begin(Insert)
		builder.Begin(Insert)
	}()
	printed := out.String()
	if !strings.Contains(printed, "[raw]") {
		t.Fatal("nothing was printed at all")
	}
	for _, secret := range []string{canary, "canary", "918273645", fmt.Sprintf("%x", canary), fmt.Sprintf("%d", []byte(canary[:4])), "36bbe6ed", "99 97 110"} {
		if strings.Contains(printed, secret) {
			t.Errorf("printed: %q", secret)
		}
	}
}

func TestKeysNeverPrint(t *testing.T) {
	master := bytes.Repeat([]byte{0xAB}, MasterKeySize)
	k, err := NewKeys(master)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %x", k, k, *k, k, k)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "keys", k)
	for _, s := range []string{"171 171", "abab", "ABAB", "0xab"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("printed %q", s)
		}
	}
}

func TestSealRefusesAHalfAppendedRow(t *testing.T) {
	_, b := canaryRaw(t)
	b.Begin(Insert)
	if _, err := b.Seal(); err == nil {
		t.Fatal("sealed a row with no columns")
	}
}
