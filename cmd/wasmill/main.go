// Command wasmill runs jobs whose operators are WebAssembly modules.
//
// Main reads flags and configuration, wires packages together and turns errors into
// exit codes; each verb has a file of its own. Start with the verb.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/runtime/graph"
)

func main() { os.Exit(execute(context.Background(), os.Args[1:])) }

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string) int {
	defer runtime.KeepAlive(ballast())
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return exitCode(err)
}

// completeFiles completes the first argument with files of these extensions.
func completeFiles(extensions ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}

// verbs are the commands there are.
func verbs() []*cobra.Command {
	return []*cobra.Command{
		runCommand(),
		newCommand(),
		testCommand(),
		validateCommand(),
		inspectCommand(),
		checkpointCommand(),
		stateCommand(),
		storeCommand(),
		versionCommand(),
		superviseCommand(),
		engineCommand(),
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "wasmill",
		Short: "Stateful stream processing with WebAssembly operators",
		Long: `wasmill runs stateful dataflows whose operators are WebAssembly modules.

Every flag but --set can be set in the environment (--cache-dir is WASMILL_CACHE_DIR) and in
wasmill.yaml in the working directory (cache-dir: …). Flags win over the environment,
the environment over the file.

Exit codes: 0 done; 1 the job failed (7: by a guest's fault); 2 usage; 3 invalid job
file, module or configuration; 4 not found; 5 refused; 6 server not reachable; 8 wait
timed out; 9 not allowed; 10 lost a race, try again; 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range cmd.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name())
				}
			}
			return fmt.Errorf("no verb %q (%s)", args[0], graph.Suggest(args[0], names))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd); err != nil {
				return err
			}
			return startLogging(cmd)
		},
	}
	root.PersistentFlags().String("cache-dir", defaultCacheDir(), "where compiled modules are kept")
	addLogFlags(root)
	root.AddCommand(verbs()...)
	root.InitDefaultCompletionCmd()
	markUsage(root)
	return root
}
