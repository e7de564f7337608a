package container

import (
	"fmt"
	"testing"
)

func TestLogOptionsAreCheckedInDockersWords(t *testing.T) {
	for _, c := range []struct{ driver, key, value, want string }{
		{"", "", "", "{0 1}"},
		{"json-file", "max-size", "10m", "{10000000 1}"},
		{"json-file", "max-file", "3", "{0 3}"},
		{"local", "", "", "{20971520 5}"},
		{"local", "max-size", "10m", "{10485760 5}"},
		{"local", "compress", "false", "{20971520 5}"},
		{"none", "", "", "{0 0}"},
		{"none", "max-size", "1", "invalid logging opts for driver none"},
		{"syslog", "", "", "logger: no log driver named 'syslog' is registered"},
		{"json-file", "max-size", "0", "max-size must be a positive number"},
		{"json-file", "max-size", "-1", "invalid size: '-1'"},
		{"json-file", "max-size", "x", "invalid size: 'x'"},
		{"json-file", "max-file", "0", "max-file cannot be less than 1"},
		{"json-file", "colour", "red", "unknown log opt 'colour' for json-file log driver"},
		{"local", "colour", "red", "unknown log opt 'colour' for log driver local"},
		{"json-file", "compress", "true", "log opt 'compress=true' is not supported: logs are kept as they are"},
		{"json-file", "tag", "x", "log opt 'tag' is not supported"},
	} {
		conf := LogConfig{Type: c.driver, Config: map[string]string{}}
		if c.key != "" {
			conf.Config[c.key] = c.value
		}
		limits, err := conf.limits()
		got := fmt.Sprint(limits)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: got %s, want %s", c, got, c.want)
		}
	}
}
