package conntest

func (h *harness) beforeCommit() {
	sink := h.open(0, 1, false)
	h.sees()
	h.write(sink, "a", "b")
	h.sees()
	t := h.prepare(sink, 1)
	h.sees()
	h.write(sink, "c")
	h.commit(t)
	h.sees("a", "b")
	h.close(sink)
	h.sees("a", "b")
	h.clean()
}

func (h *harness) crashWriting() {
	crashed := h.open(0, 1, false)
	h.write(crashed, "lost")
	h.Crash(crashed)
	sink := h.open(0, 1, false)
	h.write(sink, "kept")
	h.commit(h.prepare(sink, 1))
	h.close(sink)
	h.sees("kept")
	h.clean()
}

func (h *harness) crashPrepared() {
	sink := h.open(0, 1, false)
	h.write(sink, "a")
	t := h.prepare(sink, 1)
	h.write(sink, "after the cut")
	h.commit(t)
	h.close(h.open(0, 1, true))
	h.sees("a")
	h.clean()
}

func (h *harness) commitAgain() {
	sink := h.open(0, 1, false)
	h.write(sink, "a")
	t := h.prepare(sink, 1)
	h.commit(t, t, t)
	h.close(sink)
	h.commit(t)
	h.sees("a")
	h.clean()
}

func (h *harness) commitOldAgain() {
	h.run(1, "earlier")
	sink := h.open(0, 1, false)
	h.write(sink, "a")
	first := h.prepare(sink, 1)
	h.commit(first)
	h.write(sink, "b")
	second := h.prepare(sink, 2)
	h.commit(second, first, second, first)
	h.close(sink)
	h.seesNew([]string{"earlier 0"}, "a", "b")
	h.clean()
}

func (h *harness) abort() {
	sink := h.open(0, 1, false)
	h.write(sink, "a")
	t := h.prepare(sink, 1)
	h.drop(t)
	h.close(sink)
	h.sees()
	h.clean()
}

func (h *harness) abortTwice() {
	sink := h.open(0, 1, false)
	h.write(sink, "a")
	t := h.prepare(sink, 1)
	h.drop(t, t)
	h.close(sink)
	h.sees()
	h.clean()
}

func (h *harness) goOnAfterAbort() {
	sink := h.open(0, 1, true)
	h.write(sink, "a")
	h.commit(h.prepare(sink, 1))
	h.write(sink, "b")
	h.drop(h.prepare(sink, 2))
	h.write(sink, "c")
	h.commit(h.prepare(sink, 3))
	h.close(sink)
	h.sees("a", "c")
	h.clean()
}

func (h *harness) newAttempt() {
	old := h.open(0, 1, false)
	h.write(old, "a")
	h.commit(h.prepare(old, 1))
	h.write(old, "dropped")
	sink := h.open(0, 1, true)
	h.write(sink, "b")
	h.commit(h.prepare(sink, 2))
	h.close(old)
	h.close(sink)
	h.sees("a", "b")
	h.clean()
}

func (h *harness) restored() {
	old := h.open(0, 1, false)
	h.write(old, "a")
	first := h.prepare(old, 1)
	h.write(old, "b")
	h.prepare(old, 2)
	h.commit(first) // whoever restores it commits what it lists, and then opens sinks
	sink := h.open(0, 1, true)
	h.write(sink, "c")
	h.commit(h.prepare(sink, 3))
	h.close(sink)
	h.sees("a", "c")
	h.clean()
}

func (h *harness) noRecords() {
	sink := h.open(0, 1, false)
	h.commit(h.prepare(sink, 1))
	h.commit(h.prepare(sink, 2))
	h.write(sink, "a")
	h.commit(h.prepare(sink, 3))
	h.commit(h.prepare(sink, 4))
	h.close(sink)
	h.sees("a")
	h.clean()
}

func (h *harness) subtasks() {
	a, b := h.open(0, 2, false), h.open(1, 2, false)
	h.write(a, "a")
	h.write(b, "b")
	ta, tb := h.prepare(a, 1), h.prepare(b, 1)
	h.commit(ta)
	h.sees("a")
	h.commit(tb, ta)
	h.sees("a", "b")
	h.close(a)
	h.close(b)
	h.sees("a", "b")
	h.clean()
}

func (h *harness) runAgain() {
	h.run(3, "first")
	h.sees("first 0", "first 1", "first 2")
	h.run(3, "second")
	h.seesNew([]string{"first 0", "first 1", "first 2"}, "second 0", "second 1", "second 2")
	h.clean()
}

func (h *harness) runAgainSmaller() {
	earlier := []string{"first 0", "first 1", "first 2", "first 3", "first 4"}
	h.run(5, "first")
	h.run(2, "second")
	h.seesNew(earlier, "second 0", "second 1")
	h.run(4, "third")
	h.seesNew(append(earlier, "second 0", "second 1"), "third 0", "third 1", "third 2", "third 3")
	h.clean()
}

func (h *harness) runAgainEmpty() {
	h.run(2, "first")
	h.run(1, "")
	h.seesNew([]string{"first 0", "first 1"})
	h.clean()
}

func (h *harness) closeAfterCommit() {
	sink := h.open(0, 1, false)
	h.write(sink, "a")
	t := h.prepare(sink, 1)
	h.close(sink)
	h.commit(t)
	h.close(sink)
	h.sees("a")
	h.clean()
}
