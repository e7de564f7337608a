package image

import "strings"

// challenge is one way to authenticate that a server offers.
type challenge struct {
	scheme string            // in lower case: bearer, basic
	params map[string]string // by their names in lower case: realm, service, scope
}

// parseChallenges reads the lines of a WWW-Authenticate header (RFC 9110, 11.6.1).
// A line may hold several challenges, and both they and their parameters are parted
// by commas, so that only what follows a word tells which of the two it is. A
// challenge that is malformed is left out, with what follows it in its line. Of a
// parameter that comes twice the first counts.
func parseChallenges(lines []string) []challenge {
	var all []challenge
	for _, line := range lines {
		found, ok := parseChallengeLine(line)
		if !ok && len(found) > 0 {
			found = found[:len(found)-1]
		}
		all = append(all, found...)
	}
	return all
}

// parseChallengeLine returns the challenges of one line, the last of which is
// unfinished where ok is false.
func parseChallengeLine(s string) (found []challenge, ok bool) {
	open := false // the last challenge may have parameters
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return found, true
		}
		word, rest := cutToken(s)
		if word == "" {
			return found, false
		}
		after, isParam := strings.CutPrefix(trimSpace(rest), "=")
		if !isParam {
			found = append(found, challenge{strings.ToLower(word), make(map[string]string)})
			s, open, ok = skipToken68(rest)
			if !ok {
				return found, false
			}
			continue
		}
		value, rest, ok := cutValue(trimSpace(after))
		rest = trimSpace(rest)
		if !ok || !open || rest != "" && rest[0] != ',' {
			return found, false
		}
		params := found[len(found)-1].params
		if name := strings.ToLower(word); params[name] == "" {
			params[name] = value
		}
		s = rest
	}
}

// skipToken68 passes over what may stand behind a scheme in the place of parameters,
// as in "Negotiate YII=". Where it does, open is false: none may follow. Where the
// scheme has no end, ok is false.
func skipToken68(s string) (rest string, open, ok bool) {
	rest = trimSpace(s)
	if rest == "" || rest[0] == ',' {
		return rest, true, true
	}
	if len(rest) == len(s) {
		return s, false, false
	}
	after := strings.TrimLeft(rest, alnum+upper+"-._~+/")
	after = trimSpace(strings.TrimLeft(after, "="))
	if after == "" || after[0] == ',' {
		return after, false, true
	}
	return rest, true, true
}

// cutToken parts a token from what follows it (RFC 9110, 5.6.2).
func cutToken(s string) (token, rest string) {
	rest = strings.TrimLeft(s, alnum+upper+"!#$%&'*+-.^_`|~")
	return s[:len(s)-len(rest)], rest
}

// cutValue parts a token or a quoted string (RFC 9110, 5.6.4) from what follows it.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

func trimSpace(s string) string { return strings.TrimLeft(s, " \t") }
