package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// exactArgs and maxArgs check the number of arguments in docker's words.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usageError(cmd, fmt.Sprintf("requires %d %s", n, plural(n, "argument")))
	}
}

func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return usageError(cmd, fmt.Sprintf("accepts at most %d %s", n, plural(n, "argument")))
	}
}

func rangeArgs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if least <= len(args) && len(args) <= most {
			return nil
		}
		return usageError(cmd, fmt.Sprintf("requires at least %d and at most %d %s", least, most, plural(most, "argument")))
	}
}

// eachAtOnce does something with every argument at the same time, as some of it
// takes long. Arguments that went well are printed, and errors, in the order of the
// arguments; after an error it ends with exit code 1.
func (c *cli) eachAtOnce(args []string, do func(string) error) error {
	results := make([]chan error, len(args))
	for i, arg := range args {
		results[i] = make(chan error, 1)
		go func() { results[i] <- do(arg) }()
	}
	failed := false
	for i, arg := range args {
		if err := <-results[i]; err != nil {
			fmt.Fprintln(c.err, err)
			failed = true
		} else {
			fmt.Fprintln(c.out, arg)
		}
	}
	if failed {
		return &exitError{code: 1}
	}
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
