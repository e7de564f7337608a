package container

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// LogConfig says where a container's output is kept, in docker's words. Type is
// "json-file", "local" or "none", and "" is json-file. What Config may hold
// depends on it:
//
//	max-size          a file that has come to this size is followed by a new one
//	max-file          how many files there are, at most
//	labels, env       names, with commas: those that the container has are told
//	                  with each line, see `logs --details`
//
// json-file keeps one file that grows without end, unless it is told otherwise;
// local keeps five of 20 MB. Both write the same format, see [LogEntry].
type LogConfig struct {
	Type   string
	Config map[string]string
}

const (
	jsonFileLog = "json-file"
	localLog    = "local"
	noLog       = "none"
)

// ErrNoLog is what there is to say of a container that keeps no log.
var ErrNoLog = errors.New("configured logging driver does not support reading")

// logLimits are the options of a [LogConfig] that are numbers.
type logLimits struct {
	size  int64 // in bytes, 0 is unlimited
	files int
}

// limits reads the options, in the words of docker for what is wrong with them.
func (l *LogConfig) limits() (logLimits, error) {
	var have logLimits
	parseSize := units.FromHumanSize // 10m is ten million
	switch l.Type {
	case "", jsonFileLog:
		have = logLimits{files: 1}
	case localLog:
		have = logLimits{size: 20 << 20, files: 5}
		parseSize = units.RAMInBytes
	case noLog:
		if len(l.Config) > 0 {
			return have, fmt.Errorf("invalid logging opts for driver %s", l.Type)
		}
		return have, nil
	default:
		return have, fmt.Errorf("logger: no log driver named '%s' is registered", l.Type)
	}
	compress := false
	for key, value := range l.Config {
		var err error
		switch key {
		case "max-size":
			have.size, err = parseSize(value)
			if err == nil && have.size <= 0 {
				err = errors.New("max-size must be a positive number")
			}
		case "max-file":
			have.files, err = strconv.Atoi(value)
			if err == nil && have.files < 1 {
				err = errors.New("max-file cannot be less than 1")
			}
		case "compress":
			compress, err = strconv.ParseBool(value)
		case "labels", "env":
		case "labels-regex", "env-regex", "tag":
			err = fmt.Errorf("log opt '%s' is not supported", key)
		default:
			err = fmt.Errorf("unknown log opt '%s' for json-file log driver", key)
			if l.Type == localLog {
				err = fmt.Errorf("unknown log opt '%s' for log driver local", key)
			}
		}
		if err != nil {
			return have, err
		}
	}
	if compress {
		return have, errors.New("log opt 'compress=true' is not supported: logs are kept as they are")
	}
	return have, nil
}

func (l *LogConfig) name() string {
	if l.Type == "" {
		return jsonFileLog
	}
	return l.Type
}

// logAttrs are the labels and variables that are told with each line.
func (c *Container) logAttrs() map[string]string {
	attrs := map[string]string{}
	for name := range strings.SplitSeq(c.HostConfig.LogConfig.Config["labels"], ",") {
		if value, ok := c.Config.Labels[name]; ok {
			attrs[name] = value
		}
	}
	names := strings.Split(c.HostConfig.LogConfig.Config["env"], ",")
	for _, v := range c.Config.Env {
		if name, value, ok := strings.Cut(v, "="); ok && slices.Contains(names, name) {
			attrs[name] = value
		}
	}
	return attrs
}

// LogPath is where inspect says that the log is: docker tells it of json-file
// alone.
func (c *Container) LogPath() string {
	if c.HostConfig.LogConfig.name() != jsonFileLog {
		return ""
	}
	return c.logFile()
}

// logFile is the newest file of the log, "" with none. The older ones have .1, .2
// and so on behind its name.
func (c *Container) logFile() string {
	switch c.HostConfig.LogConfig.name() {
	case noLog:
		return ""
	case localLog:
		return filepath.Join(c.dir, "container.log")
	}
	return filepath.Join(c.dir, c.ID+"-json.log")
}
