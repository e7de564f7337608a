package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"
)

// rowFormat is how a verb that lists things prints them when it is told nothing.
type rowFormat struct {
	table   string            // template of a line; columns are parted by \t
	headers map[string]string // field of the row → what the table's head says
}

// printRows prints one line a row, as docker's --format has it:
//
//	""               the verb's own table
//	"table"          the same
//	"table TEMPLATE" a table of the template's columns, \t between them
//	"json"           an object a line, with the row's exported fields
//	"TEMPLATE"       the template, once a row
//
// A template is one of text/template over a row: a struct of strings whose exported
// fields and methods have docker's names, its fields in alphabetical order for json.
// A method such as .Label "key" may stand in a table too: its column is headed by
// the key. The functions are docker's: json, join, lower, pad, split, title,
// truncate, upper, and println and the others that text/template has.
func printRows[T any](w io.Writer, format string, f rowFormat, rows []T) error {
	if format == "" || format == "table" {
		format = "table " + f.table
	}
	columns, table := strings.CutPrefix(format, "table ")
	if format == "json" {
		columns = "{{json .}}"
	}
	columns = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(columns)
	line, err := template.New("").Funcs(templateFuncs).Parse(strings.TrimSpace(columns) + "\n")
	if err != nil {
		return fmt.Errorf("template parsing error: %w", err)
	}

	var out bytes.Buffer
	if table {
		head, err := line.Clone()
		if err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
		if err := head.Funcs(headerFuncs).Execute(&out, header(f.headers)); err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
	}
	for _, row := range rows {
		if err := line.Execute(&out, row); err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
	}
	if !table {
		_, err := w.Write(out.Bytes())
		return err
	}
	t := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	if _, err := t.Write(out.Bytes()); err != nil {
		return err
	}
	return t.Flush()
}

// printOne prints a value by a template: --format of inspect, info and version.
// "json" is the value in JSON. A template sees the fields by their names in Go and,
// where it asks for one that isn't there, all of them by their names in JSON.
func printOne(w io.Writer, format string, v any) error {
	if format == "json" {
		format = "{{json .}}"
	}
	t, err := template.New("").Funcs(templateFuncs).Parse(format)
	if err != nil {
		return &exitError{code: 64, err: fmt.Errorf("template parsing error: %w", err)} // docker's code
	}
	var out bytes.Buffer
	if t.Execute(&out, v) != nil {
		out.Reset()
		fields, err := jsonFields(v)
		if err != nil {
			return err
		}
		if err := t.Option("missingkey=error").Execute(&out, fields); err != nil {
			return fmt.Errorf("template parsing error: %w", err)
		}
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

// jsonFields is a value as its JSON has it: maps, lists, strings and numbers.
func jsonFields(v any) (fields any, err error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // large ones keep their digits
	err = d.Decode(&fields)
	return fields, err
}

// header answers a template with the names of the columns.
type header map[string]string

// Label heads a column of one label: com.example.my-role is MY ROLE, as in docker.
func (header) Label(key string) string {
	key = key[strings.LastIndexByte(key, '.')+1:]
	return strings.ToUpper(strings.NewReplacer("-", " ", "_", " ").Replace(key))
}

// templateFuncs are docker's (docker/cli, templates/templates.go).
var templateFuncs = template.FuncMap{
	"json":  toJSON,
	"split": strings.Split,
	"join":  strings.Join,
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"title": func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
	"pad": func(s string, left, right int) string {
		if s == "" {
			return s
		}
		return strings.Repeat(" ", left) + s + strings.Repeat(" ", right)
	},
	"truncate": func(s string, n int) string { return string([]rune(s)[:min(n, len([]rune(s)))]) },
}

// headerFuncs leave a column's name as it is, whatever is done to its values.
var headerFuncs = template.FuncMap{
	"json":     same,
	"split":    func(s, _ string) string { return s },
	"join":     func(s, _ string) string { return s },
	"lower":    func(s string) string { return s },
	"upper":    func(s string) string { return s },
	"title":    func(s string) string { return s },
	"pad":      func(s string, _, _ int) string { return s },
	"truncate": func(s string, _ int) string { return s },
}

func same(v any) any { return v }

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}
