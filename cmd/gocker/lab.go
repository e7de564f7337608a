package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// interrupted is the exit code of a command that ctrl-c has ended.
const interrupted = 128 + int(syscall.SIGINT)

func newLabCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "lab [EXPERIMENT...]",
		Short: "List or run experiments that show what a container's walls are for",
		Long: `List or run experiments that show what a container's walls are for.

Without EXPERIMENT, lists them. An experiment runs containers, first with one
wall left out (see --without of gocker run), then with it, and tells what is to
be seen. "all" runs every experiment. None needs an image, none changes anything
of the host but what it has made itself and takes away again.

The exit code is 0 when both halves were as told, and 1 when they were not.`,
		ValidArgs: append(experimentNames(), "all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listExperiments(c.out)
			}
			chosen, err := chooseExperiments(args)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			return c.runExperiments(ctx, chosen)
		},
	}
}

func experimentNames() []string {
	var names []string
	for _, e := range experiments {
		names = append(names, e.name)
	}
	return names
}

func listExperiments(w io.Writer) error {
	table := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	fmt.Fprintln(table, "EXPERIMENT\tWALL\tWITHOUT IT")
	for _, e := range experiments {
		fmt.Fprintf(table, "%s\t%s\t%s\n", e.name, e.wall, e.title)
	}
	return table.Flush()
}

func chooseExperiments(names []string) ([]experiment, error) {
	if slices.Equal(names, []string{"all"}) {
		return experiments, nil
	}
	var chosen []experiment
	for _, name := range names {
		i := slices.IndexFunc(experiments, func(e experiment) bool { return e.name == name })
		if i < 0 {
			return nil, fmt.Errorf("gocker: there is no experiment %q: 'gocker lab' lists them", name)
		}
		chosen = append(chosen, experiments[i])
	}
	return chosen, nil
}

// runExperiments runs experiments one after the other and sums them up.
func (c *cli) runExperiments(ctx context.Context, chosen []experiment) error {
	var failed []string
	for _, e := range chosen {
		shown, err := c.runExperiment(ctx, &e)
		if ctx.Err() != nil {
			return &exitError{code: interrupted, err: errors.Join(errors.New("gocker: interrupted; the experiment is cleared away"), err)}
		}
		if err != nil {
			return fmt.Errorf("gocker: experiment %s: %w", e.name, err)
		}
		if !shown {
			failed = append(failed, e.name)
		}
	}
	if len(failed) > 0 {
		return &exitError{code: 1, err: fmt.Errorf("gocker: not as told: %s", strings.Join(failed, ", "))}
	}
	return nil
}

// runExperiment runs one experiment and clears it away. It reports whether both
// halves were as told.
func (c *cli) runExperiment(ctx context.Context, e *experiment) (shown bool, err error) {
	t := &teller{out: c.out}
	b, err := newBench(c)
	if err != nil {
		return false, err
	}
	// The host's namespaces are changed for one thread, and for what it starts.
	var ended error
	done := make(chan error, 1)
	go func() {
		done <- b.standIn(e.standIn, func() {
			shown = b.perform(ctx, e, t)
			// The kernel ends with the thread what it has started.
			ended = b.stopJobs()
		})
	}()
	return shown, errors.Join(<-done, ended, b.clear(), t.err)
}

// perform runs both halves of an experiment.
func (b *bench) perform(ctx context.Context, e *experiment, t *teller) bool {
	t.title(fmt.Sprintf("%s: %s", e.name, e.title))
	t.say(b.expand(e.idea))
	shown := true
	for _, half := range []struct {
		title string
		steps []labStep
	}{
		{"WITHOUT " + e.wall, e.without},
		{"WITH " + e.wall, e.with},
	} {
		if ctx.Err() != nil {
			return false
		}
		t.title(half.title)
		asTold := true
		for _, s := range half.steps {
			if ctx.Err() != nil {
				return false
			}
			asTold = b.step(ctx, &s, t) && asTold
		}
		shown = shown && asTold
	}
	if shown {
		t.title(e.name + ": both halves were as told.")
	} else if ctx.Err() == nil {
		t.title(e.name + ": NOT as told.")
	}
	return shown
}

// step runs one step and reports whether it went as told.
func (b *bench) step(ctx context.Context, s *labStep, t *teller) bool {
	t.say(s.tell)
	words := b.words(s.do)
	t.command(words)
	result := b.do(ctx, words)
	if ctx.Err() != nil {
		return false
	}
	want, not := b.pattern(s.want), b.pattern(s.not)
	t.output(result.output, want)
	if s.keep != "" {
		b.vars[s.keep] = strings.TrimSpace(result.output)
	}
	asTold := true
	wrong := func(format string, args ...any) {
		asTold = false
		t.say("NOT AS TOLD: " + fmt.Sprintf(format, args...))
	}
	if result.code != s.code {
		wrong("the exit code is %d, and was told to be %d", result.code, s.code)
	}
	if want != nil && !want.MatchString(result.output) {
		wrong("the output lacks %q", s.want)
	}
	if not != nil && not.MatchString(result.output) {
		wrong("the output has %q", s.not)
	}
	if asTold {
		t.say(s.seen)
	}
	return asTold
}

// pattern returns a pattern of a step, nil for "". What stands for a variable
// is not part of the pattern.
func (b *bench) pattern(text string) *regexp.Regexp {
	if text == "" {
		return nil
	}
	text = os.Expand(text, func(name string) string { return regexp.QuoteMeta(b.vars[name]) })
	return regexp.MustCompile("(?m)" + text)
}
