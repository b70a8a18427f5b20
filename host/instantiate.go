package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmill/wasmill/host/internal/rewrite"
	"github.com/wasmill/wasmill/sdk/abi"
)

// instance makes an instance none of whose code has run.
func (m *Module) instance(ctx context.Context, c InstanceConfig) (*Instance, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = func() int64 { return time.Now().UnixMilli() }
	}
	i := &Instance{module: m, config: c, limits: withDefaults(c.Limits), collector: c.Collector, logger: c.Logger}
	if err := m.fits(i); err != nil {
		return nil, err
	}
	i.access.init(&c)
	i.context = &callContext{context.Background(), i}
	i.output[0].level, i.output[1].level = abi.LogInfo, abi.LogWarn
	i.random = c.Seed
	i.clock = c.Now() * int64(time.Millisecond)
	i.memory = &memory{limit: uint64(i.limits.Memory)}
	ctx = experimental.WithMemoryAllocator(context.WithoutCancel(ctx), i.memory)
	guest, err := m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		i.memory.Free()
		return nil, m.refuse(Refusal{Reason: "the module can't be instantiated: " + firstLine(err)})
	}
	i.guest = guest
	i.exports = exports{
		describe: guest.ExportedFunction(abi.ExportDescribe),
		alloc:    guest.ExportedFunction(abi.ExportAlloc),
		open:     guest.ExportedFunction(abi.ExportOpen),
		process:  guest.ExportedFunction(abi.ExportProcess),
		poll:     guest.ExportedFunction(abi.ExportPoll),
		flush:    guest.ExportedFunction(abi.ExportFlush),
		end:      guest.ExportedFunction(abi.ExportEnd),

		timers:     guest.ExportedFunction(abi.ExportTimers),
		watermark:  guest.ExportedFunction(abi.ExportWatermark),
		barrier:    guest.ExportedFunction(abi.ExportBarrier),
		accumulate: guest.ExportedFunction(abi.ExportAccumulate),
		merge:      guest.ExportedFunction(abi.ExportMerge),
		finish:     guest.ExportedFunction(abi.ExportFinish),
		apply:      guest.ExportedFunction(abi.ExportApply),
	}
	i.setGlobal(rewrite.ExportTables, uint64(i.limits.TableEntries))
	if !m.plain {
		i.meter.start(guest.ExportedGlobal(rewrite.ExportMeter).(api.MutableGlobal), i.limits.CPUPerBatch, i.limits.StackDepth)
	}
	return i, nil
}

func (i *Instance) setGlobal(name string, value uint64) {
	i.guest.ExportedGlobal(name).(api.MutableGlobal).Set(value)
}

// fits checks what the module has from its start against the limits of an instance.
func (m *Module) fits(i *Instance) error {
	if least := int64(m.memoryPages) * wasmPage; least > i.limits.Memory {
		return m.refuse(Refusal{Function: "memory", Reason: "the memory starts beyond limit memory",
			Expected: "at most " + bytesText(i.limits.Memory), Found: bytesText(least), Hint: "raise the limit or start smaller"})
	}
	if m.tableEntries > i.limits.TableEntries {
		return m.refuse(Refusal{Function: "table", Reason: "a table starts beyond limit tableEntries",
			Expected: fmt.Sprintf("at most %d", i.limits.TableEntries), Found: fmt.Sprint(m.tableEntries)})
	}
	return nil
}
