package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/connector"
	"github.com/wasmill/wasmill/runtime/graph"
)

// jobFlags are the flags of verbs that read a job file.
type jobFlags struct {
	set         []string
	parallelism int
}

func (f *jobFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "override a value of the job file: operators.in.with.path=data.csv")
	cmd.Flags().IntVar(&f.parallelism, "parallelism", 0, "parallelism of operators that name none; wins over the job's own")
}

// loader compiles a module, or finds it compiled.
type loader func(wasm []byte) (*host.Module, error)

// readJob reads a job file and lays out its plan; warnings go to stderr.
func readJob(cmd *cobra.Command, file string, f jobFlags, load loader) (*graph.Plan, error) {
	options := graph.Options{Lookup: os.LookupEnv, Set: f.set}
	// On the command line it overrides the job; configured, it is what jobs have that
	// name none.
	if cmd.Flags().Changed("parallelism") {
		if f.parallelism < 1 {
			return nil, usagef("--parallelism %d: must be at least 1", f.parallelism)
		}
		options.Parallelism = f.parallelism
	} else if f.parallelism < 0 {
		return nil, invalid(fmt.Errorf("configured parallelism %d: must be at least 1", f.parallelism))
	} else {
		options.DefaultParallelism = f.parallelism
	}
	var err error
	if options.WorkDir, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("find working directory: %w", err)
	}
	data, err := readJobFile("job file", file)
	if err != nil {
		return nil, invalid(err)
	}
	plan, err := layOut(file, data, options, load)
	if err == nil {
		warn(cmd, plan)
	}
	return plan, err
}

// warn tells the author of a job file what may not be meant.
func warn(cmd *cobra.Command, plan *graph.Plan) {
	for _, w := range plan.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+w.String())
	}
}

// layOut makes the plan of a job file's text.
func layOut(file string, data []byte, options graph.Options, load loader) (*graph.Plan, error) {
	resolve := func(path string) (graph.ModuleInfo, error) {
		wasm, err := readModule(path)
		if err != nil {
			return graph.ModuleInfo{}, err
		}
		m, err := load(wasm)
		if err != nil {
			return graph.ModuleInfo{}, err
		}
		i := m.Inspect()
		return graph.ModuleInfo{Description: m.Description(), SHA256: i.SHA256, Memory: i.Memory.Min, Table: i.Table, NoImage: i.NoImage}, nil
	}
	return graph.Load(file, data, options, resolve, connector.Catalog())
}

func readJobFile(what, file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, reason(what, file, err)
	}
	defer f.Close()
	// One byte more than allowed is enough to be refused.
	data, err := io.ReadAll(io.LimitReader(f, graph.MaxFileSize+1))
	if err != nil {
		return nil, reason(what, file, err)
	}
	return data, nil
}

func readModule(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, reason("module", path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > host.MaxModule:
		return nil, fmt.Errorf("%s has %s, a module has at most %s", path, size(info.Size()), size(host.MaxModule))
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, reason("module", path, err)
	}
	return wasm, nil
}

// reason says what is wrong with a file the way a person would.
func reason(what, path string, err error) error {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such %s", path, what)
	case errors.As(err, &at):
		return fmt.Errorf("%s: %w", path, at.Err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
