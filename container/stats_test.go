package container

import (
	"strings"
	"testing"
	"time"
)

func TestTheMachinesTimeIsThatOfAllItsCPUs(t *testing.T) {
	total, cpus, err := parseHostCPU(strings.NewReader("cpu  100 1 10 1000 5 2 3 50 20 0\ncpu0 50 1 5 500 5 1 2 25 10 0\ncpu1 50 0 5 500 0 1 1 25 10 0\nintr 5 1 2 3 4 5 6 7 8\nctxt 9\n"))
	if err != nil || total != 11210*time.Millisecond || cpus != 2 {
		t.Errorf("%v of %d CPUs, %v", total, cpus, err)
	}
	if _, _, err := parseHostCPU(strings.NewReader("cpu 1 2 3 4 5 6 x\n")); err == nil {
		t.Error("a word was read as a number")
	}
}

func TestTrafficIsThatOfOtherInterfacesThanLoopback(t *testing.T) {
	const head = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	received, sent, err := parseTraffic(strings.NewReader(head +
		"    lo:  1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0\n" +
		"  eth0:  2000      20    0    0    0     0          0         0      300       3    0    0    0     0       0          0\n" +
		"  eth1:5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n"))
	if err != nil || received != 2005 || sent != 307 {
		t.Errorf("received %d, sent %d, %v", received, sent, err)
	}
}
