package decision

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestATreeIsReadAsEncodingJSONReadsIt(t *testing.T) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":[]}`, `{"a":[ ],"b":{}}`, `{"a":null,"b":true,"c":false}`, "{\n\t\"a\" : [ 1 , 2 ]\r\n}",
		`{"n":[0,-0,1.5,-12.25e+10,1E5,12345678901234567890123456789012345678]}`,
		`{"s":["","é","日本","\"\\\/\b\f\n\r\t","\u00e9\u0000\u001f\ud83d\ude00","a\u0041b"]}`,
		`{"":{"":[[[{}]]]}}`,
		strings.Repeat(`{"a":[`, maxLevels/2) + strings.Repeat(`]}`, maxLevels/2),
	} {
		got, err := decode([]byte(text))
		if err != nil {
			t.Errorf("%.80s: %v", text, err)
			continue
		}
		if want := standard(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%.80s: %v, want %v", text, got, want)
		}
	}
}

func standard(t *testing.T, text string) node {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var n node
	if err := d.Decode(&n); err != nil {
		t.Fatalf("%.80s: %v", text, err)
	}
	return n
}

func TestWhatIsNoTreeOrCouldBeReadInTwoWaysIsNotRead(t *testing.T) {
	for _, text := range []string{
		``, ` `, `null`, `[]`, `1`, `"a"`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":1}{`, `{"a":1} x`, `{}{}`,
		`{"a":[1,]}`, `{"a":[1 2]}`, `{"a":[}`, `{"a":[1}`, `{"a":tru}`, `{"a":nul}`, `{"a":True}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":-}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`,
		`{"a":+1}`, `{"a":0x1}`, `{"a":1_0}`, `{"a":"` + "\n" + `"}`, `{"a":"\x"}`, `{"a":"\u00g0"}`, `{"a":"\u00"}`, `{"a":"\u+0e9"}`, `{"a":"\`, `{"a":"\u`, `{"a":"b`, `{"a":"\"}`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":1}`, // which of them counts
		`{"a":"\ud83d"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83dx"}`, `{"a":"\ud83d\n"}`, "{\"a\":\"\xff\"}", "{\"\xc3\":1}", "\xef\xbb\xbf{}", // which would be mended
		`{"a":1}` + "\x00", `{/**/}`, `{"a":1}//`, `{'a':1}`, "{\u00a0}",
		strings.Repeat(`{"a":[`, maxLevels/2+1) + strings.Repeat(`]}`, maxLevels/2+1), strings.Repeat(`{"a":`, 1<<20),
	} {
		if n, err := decode([]byte(text)); err == nil {
			t.Errorf("%.80q was read as %.80v", text, n)
		}
	}
}

func TestATreeIsWrittenSoThatItReadsBackAsItself(t *testing.T) {
	const text = `{"z":[1,-2.50,1e10,true,false,null,{},[]],"a":{"quotes":"\"\\","controls":"\u0000\u0001\n\u001f\u007f","wide":"é日😀\u2028","":""},"b":[[["x"]],[{"y":{"z":[]}}]]}`
	n := standard(t, text)
	first, err := encode(n)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if again, err := encode(n); err != nil || !bytes.Equal(again, first) {
			t.Errorf("once %s, once %s, %v", first, again, err)
		}
	}
	if back := standard(t, string(first)); !reflect.DeepEqual(back, n) {
		t.Errorf("%v, want %v", back, n)
	}
	if back, err := decode(first); err != nil || !reflect.DeepEqual(back, n) {
		t.Errorf("%v, want %v, %v", back, n, err)
	}
}

func TestWhatNoTreeHoldsIsNotWritten(t *testing.T) {
	for _, n := range []node{{"a": 1}, {"a": []any{int64(1)}}, {"a": node{"b": []string{"c"}}}, {"a": 1.5}} {
		if text, err := encode(n); err == nil {
			t.Errorf("%v was written as %s", n, text)
		}
	}
}

// What is read is what encoding/json reads, and nothing is read that it refuses.
func FuzzTree(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":[1,2.5e-3,"\u00e9\ud83d\ude00"],"b":{"c":null}}`, `{"a":1,"a":2}`, `{"a":"\ud83d"}`, "{\"a\":\"\xff\"}", `{"a":"\\"} `, `{"a":-0}`, `{"a":tr`,
		`{"error":false,"statements":[{"node":{"type":"SELECT_NODE","select_list":[{"class":"CONSTANT","type":"VALUE_CONSTANT","value":{"type":{"id":"INTEGER"},"is_null":false,"value":1}}]}}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := decode(text)
		if err != nil {
			return
		}
		if !utf8.Valid(text) || !json.Valid(text) {
			t.Fatalf("%q was read", text)
		}
		if want := standard(t, string(text)); !reflect.DeepEqual(n, want) {
			t.Fatalf("%q was read as %v, not %v", text, n, want)
		}
		out, err := encode(n)
		if err != nil {
			t.Fatalf("%q is not written: %v", text, err)
		}
		if back, err := decode(out); err != nil || !reflect.DeepEqual(back, n) {
			t.Fatalf("%q was written as %q: %v", text, out, err)
		}
	})
}
