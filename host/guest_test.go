package host_test

import (
	"testing"

	"github.com/wasmill/wasmill/host"
	"github.com/wasmill/wasmill/runtime/operator"
)

// collector keeps what a guest gives out.
type collector struct {
	emitted  []byte
	outputs  []int
	rejected []operator.Rejection
	err      error // answered to every call
}

func (c *collector) Emit(output int, batch []byte) error {
	c.outputs = append(c.outputs, output)
	c.emitted = append(c.emitted, batch...)
	return c.err
}

func (c *collector) EmitTo(output, partition int, batch []byte) error { return c.Emit(output, batch) }

func (c *collector) Reject(r operator.Rejection) error {
	c.rejected = append(c.rejected, r)
	return c.err
}

// load loads a module that must be good.
func load(t testing.TB, wasm []byte, c host.Config) *host.Module {
	t.Helper()
	h, err := host.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// instantiate makes an instance whose module is good, and opens it.
func instantiate(t testing.TB, m *host.Module, c host.InstanceConfig) *host.Instance {
	t.Helper()
	if c.Collector == nil {
		c.Collector = &collector{}
	}
	i, err := m.Instantiate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := i.Open(false); err != nil {
		t.Fatal(err)
	}
	return i
}

func open(t testing.TB, wasm []byte, c host.Config, ic host.InstanceConfig) *host.Instance {
	t.Helper()
	return instantiate(t, load(t, wasm, c), ic)
}
