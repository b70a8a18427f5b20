package host

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/wasmill/wasmill/runtime/fault"
)

const wasiModule = "wasi_snapshot_preview1"

// Error numbers of WASI preview 1.
const (
	errnoSuccess = 0
	errnoBadf    = 8
	errnoFault   = 21
	errnoInval   = 28
	errnoNosys   = 52
	errnoNotsup  = 58
	errnoSpipe   = 70
)

// wasiFuncs are all functions of WASI preview 1. A guest has an output for log lines,
// a clock that only its own reads move, and random numbers from a seed; it has no
// files, sockets, arguments, and only the environment it was granted.
var wasiFuncs = []hostFunc{
	{"args_get", signature{"ii", "i"}, answer(errnoSuccess)},
	{"args_sizes_get", signature{"ii", "i"}, func(i *Instance, s []uint64) {
		s[0] = i.put32(s[0], 0) | i.put32(s[1], 0)
	}},
	{"environ_get", signature{"ii", "i"}, environGet},
	{"environ_sizes_get", signature{"ii", "i"}, environSizesGet},
	{"clock_res_get", signature{"ii", "i"}, func(i *Instance, s []uint64) {
		s[0] = i.ifClock(s[0], func() uint64 { return i.put64(s[1], clockStep) })
	}},
	{"clock_time_get", signature{"iIi", "i"}, func(i *Instance, s []uint64) {
		s[0] = i.ifClock(s[0], func() uint64 { return i.put64(s[2], uint64(i.readClock())) })
	}},
	{"poll_oneoff", signature{"iiii", "i"}, pollOneoff},
	{"random_get", signature{"ii", "i"}, randomGet},
	{"sched_yield", signature{"", "i"}, answer(errnoSuccess)},
	{"proc_exit", signature{"i", ""}, func(i *Instance, s []uint64) {
		i.stop(fault.Guestf("the guest exited with code %d", uint32(s[0])))
	}},
	{"proc_raise", signature{"i", "i"}, answer(errnoNosys)},
	{"fd_write", signature{"iiii", "i"}, fdWrite},
	{"fd_read", signature{"iiii", "i"}, func(i *Instance, s []uint64) {
		if s[0] != 0 {
			s[0] = errnoBadf
			return
		}
		s[0] = i.put32(s[3], 0)
	}},
	{"fd_fdstat_get", signature{"ii", "i"}, fdStat},
	{"fd_filestat_get", signature{"ii", "i"}, fdFileStat},
	{"fd_seek", signature{"iIii", "i"}, onStdio(errnoSpipe)},
	{"fd_tell", signature{"ii", "i"}, onStdio(errnoSpipe)},
	{"fd_close", signature{"i", "i"}, onStdio(errnoSuccess)},
	{"fd_sync", signature{"i", "i"}, onStdio(errnoSuccess)},
	{"fd_datasync", signature{"i", "i"}, onStdio(errnoSuccess)},
	{"fd_fdstat_set_flags", signature{"ii", "i"}, onStdio(errnoSuccess)},
	{"fd_fdstat_set_rights", signature{"iII", "i"}, onStdio(errnoNotsup)},
	{"fd_advise", signature{"iIIi", "i"}, onStdio(errnoSpipe)},
	{"fd_allocate", signature{"iII", "i"}, onStdio(errnoNotsup)},
	{"fd_filestat_set_size", signature{"iI", "i"}, onStdio(errnoInval)},
	{"fd_filestat_set_times", signature{"iIIi", "i"}, onStdio(errnoNotsup)},
	{"fd_pread", signature{"iiiIi", "i"}, onStdio(errnoSpipe)},
	{"fd_pwrite", signature{"iiiIi", "i"}, onStdio(errnoSpipe)},
	{"fd_readdir", signature{"iiiIi", "i"}, onStdio(errnoNotsup)},
	{"fd_renumber", signature{"ii", "i"}, onStdio(errnoNotsup)},
	{"fd_prestat_get", signature{"ii", "i"}, answer(errnoBadf)},
	{"fd_prestat_dir_name", signature{"iii", "i"}, answer(errnoBadf)},
	{"path_create_directory", signature{"iii", "i"}, answer(errnoBadf)},
	{"path_filestat_get", signature{"iiiii", "i"}, answer(errnoBadf)},
	{"path_filestat_set_times", signature{"iiiiIIi", "i"}, answer(errnoBadf)},
	{"path_link", signature{"iiiiiii", "i"}, answer(errnoBadf)},
	{"path_open", signature{"iiiiiIIii", "i"}, answer(errnoBadf)},
	{"path_readlink", signature{"iiiiii", "i"}, answer(errnoBadf)},
	{"path_remove_directory", signature{"iii", "i"}, answer(errnoBadf)},
	{"path_rename", signature{"iiiiii", "i"}, answer(errnoBadf)},
	{"path_symlink", signature{"iiiii", "i"}, answer(errnoBadf)},
	{"path_unlink_file", signature{"iii", "i"}, answer(errnoBadf)},
	{"sock_accept", signature{"iii", "i"}, answer(errnoBadf)},
	{"sock_recv", signature{"iiiiii", "i"}, answer(errnoBadf)},
	{"sock_send", signature{"iiiii", "i"}, answer(errnoBadf)},
	{"sock_shutdown", signature{"ii", "i"}, answer(errnoBadf)},
}

func answer(errno uint64) func(*Instance, []uint64) {
	return func(_ *Instance, s []uint64) { s[0] = errno }
}

// onStdio answers errno for the three descriptors there are.
func onStdio(errno uint64) func(*Instance, []uint64) {
	return func(_ *Instance, s []uint64) {
		if s[0] > 2 {
			s[0] = errnoBadf
			return
		}
		s[0] = errno
	}
}

func (i *Instance) put32(ptr uint64, v uint32) uint64 {
	b, ok := i.memory.view(uint32(ptr), 4)
	if !ok {
		return errnoFault
	}
	binary.LittleEndian.PutUint32(b, v)
	return errnoSuccess
}

func (i *Instance) put64(ptr uint64, v uint64) uint64 {
	b, ok := i.memory.view(uint32(ptr), 8)
	if !ok {
		return errnoFault
	}
	binary.LittleEndian.PutUint64(b, v)
	return errnoSuccess
}

// environment is what the guest was granted, as NAME=value and a zero byte, sorted.
func (i *Instance) environment() (text []byte, count int) {
	for _, name := range slices.Sorted(maps.Keys(i.config.Env)) {
		text = append(text, name...)
		text = append(text, '=')
		text = append(text, i.config.Env[name]...)
		text = append(text, 0)
	}
	return text, len(i.config.Env)
}

func environSizesGet(i *Instance, s []uint64) {
	text, count := i.environment()
	s[0] = i.put32(s[0], uint32(count)) | i.put32(s[1], uint32(len(text)))
}

func environGet(i *Instance, s []uint64) {
	text, count := i.environment()
	pointers, ok := i.memory.view(uint32(s[0]), uint32(4*count))
	target, ok2 := i.memory.view(uint32(s[1]), uint32(len(text)))
	if !ok || !ok2 {
		s[0] = errnoFault
		return
	}
	copy(target, text)
	start := 0
	for n, c := range text {
		if c == 0 {
			binary.LittleEndian.PutUint32(pointers, uint32(s[1])+uint32(start))
			pointers, start = pointers[4:], n+1
		}
	}
	s[0] = errnoSuccess
}

// fdStat says that standard input, output and error are character devices.
func fdStat(i *Instance, s []uint64) {
	if s[0] > 2 {
		s[0] = errnoBadf
		return
	}
	b, ok := i.memory.view(uint32(s[1]), 24)
	if !ok {
		s[0] = errnoFault
		return
	}
	const (
		characterDevice = 2
		rightRead       = 1 << 1
		rightWrite      = 1 << 6
	)
	clear(b)
	b[0] = characterDevice
	rights := uint64(rightWrite)
	if s[0] == 0 {
		rights = rightRead
	}
	binary.LittleEndian.PutUint64(b[8:], rights)
	s[0] = errnoSuccess
}

func fdFileStat(i *Instance, s []uint64) {
	if s[0] > 2 {
		s[0] = errnoBadf
		return
	}
	b, ok := i.memory.view(uint32(s[1]), 64)
	if !ok {
		s[0] = errnoFault
		return
	}
	clear(b)
	b[16] = 2 // a character device
	s[0] = errnoSuccess
}

// maxVectors bounds the pieces of one write, as IOV_MAX does.
const maxVectors = 1024

// fdWrite takes what the guest prints.
func fdWrite(i *Instance, s []uint64) {
	if s[0] != 1 && s[0] != 2 {
		s[0] = errnoBadf
		return
	}
	if uint32(s[2]) > maxVectors {
		s[0] = errnoInval
		return
	}
	written := uint32(0)
	for n := uint32(0); n < uint32(s[2]); n++ {
		vector, ok := i.memory.view(uint32(s[1])+8*n, 8)
		if !ok {
			s[0] = errnoFault
			return
		}
		size := binary.LittleEndian.Uint32(vector[4:])
		b, ok := i.memory.view(binary.LittleEndian.Uint32(vector), size)
		if !ok {
			s[0] = errnoFault
			return
		}
		i.charge(int64(size))
		i.output[s[0]-1].write(i, b)
		written += size
	}
	s[0] = i.put32(s[3], written)
}
