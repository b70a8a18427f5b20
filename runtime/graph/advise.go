package graph

// adviseEndless warns of jobs whose input does not end by itself and that would show,
// or keep, nothing of it until it does.
func (b *builder) adviseEndless(edges []Edge, order []int) {
	incoming := make([][]Edge, len(b.job.vertices))
	for _, e := range edges {
		incoming[e.To] = append(incoming[e.To], e)
	}
	endless := make([]bool, len(b.job.vertices))
	timeless := make([]bool, len(b.job.vertices)) // no watermark ever comes from it
	for _, v := range order {
		o := b.job.vertices[v]
		endless[v], timeless[v] = o.endless, o.endless
		for _, e := range incoming[v] {
			endless[v] = endless[v] || endless[e.From]
			timeless[v] = timeless[v] || timeless[e.From]
		}
		if o.window != nil && o.window.Kind != Global && timeless[v] {
			b.warn(o.windowV.named(), "write watermark: {outOfOrder: 1m} at its sources", "no watermarks reach it: its windows never close")
		}
		timeless[v] = timeless[v] && o.watermark == nil
		if !endless[v] || b.job.Checkpoint.Interval > 0 {
			continue
		}
		const hint = "write checkpoint: {interval: 10s}"
		switch {
		case o.twoPhase:
			b.warn(o.at.named(), hint, "without checkpoints nothing of %s %s appears until the job ends", o.role, o.what)
		case o.window != nil || len(o.state.Tables) > 0:
			b.warn(o.at.named(), hint, "without checkpoints its state is lost when the job fails")
		}
	}
}
