package container

import (
	"crypto/rand"
	"encoding/hex"
	mathrand "math/rand/v2"
)

// NewID returns 64 random hex digits, an id for a container to be created.
func NewID() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see its documentation
	return hex.EncodeToString(b)
}

// adjectives and sailors make the names of containers that were given none: a
// gocker is a small boat's crew.
var (
	adjectives = []string{
		"able", "agile", "ample", "brave", "breezy", "bright", "brisk", "calm", "candid", "cheery",
		"civil", "clever", "cosy", "crisp", "daring", "deft", "eager", "early", "earnest", "easy",
		"fair", "fond", "frank", "free", "fresh", "gentle", "glad", "golden", "good", "hale",
		"handy", "hardy", "hearty", "honest", "jolly", "keen", "kind", "light", "lively", "loyal",
		"lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient",
		"plain", "polite", "prime", "proud", "quick", "quiet", "ready", "robust", "salty", "serene",
		"sharp", "silent", "sleek", "smart", "snug", "sober", "sound", "spry", "stable", "steady",
		"sturdy", "sunny", "swift", "tame", "tidy", "true", "upbeat", "vivid", "warm", "wise", "witty",
	}
	sailors = []string{
		"amundsen", "anson", "baffin", "baret", "barents", "bering", "blackburn", "bonny", "bougainville", "cabot",
		"cabral", "champlain", "chichester", "colon", "cook", "cousteau", "crozier", "dampier", "darwin", "davis",
		"dias", "drake", "elcano", "erikson", "fitzroy", "flinders", "franklin", "frobisher", "gama", "gilbert",
		"grace", "grenfell", "gunnbjorn", "hanno", "harrison", "hawkins", "henry", "hudson", "humboldt", "hyde",
		"joyon", "knox", "kupe", "larsen", "macarthur", "magellan", "maury", "moitessier", "nansen", "nelson",
		"pytheas", "quiros", "raleigh", "ross", "sacagawea", "sandwith", "scott", "shackleton", "slocum", "smeeton",
		"tabarly", "tasman", "torres", "tupaia", "vancouver", "vespucci", "villiers", "weddell", "worsley", "zheng",
	}
)

func randomName() string {
	return adjectives[mathrand.IntN(len(adjectives))] + "_" + sailors[mathrand.IntN(len(sailors))]
}
