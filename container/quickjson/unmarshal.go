package quickjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Unmarshal is [json.Unmarshal] into v, which is made zero before. What it does not
// know, and what is wrong in any way, it leaves to that: so the outcome and the
// errors are the same.
func Unmarshal(raw []byte, v any) error {
	if Read(raw, v) {
		return nil
	}
	return json.Unmarshal(raw, v)
}

// Read is the quick part of Unmarshal: it reports whether it understood. If not, v
// is zero.
func Read(raw []byte, v any) bool {
	to := reflect.ValueOf(v).Elem()
	to.SetZero()
	d := decoder{rest: raw}
	if d.value(to) && d.next() == 0 && len(d.rest) == 0 {
		return true
	}
	to.SetZero()
	return false
}

// decoder reads JSON from the front of what is left. Its methods report whether
// they understood; one that did not leaves the rest anywhere.
type decoder struct {
	rest  []byte
	depth int
}

// maxDepth is deeper than any document of an image, and far less than the stack.
const maxDepth = 100

// next skips space and returns the byte that follows, 0 at the end.
func (d *decoder) next() byte {
	for i, c := range d.rest {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			d.rest = d.rest[i:]
			return c
		}
	}
	d.rest = nil
	return 0
}

// take skips space and c, which has to follow.
func (d *decoder) take(c byte) bool {
	if d.next() != c || len(d.rest) == 0 {
		return false
	}
	d.rest = d.rest[1:]
	return true
}

// word skips one of null, true and false.
func (d *decoder) word(w string) bool {
	if len(d.rest) < len(w) || string(d.rest[:len(w)]) != w {
		return false
	}
	d.rest = d.rest[len(w):]
	return true
}

// value reads a value into v, which is zero, or checks one for no v at all.
func (d *decoder) value(v reflect.Value) bool {
	if d.depth++; d.depth > maxDepth {
		return false
	}
	defer func() { d.depth-- }()
	first := d.next()
	if v.IsValid() && v.Type().PkgPath() != "" {
		switch own := v.Addr().Interface().(type) {
		case json.Unmarshaler:
			from := d.rest
			if first == 'n' || !d.value(reflect.Value{}) {
				return false
			}
			return own.UnmarshalJSON(from[:len(from)-len(d.rest)]) == nil
		case encoding.TextUnmarshaler:
			return false
		}
	}
	if v.IsValid() && v.Kind() == reflect.Pointer && first != 'n' {
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(v.Elem())
	}
	switch first {
	case '{':
		return d.object(v)
	case '[':
		return d.array(v)
	case '"':
		s, ok := d.text()
		return ok && set(v, reflect.String, func() bool { v.SetString(s); return true })
	case 'n':
		return d.word("null")
	case 't':
		return d.word("true") && set(v, reflect.Bool, func() bool { v.SetBool(true); return true })
	case 'f':
		return d.word("false") && set(v, reflect.Bool, func() bool { return true })
	}
	digits, ok := d.number()
	switch {
	case !ok || !v.IsValid():
		return ok
	case v.CanInt():
		n, err := strconv.ParseInt(digits, 10, 64)
		v.SetInt(n)
		return err == nil && !v.OverflowInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(digits, 10, 64)
		v.SetUint(n)
		return err == nil && !v.OverflowUint(n)
	}
	return false
}

// set calls f unless there is nothing to set, if v is of a kind.
func set(v reflect.Value, kind reflect.Kind, f func() bool) bool {
	return !v.IsValid() || v.Kind() == kind && f()
}

// object reads what becomes a struct or a map.
func (d *decoder) object(v reflect.Value) bool {
	isMap := v.IsValid() && v.Kind() == reflect.Map && v.Type().Key() == reflect.TypeFor[string]()
	if v.IsValid() && !isMap && v.Kind() != reflect.Struct {
		return false
	}
	if isMap {
		v.Set(reflect.MakeMap(v.Type()))
	}
	var seen uint64
	d.take('{')
	for n := 0; d.next() != '}'; n++ {
		if n > 0 && !d.take(',') || d.next() != '"' {
			return false
		}
		key, ok := d.text()
		if !ok || !d.take(':') {
			return false
		}
		switch {
		case isMap:
			k := reflect.ValueOf(key)
			element := reflect.New(v.Type().Elem()).Elem()
			if v.MapIndex(k).IsValid() || !d.value(element) {
				return false
			}
			v.SetMapIndex(k, element)
		case v.IsValid():
			i, ok := field(v.Type(), key)
			if !ok || i >= 0 && seen&(1<<i) != 0 {
				return false
			}
			var element reflect.Value
			if i >= 0 {
				seen |= 1 << i
				element = v.Field(i)
			}
			if !d.value(element) {
				return false
			}
		default:
			if !d.value(v) {
				return false
			}
		}
	}
	return d.take('}')
}

// field returns the field of a struct for a key, -1 if there is none. It does not
// understand fields that are another's, and keys in other letters.
func field(t reflect.Type, key string) (i int, ok bool) {
	found := -1
	for i := range min(t.NumField(), 64) {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || options != "" && options != "omitempty" && options != "omitzero" {
			return 0, false
		}
		if name == "" {
			name = f.Name
		}
		switch {
		case name == "-" || !f.IsExported():
		case name == key:
			found = i
		case strings.EqualFold(name, key):
			return 0, false
		}
	}
	return found, t.NumField() <= 64
}

// array reads what becomes a slice.
func (d *decoder) array(v reflect.Value) bool {
	if v.IsValid() {
		if v.Kind() != reflect.Slice || v.Type().Elem().Kind() == reflect.Uint8 {
			return false
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, 4))
	}
	d.take('[')
	for n := 0; d.next() != ']'; n++ {
		if n > 0 && !d.take(',') {
			return false
		}
		var element reflect.Value
		if v.IsValid() {
			v.Grow(1)
			v.SetLen(n + 1)
			element = v.Index(n)
		}
		if !d.value(element) {
			return false
		}
	}
	return d.take(']')
}

// number reads a number, of which value takes the whole ones.
func (d *decoder) number() (string, bool) {
	n := 0
	for n < len(d.rest) && strings.IndexByte("+-.0123456789Ee", d.rest[n]) >= 0 {
		n++
	}
	text := string(d.rest[:n])
	d.rest = d.rest[n:]
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' && digits != "0" {
		return "", false
	}
	return text, true
}

// text reads a string.
func (d *decoder) text() (string, bool) {
	d.take('"')
	for n, c := range d.rest {
		switch {
		case c == '"':
			s := string(d.rest[:n])
			d.rest = d.rest[n+1:]
			return s, utf8.ValidString(s)
		case c == '\\':
			return d.escaped(n)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped reads a string that has its first backslash at n.
func (d *decoder) escaped(n int) (string, bool) {
	s := append(make([]byte, 0, 2*n+64), d.rest[:n]...)
	d.rest = d.rest[n:]
	for len(d.rest) > 1 {
		c := d.rest[0]
		d.rest = d.rest[1:]
		switch {
		case c == '"':
			return string(s), utf8.Valid(s)
		case c < ' ':
			return "", false
		case c != '\\':
			s = append(s, c)
			continue
		}
		c = d.rest[0]
		d.rest = d.rest[1:]
		if c == 'u' {
			r, ok := d.rune()
			if !ok {
				return "", false
			}
			s = utf8.AppendRune(s, r)
			continue
		}
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return "", false
		}
		s = append(s, "\"\\/\b\f\n\r\t"[i])
	}
	// The last byte can only be the end of the string, and of no document.
	return "", false
}

// rune reads what follows \u. Half of a pair is left to encoding/json.
func (d *decoder) rune() (rune, bool) {
	if len(d.rest) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.rest[:4]), 16, 16)
	d.rest = d.rest[4:]
	return rune(n), err == nil && !utf16.IsSurrogate(rune(n))
}
