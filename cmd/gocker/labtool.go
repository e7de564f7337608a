package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// labTool is a program of the experiments. It is this one: in a container's root
// it is the interpreter of a script with the tool's name, "#!/gocker lab-tool".
type labTool struct {
	name string
	do   func(c *cli, args []string) error
}

// labTools are the programs of the experiments. All end by themselves, those
// that wait after waitLimit.
var labTools = []labTool{
	{"burst", burstTool},
	{"cat", catTool},
	{"connect", connectTool},
	{"escape", escapeTool},
	{"hog", hogTool},
	{"hostname", hostnameTool},
	{"kill", killTool},
	{"listen", listenTool},
	{"mount", mountTool},
	{"mounts", mountsTool},
	{"open", openTool},
	{"ps", psTool},
	{"serve", serveTool},
	{"shm-keep", shmKeepTool},
	{"shm-read", shmReadTool},
	{"wait", waitTool},
	{"write", writeTool},
}

// waitLimit is for a tool that outlived whoever should have ended it.
const waitLimit = 5 * time.Minute

// newLabToolCommand makes the command that stands for all tools. It is for the
// experiments, and not shown.
func newLabToolCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:                "lab-tool NAME [ARG...]",
		Short:              "Be a program of the experiments",
		Hidden:             true,
		Args:               minArgs(1),
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			name := filepath.Base(args[0])
			for _, tool := range labTools {
				if tool.name != name {
					continue
				}
				if err := tool.do(c, args[1:]); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				return nil
			}
			return fmt.Errorf("gocker: there is no tool %q", name)
		},
	}
}

// argument returns an argument, "" for one that is missing.
func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

func catTool(c *cli, args []string) error {
	text, err := os.ReadFile(argument(args, 0))
	if err != nil {
		return err
	}
	_, err = c.out.Write(text)
	return err
}

// writeTool writes a line over what a file has.
func writeTool(_ *cli, args []string) error {
	return os.WriteFile(argument(args, 0), []byte(argument(args, 1)+"\n"), 0o600)
}

// hostnameTool prints the host's name, and sets it first if it is given one.
func hostnameTool(c *cli, args []string) error {
	if name := argument(args, 0); name != "" {
		if err := unix.Sethostname([]byte(name)); err != nil {
			return fmt.Errorf("sethostname: %w", err)
		}
	}
	name, err := os.Hostname()
	fmt.Fprintln(c.out, name)
	return err
}

// psTool lists the processes that /proc shows.
func psTool(c *cli, _ []string) error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(command) == 0 {
			continue // it has ended, or is one of the kernel's own
		}
		words := strings.ReplaceAll(strings.TrimRight(string(command), "\x00"), "\x00", " ")
		fmt.Fprintf(c.out, "%7s %s\n", filepath.Base(dir), words)
	}
	return nil
}

func killTool(_ *cli, args []string) error {
	pid, err := strconv.Atoi(argument(args, 0))
	if err != nil || pid <= 1 { // less than one would be many
		return fmt.Errorf("%q is not the pid of a process", argument(args, 0))
	}
	return unix.Kill(pid, unix.SIGKILL)
}

// waitTool does nothing until it is asked to end.
func waitTool(c *cli, _ []string) error { return waitReady(c, "") }

// waitReady says that a tool is ready, and waits.
func waitReady(c *cli, value string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if _, err := fmt.Fprintln(c.out, strings.TrimSpace("ready "+value)); err != nil {
		return err
	}
	select {
	case <-signals:
	case <-time.After(waitLimit):
	}
	return nil
}

// serveTool answers on a port of the loopback interface that the kernel
// chooses.
func serveTool(c *cli, args []string) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, argument(args, 0))
			conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	return waitReady(c, port)
}

func listenTool(c *cli, args []string) error {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", argument(args, 0)))
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, "listening on", l.Addr())
	return l.Close()
}

func connectTool(c *cli, args []string) error {
	conn, err := net.DialTimeout("tcp4", net.JoinHostPort("127.0.0.1", argument(args, 0)), labPatience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(c.out, conn)
	return err
}

// openTool makes a device, given by its type and numbers, and opens it, or
// opens a file. Nothing is read or written.
func openTool(c *cli, args []string) error {
	path := argument(args, 0)
	if len(args) == 3 {
		major, err1 := strconv.Atoi(args[1])
		minor, err2 := strconv.Atoi(args[2])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		kind := uint32(unix.S_IFCHR)
		if args[0] == "b" {
			kind = unix.S_IFBLK
		}
		path = "/tmp/device"
		if err := unix.Mknod(path, kind|0o600, int(unix.Mkdev(uint32(major), uint32(minor)))); err != nil {
			return fmt.Errorf("mknod: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, "opened", path)
	return f.Close()
}

func mountTool(c *cli, args []string) error {
	dir := argument(args, 0)
	if err := unix.Mount("lab", dir, "tmpfs", 0, "size=64k"); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "mounted a tmpfs on", dir)
	return nil
}

// mountsTool lists the mounts whose path has a word in it, with their types.
func mountsTool(c *cli, args []string) error {
	table, err := os.ReadFile("/proc/thread-self/mounts")
	if err != nil {
		return err
	}
	found := false
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) > 2 && strings.Contains(fields[1], argument(args, 0)) {
			found = true
			fmt.Fprintln(c.out, fields[1], fields[2])
		}
	}
	if !found {
		fmt.Fprintln(c.out, "none")
	}
	return nil
}
