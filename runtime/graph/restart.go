package graph

import (
	"math"
	"time"
)

// defaults of each strategy, for what a job file does not say: Flink's.
func defaultRestart(kind Strategy) Restart {
	switch kind {
	case RestartFixed:
		return Restart{Kind: kind, Attempts: 1, Delay: time.Second}
	case RestartRate:
		return Restart{Kind: kind, Failures: 1, Per: time.Minute, Delay: time.Second}
	case RestartExponential:
		return Restart{Kind: kind, Attempts: Unlimited, Initial: time.Second, Max: time.Minute, ResetAfter: 10 * time.Minute}
	}
	return Restart{Kind: RestartNone}
}

// readRestart reads a strategy: none, or the name of one with its settings. The name
// alone takes the defaults.
func (p *parser) readRestart(v *value) {
	r := &p.job.Restart
	p.job.restartV = v
	if v.kind != mapping {
		s, _ := p.oneOf(v, string(RestartNone), string(RestartFixed), string(RestartRate), string(RestartExponential))
		*r = defaultRestart(Strategy(s))
		return
	}
	first := ""
	is := func(kind Strategy, settings readers) func(*value) {
		return func(v *value) {
			if first != "" {
				p.add(v.named(), "keep one", "the strategy is %s already", first)
				return
			}
			first = string(kind)
			*r = defaultRestart(kind)
			p.object(v, settings)
		}
	}
	duration := func(into *time.Duration, least time.Duration) func(*value) {
		return func(v *value) { *into, _ = p.duration(v, least, maxWindow) }
	}
	attempts := func(v *value) {
		if v.kind == scalar && v.text == "unlimited" {
			r.Attempts = Unlimited
			return
		}
		r.Attempts = p.number(v, 1, math.MaxInt32)
	}
	read := p.object(v, readers{
		"fixed": is(RestartFixed, readers{"attempts": attempts, "delay": duration(&r.Delay, 0)}),
		"rate": is(RestartRate, readers{
			"failures": func(v *value) { r.Failures = p.number(v, 1, math.MaxInt32) },
			"per":      duration(&r.Per, time.Millisecond), "delay": duration(&r.Delay, 0),
		}),
		"exponential": is(RestartExponential, readers{
			"attempts": attempts, "initial": duration(&r.Initial, time.Millisecond), "max": duration(&r.Max, time.Millisecond),
			"resetAfter": duration(&r.ResetAfter, time.Millisecond),
		}),
	})
	switch {
	case read && len(v.fields) == 0:
		p.add(v.at(), "write none, fixed, rate or exponential", "names no strategy")
	case r.Kind == RestartExponential && r.Initial > 0 && r.Max > 0 && r.Max < r.Initial:
		p.add(v.get("exponential").at(), "", "max %s is below initial %s", r.Max, r.Initial)
	}
}
