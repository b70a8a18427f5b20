package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/keygroup"
	"github.com/wasmill/wasmill/runtime/operator"
	"github.com/wasmill/wasmill/runtime/state"
	"github.com/wasmill/wasmill/sdk/abi"
)

// access is an instance's way to its state.
type access struct {
	open       bool // the call in progress may use state and timers
	groups     int  // of the job
	first, end int  // the subtask's groups
	fill       fill // of the scan in progress
	visit      func(subkey, value []byte, version uint32) bool
}

func (a *access) init(c *InstanceConfig) {
	a.groups = max(c.MaxParallelism, 1)
	a.first, a.end = keygroup.Range(c.Subtask.Index, max(c.Parallelism, 1), a.groups)
	a.visit = a.fill.entry // once, so that scans do not allocate
}

// opCharge is what an operation on state costs a guest beside its bytes, as bytes.
const opCharge = 256

// stateFuncs are the imports that reach state and timers. Their arguments are views of
// the guest's memory: tables copy what they keep.
var stateFuncs = []hostFunc{
	{abi.ImportGet, signature{"iiiiiii", "I"}, func(i *Instance, s []uint64) {
		table, key, sub := i.entry(abi.ImportGet, s)
		out := i.view(abi.ImportGet, s[5], s[6])
		value, version, ok, err := i.config.State.Get(table, key, sub)
		i.stateFault(abi.ImportGet, table, err)
		if s[0] = ^uint64(0); ok {
			s[0] = uint64(version)<<32 | uint64(len(value))
			if len(value) <= len(out) {
				copy(out, value)
				i.charge(int64(len(value)))
			}
		}
	}},
	{abi.ImportPut, signature{"iiiiiii", ""}, func(i *Instance, s []uint64) {
		table, key, sub := i.entry(abi.ImportPut, s)
		value := i.view(abi.ImportPut, s[5], s[6])
		i.charge(int64(len(value)))
		i.stateFault(abi.ImportPut, table, i.config.State.Put(table, key, sub, value))
	}},
	{abi.ImportAppend, signature{"iiiiiii", ""}, func(i *Instance, s []uint64) {
		table, key, sub := i.entry(abi.ImportAppend, s)
		value := i.view(abi.ImportAppend, s[5], s[6])
		i.charge(int64(len(value)))
		i.stateFault(abi.ImportAppend, table, i.config.State.Append(table, key, sub, value))
	}},
	{abi.ImportDelete, signature{"iiiii", ""}, func(i *Instance, s []uint64) {
		table, key, sub := i.entry(abi.ImportDelete, s)
		i.stateFault(abi.ImportDelete, table, i.config.State.Delete(table, key, sub))
	}},
	{abi.ImportScan, signature{"iiiiiiiii", "I"}, func(i *Instance, s []uint64) {
		table, key, from := i.entry(abi.ImportScan, s)
		var to []byte
		if toLen := int32(s[6]); toLen >= 0 {
			to = i.view(abi.ImportScan, s[5], s[6])
		} else if toLen != -1 {
			i.stop(fault.Guestf("scan: the end has a length of %d; -1 is none", toLen))
		}
		s[0] = i.scan(table, key, from, to, i.view(abi.ImportScan, s[7], s[8]))
	}},
	{abi.ImportState, signature{"iiii", "I"}, func(i *Instance, s []uint64) {
		s[0] = i.apply(i.view(abi.ImportState, s[0], s[1]), i.view(abi.ImportState, s[2], s[3]))
	}},
	{abi.ImportTimerSet, signature{"iIiiii", ""}, func(i *Instance, s []uint64) {
		domain, group, key, tag := i.timer(abi.ImportTimerSet, s)
		i.timerFault(abi.ImportTimerSet, i.config.Timers.Set(domain, group, int64(s[1]), key, tag))
	}},
	{abi.ImportTimerDelete, signature{"iIiiii", ""}, func(i *Instance, s []uint64) {
		domain, group, key, tag := i.timer(abi.ImportTimerDelete, s)
		i.timerFault(abi.ImportTimerDelete, i.config.Timers.Delete(domain, group, int64(s[1]), key, tag))
	}},
}

// view is memory that an import names, or the end of the guest.
func (i *Instance) view(function string, ptr, size uint64) []byte {
	b, ok := i.memory.view(uint32(ptr), uint32(size))
	if !ok {
		i.stop(fault.Guestf("%s: %d bytes at %#x are outside the memory of %d bytes", function, uint32(size), uint32(ptr), i.memory.size))
	}
	return b
}

// entry reads the arguments that all imports for one entry begin with.
func (i *Instance) entry(function string, s []uint64) (table int, key, sub []byte) {
	i.checkState(function)
	table, key, sub = int(uint32(s[0])), i.view(function, s[1], s[2]), i.view(function, s[3], s[4])
	i.charge(opCharge + int64(len(key)+len(sub)))
	return table, key, sub
}

// checkState ends a guest that uses state where there is none.
func (i *Instance) checkState(function string) {
	switch {
	case !i.access.open:
		i.stop(fault.Guestf("%s: called where no state can be used", function))
	case len(i.module.description.Tables) == 0:
		i.stop(fault.Guestf("%s: the module declares no tables", function))
	case i.config.State == nil:
		i.stop(fmt.Errorf("%s: the instance was given no state", function))
	}
}

// stateFault ends the guest if its state refused an operation, naming the table.
func (i *Instance) stateFault(function string, table int, err error) {
	if err == nil {
		return
	}
	name := ""
	if tables := i.module.description.Tables; table < len(tables) {
		name = fmt.Sprintf("table %q: ", tables[table].Name)
	}
	i.stop(fmt.Errorf("%s: %s%w", function, name, err))
}

// apply does the operations of a request in order and writes the answers to out.
func (i *Instance) apply(request, out []byte) uint64 {
	i.checkState(abi.ImportState)
	if overlap(request, out) {
		i.stop(fault.Guestf("state: request and answers overlap"))
	}
	done, n, err := i.config.State.Apply(request, out)
	if err != nil {
		i.stateFault(abi.ImportState, tableOf(request, done), err)
	}
	i.charge(int64(len(request)+n) + int64(done)*opCharge)
	return uint64(done)<<32 | uint64(n)
}

// tableOf is the table of an operation, by its number in a request that has failed.
func tableOf(request []byte, number int) int {
	for ; len(request) >= state.OpSize; number-- {
		if number == 0 {
			return int(binary.LittleEndian.Uint16(request[2:]))
		}
		size := state.OpSize
		for at := 4; at < state.OpSize; at += 4 {
			size += int(binary.LittleEndian.Uint32(request[at:]))
		}
		request = request[min(size, len(request)):]
	}
	return maxTables
}

// overlap tells whether two views of one memory have bytes in common.
func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	x, y := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return x < y+uintptr(len(b)) && y < x+uintptr(len(a))
}

// fill writes the entries that a scan visits, as long as they fit.
type fill struct {
	out  []byte
	used int
	more bool // there is an entry that did not fit
	need int  // the room it takes
}

// scanHead is the fixed part of an entry: u32 subLen, u32 valLen, u32 version.
const scanHead = 12

func (f *fill) entry(subkey, value []byte, version uint32) bool {
	size := scanHead + len(subkey) + len(value)
	if f.more = size > len(f.out)-f.used; f.more {
		f.need = size
		return false
	}
	b := f.out[f.used:]
	binary.LittleEndian.PutUint32(b, uint32(len(subkey)))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(value)))
	binary.LittleEndian.PutUint32(b[8:], version)
	copy(b[scanHead:], subkey)
	copy(b[scanHead+len(subkey):], value)
	f.used += size
	return true
}

// scan writes a range of entries of a key to out, as many as fit.
func (i *Instance) scan(table int, key, from, to, out []byte) uint64 {
	if overlap(key, out) || overlap(from, out) || overlap(to, out) {
		i.stop(fault.Guestf("scan: what is asked for and the answer overlap"))
	}
	f := &i.access.fill
	*f = fill{out: out}
	i.stateFault(abi.ImportScan, table, i.config.State.Scan(table, key, from, to, i.access.visit))
	i.charge(int64(f.used))
	switch {
	case !f.more:
		return uint64(f.used)
	case f.used == 0:
		return uint64(-f.need)
	}
	return 1<<32 | uint64(f.used)
}

// timer checks the arguments of timer_set and timer_delete and finds the key's group.
func (i *Instance) timer(function string, s []uint64) (domain state.Domain, group int, key, tag []byte) {
	a := &i.access
	switch {
	case !a.open:
		i.stop(fault.Guestf("%s: called where no state can be used", function))
	case i.config.Timers == nil:
		i.stop(fault.Guestf("%s: there are no timers: only operators of shape process have, whose input is by key", function))
	case s[0] > uint64(operator.ProcessingTime):
		i.stop(fault.Guestf("%s: no time domain %d", function, int32(s[0])))
	}
	key, tag = i.view(function, s[2], s[3]), i.view(function, s[4], s[5])
	if group = keygroup.Of(key, a.groups); group < a.first || group >= a.end {
		i.stop(fault.Guestf("%s: the key %q is of key group %d, this subtask has %d to %d: timers are for keys of records that come by key",
			function, cut(string(key)), group, a.first, a.end-1))
	}
	i.charge(opCharge + int64(len(key)+len(tag)))
	return state.Domain(s[0]), group, key, tag
}

func (i *Instance) timerFault(function string, err error) {
	if errors.Is(err, fault.ErrGuest) {
		err = fault.Guestf("%s: %w", function, err)
	}
	if err != nil {
		i.stop(err)
	}
}
