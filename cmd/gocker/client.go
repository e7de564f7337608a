package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gocker/container"

	"github.com/spf13/pflag"
)

// clientFlags are those of whoever stays with a container.
type clientFlags struct {
	keys  string
	proxy bool
}

func (f *clientFlags) register(flags *pflag.FlagSet) {
	f.registerKeys(flags)
	flags.BoolVar(&f.proxy, "sig-proxy", true, "Proxy received signals to the process")
}

func (f *clientFlags) registerKeys(flags *pflag.FlagSet) {
	flags.StringVar(&f.keys, "detach-keys", defaultDetachKeys, "Override the key sequence for detaching a container")
}

// proxies begins to take signals for a container's command. As in docker, one with
// a terminal gets none but those that are typed.
func (f *clientFlags) proxies(ctr *container.Container) chan os.Signal {
	if !f.proxy || ctr.Config.Tty {
		return nil
	}
	return catchSignals()
}

// runningCommand is a container's, of which this process is the monitor or just a
// client.
type runningCommand interface {
	Signal(syscall.Signal) error
	Resize(container.Size) error
	Wait() (*container.Exit, error)
}

// stay waits for a command, and returns its exit code, or that of the error.
func (c *cli) stay(command runningCommand, cl *client, signals chan os.Signal) (code int, err error) {
	cl.follow(command.Resize)
	if signals != nil {
		go proxySignals(signals, command)
	}
	exit, err := command.Wait()
	cl.restore()
	if errors.Is(err, container.ErrDetached) {
		fmt.Fprintln(c.out, "read escape sequence")
		return 0, nil
	}
	if err != nil {
		return 125, err
	}
	return exit.Code, nil
}

// catchSignals begins to take what is sent to this process, in the place of the
// command that is about to start. It goes on until this process ends.
func catchSignals() chan os.Signal {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2)
	// To listen to a signal costs the runtime 20 µs, and there are 60 more that
	// hardly anybody sends: commands that end at once need not pay for them.
	time.AfterFunc(20*time.Millisecond, func() { signal.Notify(signals) })
	return signals
}

// proxySignals passes signals on to the command, so that `kill` of a foreground
// run works as if it were the command. As in docker, the third SIGINT or SIGTERM
// gives up waiting.
func proxySignals(signals <-chan os.Signal, command runningCommand) {
	insist := 0
	for s := range signals {
		sig, ok := s.(syscall.Signal)
		switch {
		case !ok, sig == syscall.SIGCHLD, sig == syscall.SIGPIPE, sig == syscall.SIGURG:
			continue
		case sig == syscall.SIGINT, sig == syscall.SIGTERM:
			if insist++; insist == 3 {
				fmt.Fprintf(os.Stderr, "\ngot %d SIGTERM/SIGINTs, forcefully exiting\n", insist)
				os.Exit(1)
			}
		}
		_ = command.Signal(sig) // the command may be ending
	}
}
