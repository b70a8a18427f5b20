package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/attribute"

	"github.com/wasmill/wasmill/cluster/coordinator"
	"github.com/wasmill/wasmill/cluster/worker"
	"github.com/wasmill/wasmill/host"
)

type runOptions struct {
	job     jobFlags
	workers int
	nats    string
	output  string
	quiet   bool
	metrics string
	store   string
	begin   beginning
	dataDir string
}

func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run JOB.yaml",
		Short: "Run a job to its end, in this process or in worker processes",
		Long: `Run a job to its end.

Without --workers everything happens in this process. With --workers N the subtasks
are spread over N worker processes that trade records over an embedded NATS server,
or over the one that --nats names. Ctrl-C ends the job in order, a second one at once.

The job's log and checkpoints lie in --store: a folder, or a bucket of Amazon S3, MinIO
and the like. Credentials for a bucket come from the environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY), ~/.aws/credentials or the machine's role, never from its URL.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("nats") && o.workers == 0 {
				o.nats = "" // configured for jobs that need it
			}
			if err := o.validate(); err != nil {
				return err
			}
			return run(cmd, args[0], o)
		},
	}
	o.job.add(c)
	f := c.Flags()
	f.IntVar(&o.workers, "workers", 0, "number of worker processes; 0: none, all in this process")
	f.StringVar(&o.nats, "nats", "", "NATS server for --workers, instead of an embedded one; from WASMILL_NATS, runs without --workers ignore it")
	f.StringVarP(&o.output, "output", "o", "table", "what to print at the end: table or json")
	f.BoolVar(&o.quiet, "quiet", false, "show no progress")
	f.StringVar(&o.store, "store", defaultStore(), "folder or s3://BUCKET/PREFIX?endpoint=HOST:PORT for logs and checkpoints of jobs; on the command line it wins over the job's own")
	f.StringVar(&o.begin.from, "from", "", "where to start: none, latest, checkpoint:JOB/NUMBER, or the folder or URL of a snapshot")
	f.StringArrayVar(&o.begin.dropped, "allow-dropped-state", nil, "operator of the checkpoint that the job no longer has, and whose state may be lost")
	f.StringVar(&o.dataDir, "data-dir", defaultDataDir(), "folder for state on disk, while a job runs")
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics at this address")
	return c
}

func (o *runOptions) validate() error {
	switch {
	case o.workers < 0 || o.workers > 64:
		return usagef("--workers %d: must be between 0 and 64", o.workers)
	case o.nats != "" && o.workers == 0:
		return usagef("--nats needs --workers: without worker processes no record leaves this one")
	case o.output != "table" && o.output != "json":
		return usagef("--output %q: must be table or json", o.output)
	}
	return nil
}

func run(cmd *cobra.Command, file string, o runOptions) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // a reader that has gone is an error of the sink
	h, err := host.New(ctx, hostConfig(cmd))
	if err != nil {
		return err
	}
	defer h.Close()
	modules := worker.NewModules(h)
	plan, err := readJob(cmd, file, o.job, func(wasm []byte) (*host.Module, error) { return modules.Add(ctx, wasm) })
	if err != nil {
		return err
	}
	telemetry, err := newTelemetry(ctx, o.metrics, attribute.String("namespace", plan.Namespace), attribute.String("job", plan.Job))
	if err != nil {
		return err
	}
	defer telemetry.close()

	store, err := storeOf(ctx, cmd, plan, o.store)
	if err != nil {
		return err
	}
	view := newView(plan, o.quiet)
	r := &jobRun{
		cmd: cmd, options: o, modules: modules, plan: plan, store: store,
		observe: func(obs coordinator.Observation) { telemetry.observe(obs); view.observe(obs) },
	}
	done, err := r.carry(ctx)
	view.close()
	if err != nil {
		return err
	}
	result := done.result
	noted := store.failure(done.history.end(ctx, result))
	if err := report(plan, result, done.usage, o.output); err != nil {
		return err
	}
	switch result.State {
	case coordinator.Canceled:
		return errors.Join(errInterrupted, noted)
	case coordinator.Failed:
		return errors.Join(&jobError{job: plan.Job, err: result.Err}, noted)
	}
	return noted
}

// alongside runs f until what it returns is called, which waits for f to end.
func alongside(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { f(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// interruptible ends the context at the first signal, and the process at the second.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
				if n > 0 {
					os.Exit(exitInterrupted)
				}
				cancel(errInterrupted)
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel(nil) }
}
