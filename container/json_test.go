package container

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"gocker/container/quickjson"
)

func TestJSONIsThatOfPackageJSON(t *testing.T) {
	for _, v := range []any{new(Record), new(Spec), new(State)} {
		for depth := range 9 {
			// With depth, more and more of the fields are set.
			set(reflect.ValueOf(v).Elem(), depth)
			want, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if got := quickjson.Append(nil, v); string(got) != string(want) {
				t.Errorf("%T, depth %d:\ngot  %s\nwant %s", v, depth, got, want)
			}
			// The fields that are no UTF-8 are not what they were.
			back, wantBack := reflect.New(reflect.TypeOf(v).Elem()), reflect.New(reflect.TypeOf(v).Elem())
			if err := json.Unmarshal(want, wantBack.Interface()); err != nil {
				t.Fatal(err)
			}
			if !quickjson.Read(want, back.Interface()) {
				t.Errorf("%T, depth %d: left to encoding/json: %s", v, depth, want)
			} else if !reflect.DeepEqual(back.Interface(), wantBack.Interface()) {
				t.Errorf("%T, depth %d:\nread %+v\nwant %+v", v, depth, back, wantBack)
			}
		}
	}
}

// set gives a value, and what is in it down to a depth, something that is not
// zero.
func set(v reflect.Value, depth int) {
	if depth == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("a <b> & \"c\" \\ \n\t\x01 é\u2028\xff")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(-7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(v.Elem(), depth-1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), depth-1, depth-1))
		for i := range v.Len() {
			set(v.Index(i), depth-1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"b", "a", "c"} {
			value := reflect.New(v.Type().Elem()).Elem()
			set(value, depth-1)
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 1, 2, 3, 450, time.UTC)))
			return
		}
		for i := range v.NumField() {
			set(v.Field(i), depth-1)
		}
	}
}
