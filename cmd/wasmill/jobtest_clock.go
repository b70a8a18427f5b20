package main

import (
	"sync"
	"time"
)

// virtualClock is a clock that only Set moves. It is a task.Clock.
type virtualClock struct {
	mu     sync.Mutex
	now    time.Time                // guarded by mu
	alarms map[int64]chan time.Time // by ms since 1970; guarded by mu
}

func newVirtualClock(now time.Time) *virtualClock {
	return &virtualClock{now: now, alarms: map[int64]chan time.Time{}}
}

// Now implements task.Clock.
func (c *virtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After implements task.Clock: the channel is closed when it is that late.
func (c *virtualClock) After(at time.Time) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.After(c.now) {
		rung := make(chan time.Time)
		close(rung)
		return rung
	}
	ms := at.UnixMilli()
	if c.alarms[ms] == nil {
		c.alarms[ms] = make(chan time.Time)
	}
	return c.alarms[ms]
}

// Next is when somebody wants to be woken first, at the latest until.
func (c *virtualClock) Next(until time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ms := range c.alarms {
		if at := time.UnixMilli(ms).UTC(); at.Before(until) {
			until = at
		}
	}
	return until
}

// Set moves the clock and wakes whoever waits for that.
func (c *virtualClock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	for ms, rings := range c.alarms {
		if ms <= now.UnixMilli() {
			close(rings)
			delete(c.alarms, ms)
		}
	}
}
