package snapshots_test

import (
	"fmt"
	"testing"

	"github.com/wasmill/wasmill/runtime/id"
	"github.com/wasmill/wasmill/snapshots"
	"github.com/wasmill/wasmill/snapshots/storetest"
)

func TestInventory(t *testing.T) {
	store := new(storetest.Memory)
	for _, job := range []id.Job{{Namespace: "b", Name: "j"}, {Namespace: "a", Name: "j"}, {Namespace: "a", Name: "j-2"}} {
		l := &snapshots.Log{Store: store, Job: job, Writer: "w"}
		if _, err := begin(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a/jobs/no-log/packs/x", "a/jobs/j/packs/x", "modules/m.wasm", "a/savepoints/j/one/manifest.json", "a/savepoints/j/one/packs/x", "a/savepoints/j/half/packs/x", "a/savepoints/j-2/other/manifest.json"} {
		store.Damage(name, nil)
	}
	for namespace, want := range map[string]string{"": "[a/j a/j-2 b/j]", "a": "[a/j a/j-2]", "c": "[]"} {
		if jobs, err := snapshots.Jobs(t.Context(), store, namespace); err != nil || fmt.Sprint(jobs) != want {
			t.Errorf("%q: %v, %v, want %s", namespace, jobs, err, want)
		}
	}
	if names, err := snapshots.Savepoints(t.Context(), store, id.Job{Namespace: "a", Name: "j"}); err != nil || fmt.Sprint(names) != "[one]" {
		t.Errorf("%v, %v", names, err)
	}
	away := &storetest.Faulty{Store: store, Decide: func(storetest.Op) storetest.Fault { return storetest.Unavailable }}
	if _, err := snapshots.Jobs(t.Context(), away, ""); err == nil {
		t.Error("a store that is away has jobs")
	}
}
