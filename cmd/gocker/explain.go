package main

import (
	"errors"
	"io"
	"os"

	"gocker/container/step"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// explanation is the flag --explain of the verbs that do something: alone it
// asks for a script, with =json for data. It is its own format, "" for none.
type explanation string

func (e *explanation) register(flags *pflag.FlagSet) {
	flags.Var(e, "explain", "Print what would be done as a commented sh script (\"sh\") or as data (\"json\"), and do nothing")
	flags.Lookup("explain").NoOptDefVal = "sh"
}

func (e explanation) wanted() bool { return e != "" }

// String and the others make it a pflag.Value.
func (e explanation) String() string { return string(e) }

// Type is what help calls the value.
func (e explanation) Type() string { return "format" }

// Set takes a format.
func (e *explanation) Set(word string) error {
	switch word {
	case "sh", "json":
		*e = explanation(word)
	case "true": // of a flag that is either there or not
		*e = "sh"
	case "false":
		*e = ""
	default:
		return errors.New(`must be "sh" or "json"`)
	}
	return nil
}

// print prints a script in the format that was asked for.
func (e explanation) print(c *cli, script *step.Script) error {
	if e == "json" {
		return script.PrintJSON(c.out)
	}
	return script.Print(c.out, step.PrintOptions{Colours: showsColours(c.out)})
}

// showsColours reports whether w is a terminal whose user wants colours. See
// no-color.org.
func showsColours(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
