package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what version tells. Docker has a client and a server; gocker is
// both, and scripts look into the client.
type versionInfo struct{ Client clientInfo }

type clientInfo struct {
	Version   string
	GitCommit string // 7 digits, empty when built outside of the repository
	GoVersion string
	Os        string
	Arch      string
}

func newVersionCommand(c *cli) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:                   "version [OPTIONS]",
		Short:                 "Show the gocker version information",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{Client: clientInfo{
				Version: version, GitCommit: gitCommit(),
				GoVersion: runtime.Version(), Os: runtime.GOOS, Arch: runtime.GOARCH,
			}}
			if format != "" {
				return printOne(c.out, format, v)
			}
			text := fmt.Sprintf("Client:\n Version:           %s\n Go version:        %s\n", v.Client.Version, v.Client.GoVersion)
			if v.Client.GitCommit != "" {
				text += " Git commit:        " + v.Client.GitCommit + "\n"
			}
			_, err := fmt.Fprintf(c.out, "%s OS/Arch:           %s/%s\n", text, v.Client.Os, v.Client.Arch)
			return err
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Format output: json, or a Go template")
	return cmd
}

// gitCommit is the commit that the go command has put into the binary.
func gitCommit() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(7, len(s.Value))]
		}
	}
	return ""
}
