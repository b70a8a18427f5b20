package coordinator

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/wasmill/wasmill/cluster"
)

// phases traces a job as one span with a child for each state it is in.
type phases struct {
	tracer trace.Tracer
	job    trace.Span
	state  trace.Span
}

func newPhases(ctx context.Context, ref cluster.AttemptRef) *phases {
	p := &phases{tracer: otel.Tracer("github.com/wasmill/wasmill")}
	_, p.job = p.tracer.Start(ctx, "job", trace.WithAttributes(
		attribute.String("namespace", ref.Job.Namespace), attribute.String("job", ref.Job.Name),
		attribute.String("attempt", ref.Attempt.String())))
	p.enter(Created)
	return p
}

func (p *phases) enter(s State) {
	_, p.state = p.tracer.Start(trace.ContextWithSpan(context.Background(), p.job), string(s))
}

// transition ends the span of a state and begins the next one's.
func (p *phases) transition(t Transition) {
	if t.Cause != nil {
		p.state.SetStatus(codes.Error, t.Cause.Text)
	}
	p.state.End()
	if !t.To.Final() {
		p.enter(t.To)
		return
	}
	if t.Cause != nil {
		p.job.SetStatus(codes.Error, t.Cause.Text)
	}
	p.job.SetAttributes(attribute.String("state", string(t.To)))
	p.job.End()
}
