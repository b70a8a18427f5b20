package host

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmill/wasmill/host/internal/rewrite"
)

// Image is the whole state of an instance between two calls, in terms of the module
// as it was loaded: independent of how it was rewritten and compiled. Its encoding is
// Marshal's; docs/formats.md describes it.
type Image struct {
	Module  [32]byte // SHA-256
	Clock   int64    // of the virtual clock, ns since 1970
	Random  uint64   // state of the random numbers
	Globals []GlobalValue
	Pages   uint32 // of memory, 64 KiB each
	Memory  []Run  // what is not zero, by ascending offset
}

// GlobalValue is the value of a mutable global; an f32 or i32 is in the lower half.
type GlobalValue struct {
	Index uint32 // in the module as it was loaded
	Type  byte   // wasm's: 0x7f i32, 0x7e i64, 0x7d f32, 0x7c f64
	Value uint64
}

// Run is a part of memory, in whole blocks.
type Run struct {
	Block uint32 // first block
	Bytes []byte // a multiple of ImageBlock long
}

// ImageBlock is the unit in which an image skips zeros, in bytes.
const ImageBlock = 4096

// Image copies the instance's state. It is called between calls. The error of a module
// that can't have an image says why not.
func (i *Instance) Image() (*Image, error) {
	if i.fault != nil {
		return nil, fmt.Errorf("take image: %w", i.fault)
	}
	if reason := i.module.noImage(); reason != "" {
		return nil, fmt.Errorf("take image: module %s %s", i.module.hash[:12], reason)
	}
	image := &Image{Clock: i.clock, Random: i.random, Pages: uint32(i.memory.size / wasmPage)}
	if _, err := hex.Decode(image.Module[:], []byte(i.module.hash)); err != nil {
		return nil, fmt.Errorf("take image: %w", err)
	}
	for _, g := range i.module.globals {
		value := i.guest.ExportedGlobal(rewrite.GlobalName(g.index)).Get()
		image.Globals = append(image.Globals, GlobalValue{uint32(g.index), g.valueType, value})
	}
	image.Memory = nonZero(i.memory.reserved[:i.memory.size])
	return image, nil
}

// noImage says what of the module an image can't hold, or nothing.
func (m *Module) noImage() string {
	if m.info.TableChange != "" {
		return "changes tables at run time (" + m.info.TableChange + ")"
	}
	for _, g := range m.globals {
		switch g.valueType {
		case api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF32, api.ValueTypeF64:
		default:
			return fmt.Sprintf("has a mutable global (%d) that is a vector or a reference", g.index)
		}
	}
	return ""
}

// nonZero copies the blocks of memory that are not zero.
func nonZero(memory []byte) []Run {
	var runs []Run
	for at := 0; at < len(memory); at += ImageBlock {
		if isZero(memory[at : at+ImageBlock]) {
			continue
		}
		end := at + ImageBlock
		for end < len(memory) && !isZero(memory[end:end+ImageBlock]) {
			end += ImageBlock
		}
		runs = append(runs, Run{uint32(at / ImageBlock), append([]byte(nil), memory[at:end]...)})
		at = end
	}
	return runs
}

var zeros [ImageBlock]byte

func isZero(block []byte) bool { return string(block) == string(zeros[:]) }

// Restore makes an instance that continues where the image was taken. Neither start
// function nor _initialize nor wasmill_open runs.
func (m *Module) Restore(ctx context.Context, c InstanceConfig, image *Image) (*Instance, error) {
	if taken := hex.EncodeToString(image.Module[:]); taken != m.hash {
		return nil, fmt.Errorf("restore image: it was taken of module %s, this is %s", taken[:12], m.hash[:12])
	}
	i, err := m.instance(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("restore image: %w", err)
	}
	if err := i.restore(image); err != nil {
		i.Close()
		return nil, fmt.Errorf("restore image: %w", err)
	}
	return i, nil
}

func (i *Instance) restore(image *Image) error {
	if err := i.restoreGlobals(image.Globals); err != nil {
		return err
	}
	have := uint32(i.memory.size / wasmPage)
	if image.Pages < have {
		return fmt.Errorf("its memory of %d pages is smaller than the module's at the start, %d", image.Pages, have)
	}
	clear(i.memory.reserved[:i.memory.size])
	if _, ok := i.guest.Memory().Grow(image.Pages - have); !ok {
		return fmt.Errorf("its memory of %s exceeds limit memory %s", bytesText(int64(image.Pages)*wasmPage), bytesText(i.limits.Memory))
	}
	for _, run := range image.Memory {
		at := uint64(run.Block) * ImageBlock
		if at+uint64(len(run.Bytes)) > i.memory.size {
			return fmt.Errorf("block %d of its memory lies outside", run.Block)
		}
		copy(i.memory.reserved[at:i.memory.size], run.Bytes)
	}
	i.clock, i.random = image.Clock, image.Random
	return nil
}
