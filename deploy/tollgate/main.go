// Command tollgate is the one binary: everything in one process with `up`,
// each program alone, and the operator's tools. It owns arguments, exit codes,
// signals and what a terminal shows; the work is in the programs' packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/tollgate/tollgate/deploy/internal/allinone"
	"github.com/tollgate/tollgate/deploy/internal/database"
	"github.com/tollgate/tollgate/migrations"
)

// version is set by the build.
var version = "unknown"

// Exit codes, the same for every verb.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitConflict    = 5
	exitUnavailable = 7
	exitFound       = 8
	exitInterrupted = 130
)

// app is the process as the verbs see it.
type app struct {
	getenv func(string) string
	stdout io.Writer
	stderr io.Writer
	// colour says that stdout is a terminal that wants colour.
	colour bool
}

// verb is one thing that the binary can do.
type verb struct {
	name, summary, usage string
	// more is what help adds.
	more string
	// run returns nil when a signal ended a server that had begun to serve.
	run func(ctx context.Context, a *app, args []string) error
}

func verbs() []verb {
	return []verb{
		{"up", "run everything in this process", "tollgate up", "", up},
		{"controlplane", "run the control plane", "tollgate controlplane", "", runControlPlane},
		{"dataplane", "run a data plane", "tollgate dataplane", "", runDataPlane},
		{"portal", "run the portal", "tollgate portal", "", runPortal},
		{"migrate", "bring the database's schema up to date", "tollgate migrate [--check]",
			"--check changes nothing and fails unless the schema is up to date.", migrate},
		{"keygen", "make the key files of an installation", "tollgate keygen CONTROL_DIR DATAPLANE_DIR",
			"Keys that exist stay. The data planes' private key goes into DATAPLANE_DIR, the rest into CONTROL_DIR.", keygen},
		{"doctor", "check that ledger, rollups and config agree", "tollgate doctor [-o table|json|yaml]",
			"Without TOLLGATE_DATABASE_URL it looks at the database of a running `tollgate up`.", doctor},
		{"prices", "take over a public price list", "tollgate prices import [--format genai-prices|litellm|models.dev|openrouter] [--dry-run] [--effective DATE] [-o table|json] FILE|DIRECTORY|URL",
			"Prices become new dated versions, all of them or none. What an operator set and models that are pinned stay.\n--dry-run only shows what would change. A directory is one with the tables of models.dev.\ndocs/catalog.md tells what is read of a list and whose price counts.", prices},
		{"version", "say which version this is", "tollgate version [-o table|json|yaml]", "", showVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		// A second signal ends the process at once.
		stop()
	})
	a := &app{getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr,
		colour: os.Getenv("NO_COLOR") == "" && isTerminal(os.Stdout)}
	code := a.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// usageError is a mistake in the arguments.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// foundError says that doctor found something.
type foundError struct{ n int }

func (e foundError) Error() string { return fmt.Sprintf("%d checks found something", e.n) }

func (a *app) main(ctx context.Context, args []string) int {
	if len(args) == 0 {
		a.help(a.stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		if len(args) == 1 {
			a.help(a.stdout)
			return exitOK
		}
		// help VERB is VERB --help.
		args = append(slices.Clone(args[1:]), "--help")
	case "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return a.run(ctx, v, args[1:])
		}
	}
	fmt.Fprintf(a.stderr, "tollgate: unknown verb %q\n\n", args[0])
	a.help(a.stderr)
	return exitUsage
}

// run carries out one verb and says what went wrong.
func (a *app) run(ctx context.Context, v verb, args []string) int {
	if slices.ContainsFunc(args, asksForHelp) {
		if len(args) > 1 {
			fmt.Fprintf(a.stderr, "tollgate %s: --help stands alone\n\n", v.name)
			helpOf(a.stderr, v)
			return exitUsage
		}
		helpOf(a.stdout, v)
		return exitOK
	}
	err := v.run(ctx, a, args)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	fmt.Fprintf(a.stderr, "tollgate %s: %v\n", v.name, err)
	switch {
	case errors.As(err, new(usageError)):
		fmt.Fprintf(a.stderr, "Usage: %s\n", v.usage)
	case errors.Is(err, allinone.ErrConfig):
		fmt.Fprintf(a.stderr, "`tollgate %s --help` lists the variables.\n", v.name)
	}
	return exitCode(err)
}

func asksForHelp(arg string) bool { return arg == "-h" || arg == "--help" }

func exitCode(err error) int {
	switch {
	case errors.As(err, new(usageError)), errors.Is(err, allinone.ErrConfig), errors.Is(err, database.ErrURL):
		return exitUsage
	case errors.As(err, new(foundError)):
		return exitFound
	case errors.Is(err, allinone.ErrInUse), errors.Is(err, migrations.ErrNewer), errors.Is(err, syscall.EADDRINUSE):
		return exitConflict
	case errors.Is(err, database.ErrUnreachable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED):
		return exitUnavailable
	}
	return exitError
}

func (a *app) help(w io.Writer) {
	fmt.Fprint(w, "Tollgate stands between your programs and the model providers they call.\n\nUsage: tollgate VERB\n       tollgate help VERB\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-14s%s\n", v.name, v.summary)
	}
	fmt.Fprint(w, `
Configuration comes from the environment: TOLLGATE_* variables. The help of each
verb lists them, docs/operations.md explains them. Exit codes: 0 well, 1 error,
2 usage or configuration, 5 conflict (a port or directory in use, a newer
database), 7 unavailable, 8 doctor found something, 130 interrupted.
`)
}

// noArguments refuses what a verb does not take.
func noArguments(args []string) error {
	if len(args) > 0 {
		return usageError{"takes no arguments, got " + strings.Join(args, " ")}
	}
	return nil
}
