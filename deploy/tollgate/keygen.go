package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/deploy/internal/keyfile"
)

// keygen makes the keys of an installation of several machines. Keys that
// exist stay: a new master key would lose every stored credential.
func keygen(_ context.Context, a *app, args []string) error {
	for _, arg := range args {
		// A directory whose name looks like a flag was meant as a flag.
		if strings.HasPrefix(arg, "-") {
			return usageError{"does not take " + arg}
		}
	}
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return usageError{"needs the control plane's directory and the data planes'"}
	}
	made, err := keyfile.Ensure(keyfile.In(args[0], args[1]))
	if err != nil {
		return err
	}
	for _, name := range made {
		fmt.Fprintln(a.stdout, name)
	}
	if len(made) == 0 {
		fmt.Fprintln(a.stderr, "all keys exist; nothing made")
	}
	return nil
}
