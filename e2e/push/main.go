// Command push builds an image of package fixture and sends it to a registry on
// loopback: push NAME REFERENCE. The demo and the benchmark use it, because a
// machine without skopeo can run it too.
package main

import (
	"context"
	"fmt"
	"os"

	"gocker/e2e/fixture"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: push NAME REFERENCE")
		os.Exit(2)
	}
	if err := push(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}

func push(name, ref string) error {
	image, err := fixture.Build(name, &fixture.Source{Gocker: os.Getenv("GOCKER")})
	if err != nil {
		return err
	}
	return fixture.Push(context.Background(), ref, image)
}
