package main

import "context"

// measureRecord takes the cursor and the builder; their benchmarks count one record as
// one operation.
func measureRecord(ctx context.Context, l *lab) error {
	all, err := l.goBenchmarks(ctx, "./runtime/record", "^Benchmark(Cursor|Builder)$", 3*l.runs)
	if err != nil {
		return err
	}
	names := map[string][2]string{"Cursor": {recordCursor, recordCursorAllocs}, "Builder": {recordBuilder, recordBuilderAllocs}}
	for _, b := range all {
		if name, ok := names[b.name]; ok {
			l.add(name[0], b.values["ns/op"])
			l.add(name[1], b.values["allocs/op"])
		}
	}
	return nil
}
