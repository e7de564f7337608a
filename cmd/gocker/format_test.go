package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

type testRow struct {
	ID    string
	Names string

	labels map[string]string
}

func (r testRow) Label(key string) string { return r.labels[key] }

func TestRowsArePrintedInDockersFormats(t *testing.T) {
	format := rowFormat{table: "{{.ID}}\t{{.Names}}", headers: map[string]string{"ID": "CONTAINER ID", "Names": "NAMES"}}
	rows := []testRow{{"abc", "one,two", map[string]string{"com.example.my-role": "<db>"}}, {"def", "three", nil}}
	for _, c := range []struct{ format, want string }{
		{"", "CONTAINER ID   NAMES\nabc            one,two\ndef            three\n"},
		{"table", "CONTAINER ID   NAMES\nabc            one,two\ndef            three\n"},
		{`table {{.Names}}\t{{.ID}}`, "NAMES     CONTAINER ID\none,two   abc\nthree     def\n"},
		{`table {{upper .ID}}\t{{.Label "com.example.my-role"}}`, "CONTAINER ID   MY ROLE\nABC            <db>\nDEF            \n"},
		{"{{.ID}}", "abc\ndef\n"},
		{`{{.ID}}\t{{.Names}}`, "abc\tone,two\ndef\tthree\n"},
		{"json", `{"ID":"abc","Names":"one,two"}` + "\n" + `{"ID":"def","Names":"three"}` + "\n"},
		{"{{json .Names}}", "\"one,two\"\n\"three\"\n"},
		{`{{json (.Label "com.example.my-role")}}`, "\"<db>\"\n\"\"\n"},
		{`{{join (split .Names ",") "+"}}`, "one+two\nthree\n"},
		{`{{title .ID}}{{pad .ID 1 2}}{{truncate .Names 2}}|{{lower "X"}}`, "Abc abc  on|x\nDef def  th|x\n"},
		{"{{println .ID}}", "abc\n\ndef\n\n"},
	} {
		var out bytes.Buffer
		err := printRows(&out, c.format, format, rows)
		if err != nil || out.String() != c.want {
			t.Errorf("format %q printed\n%s(%v), want\n%s", c.format, out.String(), err, c.want)
		}
	}
	for _, bad := range []string{"{{", "{{.Nope}}", "{{nope .ID}}"} {
		var out bytes.Buffer
		err := printRows(&out, bad, format, rows)
		if err == nil || !strings.HasPrefix(err.Error(), "template parsing error: ") || out.Len() > 0 {
			t.Errorf("format %q printed %q, %v", bad, out.String(), err)
		}
	}
}

func TestATableWithoutRowsHasItsHead(t *testing.T) {
	var out bytes.Buffer
	err := printRows(&out, "", rowFormat{table: "{{.ID}}\t{{.Names}}", headers: map[string]string{"ID": "ID", "Names": "NAMES"}}, []testRow(nil))
	if err != nil || out.String() != "ID        NAMES\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

func TestOneValueIsPrintedByItsTemplate(t *testing.T) {
	type state struct {
		Pid  int
		Size int64
	}
	v := struct {
		ID    string `json:"Id"`
		State state
		names []string
	}{"abc<", state{7, 1 << 60}, nil}
	for _, c := range []struct{ format, want string }{
		{`{{.State.Pid}} {{json .State}}`, `7 {"Pid":7,"Size":1152921504606846976}`},
		{"{{.ID}}", "abc<"},
		{"{{.Id}}", "abc<"}, // as it is called in JSON
		{"{{.Id}} {{.State.Size}}", "abc< 1152921504606846976"},
		{"json", `{"Id":"abc<","State":{"Pid":7,"Size":1152921504606846976}}`},
	} {
		var out bytes.Buffer
		if err := printOne(&out, c.format, v); err != nil || out.String() != c.want+"\n" {
			t.Errorf("%s printed %q, %v; want %q", c.format, out.String(), err, c.want)
		}
	}
	for format, code := range map[string]int{"{{": 64, "{{nope .ID}}": 64, "{{.Nope}}": 0, "{{.names}}": 0} {
		var out bytes.Buffer
		err := printOne(&out, format, v)
		if err == nil || !strings.HasPrefix(err.Error(), "template parsing error: ") || out.Len() > 0 {
			t.Errorf("%s printed %q, %v", format, out.String(), err)
		}
		exit := new(exitError)
		if errors.As(err, &exit); exit.code != code {
			t.Errorf("%s exits with %d, want %d", format, exit.code, code)
		}
	}
}
