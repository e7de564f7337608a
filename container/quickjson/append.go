// Package quickjson reads and writes the small JSON files that a command reads or
// writes once, with the outcome of encoding/json. That prepares itself for each
// type that it meets, which pays off for a program that goes on. A command that
// makes a container, and somebody waits for it, is done in a fifth of the time
// with a package that prepares nothing.
package quickjson

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Append appends what [json.Marshal] would make of v. It is for the plain types
// that records and specs are made of: it panics for others, and knows none that
// make their own JSON but [time.Time].
func Append(b []byte, v any) []byte { return appendValue(b, reflect.ValueOf(v)) }

func appendValue(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10)
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return appendValue(b, v.Elem())
	case reflect.Slice:
		if v.IsNil() {
			return append(b, "null"...)
		}
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, v.Index(i))
		}
		return append(b, ']')
	case reflect.Map:
		if v.IsNil() {
			return append(b, "null"...)
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		b = append(b, '{')
		for i, key := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key.String()), ':')
			b = appendValue(b, v.MapIndex(key))
		}
		return append(b, '}')
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
		}
		return appendStruct(b, v)
	}
	panic(fmt.Sprintf("no JSON for a %v", v.Type()))
}

func appendStruct(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	t := v.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch name {
		case "":
			name = field.Name
		case "-":
			continue
		}
		if options == "omitempty" && isEmpty(v.Field(i)) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, name), ':')
		b = appendValue(b, v.Field(i))
	}
	return append(b, '}')
}

// isEmpty is what omitempty leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func appendString(b []byte, s string) []byte {
	return append(AppendEscaped(append(b, '"'), []byte(s)), '"')
}

// AppendEscaped appends text as the inside of a JSON string. What is no UTF-8
// becomes U+FFFD; what has a meaning in HTML is escaped.
func AppendEscaped(out, text []byte) []byte {
	const hex = "0123456789abcdef"
	done := 0 // what has been appended
	for i := 0; i < len(text); {
		b := text[i]
		if b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\' && b != '<' && b != '>' && b != '&' {
			i++
			continue
		}
		c, size := utf8.DecodeRune(text[i:])
		var escape string
		switch {
		case c == '"' || c == '\\':
			escape = `\` + string(c)
		case c == '\n':
			escape = `\n`
		case c == '\r':
			escape = `\r`
		case c == '\t':
			escape = `\t`
		case c == utf8.RuneError && size == 1:
			escape = `\ufffd`
		case c < ' ' || c == '<' || c == '>' || c == '&':
			out = append(append(out, text[done:i]...), '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			done = i + size
		case c == '\u2028' || c == '\u2029': // ends a line of JavaScript
			escape = `\u202` + hex[c&15:c&15+1]
		}
		if escape != "" {
			out = append(append(out, text[done:i]...), escape...)
			done = i + size
		}
		i += size
	}
	return append(out, text[done:]...)
}
