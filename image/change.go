package image

import (
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ApplyChange changes a config as an instruction of a Dockerfile does: those that
// `docker commit --change` takes, but for HEALTHCHECK and ONBUILD.
func ApplyChange(c *v1.Config, instruction string) error {
	word, rest, _ := strings.Cut(strings.TrimSpace(instruction), " ")
	rest = strings.TrimSpace(rest)
	word = strings.ToUpper(word)
	if rest == "" {
		return fmt.Errorf("%s requires an argument", word)
	}
	switch word {
	case "CMD":
		c.Cmd = command(rest)
	case "ENTRYPOINT":
		c.Entrypoint, c.Cmd = command(rest), nil
	case "ENV", "LABEL":
		pairs, err := pairs(word, rest)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			if word == "ENV" {
				c.Env = setEnv(c.Env, p[0], p[1])
				continue
			}
			if c.Labels == nil {
				c.Labels = map[string]string{}
			}
			c.Labels[p[0]] = p[1]
		}
	case "EXPOSE":
		for _, port := range strings.Fields(rest) {
			if !strings.Contains(port, "/") {
				port += "/tcp"
			}
			c.ExposedPorts = addTo(c.ExposedPorts, port)
		}
	case "VOLUME":
		paths := strings.Fields(rest)
		if strings.HasPrefix(rest, "[") {
			if err := json.Unmarshal([]byte(rest), &paths); err != nil {
				return fmt.Errorf("VOLUME %s: %w", rest, err)
			}
		}
		for _, path := range paths {
			c.Volumes = addTo(c.Volumes, path)
		}
	case "STOPSIGNAL":
		c.StopSignal = rest
	case "USER":
		c.User = rest
	case "WORKDIR":
		if !strings.HasPrefix(rest, "/") {
			rest = strings.TrimSuffix(c.WorkingDir, "/") + "/" + rest
		}
		c.WorkingDir = rest
	default:
		return fmt.Errorf("%s is not a valid change command", word)
	}
	return nil
}

// command reads the two forms of a command: a list in JSON, or a line for a shell.
func command(text string) []string {
	var words []string
	if json.Unmarshal([]byte(text), &words) == nil {
		return words
	}
	return []string{"/bin/sh", "-c", text}
}

func setEnv(env []string, name, value string) []string {
	for i, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

func addTo(set map[string]struct{}, key string) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	set[key] = struct{}{}
	return set
}

// pairs reads NAME=VALUE NAME="VALUE WITH SPACES" …, or docker's old NAME VALUE.
func pairs(word, text string) (all [][2]string, err error) {
	if name, value, ok := strings.Cut(text, " "); ok && !strings.Contains(name, "=") {
		return [][2]string{{name, strings.TrimSpace(value)}}, nil
	}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("Syntax error - can't find = in %q. Must be of the form: name=value", text)
		}
		var value strings.Builder
		var quote byte
		i := 0
		for ; i < len(rest) && (quote != 0 || rest[i] != ' '); i++ {
			switch ch := rest[i]; {
			case ch == '\\' && quote != '\'' && i+1 < len(rest):
				i++
				value.WriteByte(rest[i])
			case quote == 0 && (ch == '"' || ch == '\''):
				quote = ch
			case ch == quote:
				quote = 0
			default:
				value.WriteByte(ch)
			}
		}
		if quote != 0 {
			return nil, fmt.Errorf("%s %s: a quote is not closed", word, text)
		}
		all = append(all, [2]string{name, value.String()})
		text = rest[i:]
	}
	return all, nil
}
