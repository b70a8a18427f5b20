package graph

import (
	"math"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

const (
	leastInterval  = 10 * time.Millisecond
	mostConcurrent = 100
)

// defaultCheckpointing is what holds for what a job file does not say.
func defaultCheckpointing() Checkpointing {
	return Checkpointing{
		Mode: ExactlyOnce, Timeout: 10 * time.Minute, MaxConcurrent: 1, TolerableFailures: 3,
		Retain: Retain{Count: 3, OnCancel: Keep, OnFailure: Keep},
	}
}

func (p *parser) readCheckpoint(v *value) {
	c := &p.job.Checkpoint
	var alignment, concurrent *value
	p.object(v, readers{
		"interval":          func(v *value) { c.Interval = p.readInterval(v) },
		"mode":              func(v *value) { s, _ := p.oneOf(v, string(ExactlyOnce), string(AtLeastOnce)); c.Mode = Mode(s) },
		"store":             func(v *value) { c.Store = p.readStore(v) },
		"timeout":           func(v *value) { c.Timeout, _ = p.duration(v, leastInterval, maxWindow) },
		"minPause":          func(v *value) { c.MinPause, _ = p.duration(v, 0, maxWindow) },
		"tolerableFailures": func(v *value) { c.TolerableFailures = p.number(v, 0, math.MaxInt32) },
		"maxConcurrent": func(v *value) {
			c.MaxConcurrent = p.number(v, 1, mostConcurrent)
			concurrent = v
		},
		"alignment": func(v *value) {
			p.readAlignment(v)
			alignment = v
		},
		"retain": func(v *value) {
			keeping := func(into *Keeping) func(*value) {
				return func(v *value) { s, _ := p.oneOf(v, string(Keep), string(Delete)); *into = Keeping(s) }
			}
			p.object(v, readers{
				"count":    func(v *value) { c.Retain.Count = p.number(v, 1, math.MaxInt32) },
				"onCancel": keeping(&c.Retain.OnCancel), "onFailure": keeping(&c.Retain.OnFailure),
			})
		},
	})
	if !c.Unaligned {
		return
	}
	if c.Mode == AtLeastOnce {
		p.add(alignment.at(), "remove it", "at-least-once does not align: there is nothing to overtake")
	}
	if c.MaxConcurrent > 1 {
		p.add(concurrent.at(), "write maxConcurrent: 1", "unaligned checkpoints are taken one at a time")
	}
}

func (p *parser) number(v *value, least, most int64) int {
	n, _ := p.integer(v, least, most)
	return int(n)
}

// readInterval reads a duration or off, which is 0.
func (p *parser) readInterval(v *value) time.Duration {
	if v.kind == scalar && strings.EqualFold(v.text, "off") {
		return 0
	}
	d, err := time.ParseDuration(v.text)
	if v.kind == scalar && err == nil && d <= 0 {
		p.add(v.at(), "write off for none but the final one", "%s is not an interval", clip(v.text))
		return 0
	}
	d, _ = p.duration(v, leastInterval, maxWindow)
	return d
}

func (p *parser) readAlignment(v *value) {
	c := &p.job.Checkpoint
	if v.kind != mapping {
		s, _ := p.oneOf(v, "aligned", "unaligned")
		c.Unaligned = s == "unaligned"
		return
	}
	p.object(v, readers{"unalignedAfter": func(v *value) {
		c.UnalignedAfter, c.Unaligned = p.duration(v, 0, maxWindow)
	}})
	if v.get("unalignedAfter") == nil {
		p.add(v.at(), "write aligned, unaligned or {unalignedAfter: 1s}", "unalignedAfter is missing")
	}
}

// readStore reads where checkpoints lie: a folder, or a bucket.
func (p *parser) readStore(v *value) string {
	s, ok := p.text(v)
	switch {
	case !ok:
		return ""
	case s == "":
		p.add(v.at(), "", "is empty")
		return ""
	case !strings.Contains(s, "://"):
		return p.absolute(v, s)
	}
	const form = "write a folder, file:///FOLDER or s3://BUCKET/PREFIX"
	u, err := url.Parse(s)
	switch {
	case err != nil:
		p.add(v.at(), form, "is not a URL") // without a word of it, which may be a secret
	case u.Scheme == "file" && filepath.IsAbs(u.Path) && u.Host == "":
	case u.Scheme != "s3" || u.Host == "":
		p.add(v.at(), form, "%s is not a store", quote(s))
	case u.User != nil:
		p.add(v.at(), "leave them to the environment", "a store has no credentials in its name")
	}
	return s
}
