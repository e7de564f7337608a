package image

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAChallengeIsReadAsTheRFCWritesIt(t *testing.T) {
	type params = map[string]string
	hub := params{"realm": "https://auth.docker.io/token", "service": "registry.docker.io", "scope": "repository:library/alpine:pull"}
	for _, c := range []struct {
		name  string
		lines []string
		want  []challenge
	}{
		{"nothing", nil, nil},
		{"an empty line", []string{""}, nil},
		{"Docker Hub's", []string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"`}, []challenge{{"bearer", hub}}},
		{"spaces, tabs and case", []string{"  BEARER  Realm = \"https://auth.docker.io/token\" ,\tSERVICE\t=\"registry.docker.io\" , scope=\"repository:library/alpine:pull\"  "}, []challenge{{"bearer", hub}}},
		{"a comma within quotes", []string{`Bearer realm="x",scope="repository:a:pull,push"`}, []challenge{{"bearer", params{"realm": "x", "scope": "repository:a:pull,push"}}}},
		{"escapes within quotes", []string{`Basic realm="a \"b\" \\ c"`}, []challenge{{"basic", params{"realm": `a "b" \ c`}}}},
		{"what looks like a challenge within quotes", []string{`Basic realm="x\", Bearer realm=\"evil"`}, []challenge{{"basic", params{"realm": `x", Bearer realm="evil`}}}},
		{"an unquoted value", []string{"Bearer realm=x, error=invalid_token"}, []challenge{{"bearer", params{"realm": "x", "error": "invalid_token"}}}},
		{"an empty value", []string{`Bearer realm="",service=""`}, []challenge{{"bearer", params{"realm": "", "service": ""}}}},
		{"a scheme alone", []string{"Negotiate"}, []challenge{{"negotiate", params{}}}},
		{"two in one line", []string{`Basic realm="a", charset="UTF-8", Bearer realm="b",service="c"`}, []challenge{{"basic", params{"realm": "a", "charset": "UTF-8"}}, {"bearer", params{"realm": "b", "service": "c"}}}},
		{"two in two lines", []string{"Negotiate", `Bearer realm="b"`}, []challenge{{"negotiate", params{}}, {"bearer", params{"realm": "b"}}}},
		{"a scheme alone before another", []string{`Negotiate, Bearer realm="b"`}, []challenge{{"negotiate", params{}}, {"bearer", params{"realm": "b"}}}},
		{"base64 in the place of parameters", []string{`Negotiate YII/+a==, Bearer realm="b"`}, []challenge{{"negotiate", params{}}, {"bearer", params{"realm": "b"}}}},
		{"empty elements of the list", []string{`, ,Bearer ,realm="b",, service="c",`}, []challenge{{"bearer", params{"realm": "b", "service": "c"}}}},
		{"a parameter twice", []string{`Bearer realm="a",realm="b"`}, []challenge{{"bearer", params{"realm": "a"}}}},
		{"quotes without an end", []string{`Basic realm="a", Bearer realm="b`}, []challenge{{"basic", params{"realm": "a"}}}},
		{"an escape without an end", []string{`Bearer realm="b\`}, nil},
		{"no value", []string{`Bearer realm=, service="c"`, `Basic realm="a"`}, []challenge{{"basic", params{"realm": "a"}}}},
		{"no comma", []string{`Bearer realm="b" service="c"`}, nil},
		{"a parameter before any scheme", []string{`realm="b", Bearer realm="c"`}, nil},
		{"a character that no token has", []string{`Bearer realm="b", {x}`, "@"}, nil},
	} {
		if got := parseChallenges(c.lines); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q is read as %v, want %v", c.name, c.lines, got, c.want)
		}
	}
}

// What was read is written in the plainest form and read again.
func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"`,
		`Negotiate YII==, Basic realm="a \"b\"", charset=UTF-8`, `Bearer realm="b`, "Bearer =,=", `, x y=z`, "Bearer realm=\\",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := parseChallenges([]string{s})
		var lines []string
		for _, c := range got {
			var params []string
			for _, name := range slices.Sorted(maps.Keys(c.params)) {
				if strings.ToLower(name) != name || strings.ContainsAny(name, " \t,=\"") || name == "" {
					t.Errorf("%q has a parameter %q", s, name)
				}
				quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.params[name])
				params = append(params, fmt.Sprintf(`%s="%s"`, name, quoted))
			}
			lines = append(lines, c.scheme+" "+strings.Join(params, ", "))
		}
		if again := parseChallenges([]string{strings.Join(lines, ", ")}); !reflect.DeepEqual(again, got) {
			t.Errorf("%q is %v; written as %q it is %v", s, got, lines, again)
		}
	})
}
