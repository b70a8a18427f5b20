package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/wasmill/wasmill/runtime/fault"
)

// Depth is how closely packs are looked at.
type Depth int

// The depths.
const (
	// Quick reads the list of sections of each pack: it finds what is missing, cut off
	// or another's. What is damaged inside is found when it is read.
	Quick Depth = iota
	// Full reads every byte.
	Full
)

// checkers is how many packs are read at the same time.
const checkers = 8

// Check looks at everything a checkpoint consists of. An error of class fault.ErrCorrupt
// names each pack, section and offset where something is wrong; with any other error it
// is not known.
func (f Folder) Check(ctx context.Context, m *Manifest, depth Depth) error {
	want := map[string][]Section{}
	for _, s := range m.Sections() {
		if !slices.Contains(want[s.Pack], s) {
			want[s.Pack] = append(want[s.Pack], s)
		}
	}
	if len(want) == 0 {
		return nil
	}
	sizes, err := f.sizes(ctx)
	if err != nil {
		return err
	}
	names := m.Packs()
	problems := make([]error, len(names))
	var group sync.WaitGroup
	slots := make(chan struct{}, checkers)
	for i, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			problems[i] = f.checkPack(ctx, name, sizes, want[name], depth)
			<-slots
		})
	}
	group.Wait()
	return worst(problems)
}

// worst joins corruptions; an error that leaves the question open goes first.
func worst(problems []error) error {
	for _, err := range problems {
		if err != nil && !errors.Is(err, fault.ErrCorrupt) {
			return err
		}
	}
	return errors.Join(problems...)
}

// sizes are those of the packs in the folder, by their names below it.
func (f Folder) sizes(ctx context.Context) (map[string]int64, error) {
	sizes := map[string]int64{}
	for o, err := range f.Store.List(ctx, f.object("packs/")) {
		if err != nil {
			return nil, fmt.Errorf("list packs of %s: %w", f.Path, err)
		}
		sizes[strings.TrimPrefix(o.Name, f.object(""))] = o.Size
	}
	return sizes, nil
}

func (f Folder) checkPack(ctx context.Context, name string, sizes map[string]int64, want []Section, depth Depth) error {
	size, ok := sizes[name]
	if !ok {
		return fault.Corruptf("%s: %w", f.object(name), ErrNotFound)
	}
	sections, err := f.Sections(ctx, name, size)
	if err != nil {
		return err
	}
	for _, s := range want {
		if !slices.Contains(sections, s) {
			return f.corrupt(s, s.Offset, "the pack has no such section")
		}
	}
	if depth == Quick {
		return nil
	}
	for _, s := range sections {
		r := f.OpenSection(ctx, s)
		_, err := io.Copy(io.Discard, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// Sections lists what is in a pack of that size, which a listing tells.
func (f Folder) Sections(ctx context.Context, pack string, size int64) ([]Section, error) {
	if size < int64(len(packHead)+4+trailerSize) {
		return nil, fault.Corruptf("%s: %d bytes are no pack", f.object(pack), size)
	}
	at := size - int64(trailerSize)
	header, err := f.readPart(ctx, pack, 0, int64(len(packHead)))
	if err == nil {
		err = readHeader(header)
	}
	if err != nil {
		return nil, f.packError(pack, 0, err)
	}
	trailer, err := f.readPart(ctx, pack, at, int64(trailerSize))
	if err != nil {
		return nil, f.packError(pack, at, err)
	}
	offset, err := readTrailer(trailer, size)
	if err != nil {
		return nil, f.packError(pack, at, err)
	}
	footer, err := f.readPart(ctx, pack, offset, at-offset)
	if err != nil {
		return nil, f.packError(pack, offset, err)
	}
	sections, err := readFooter(footer, trailer, offset, pack)
	if err != nil {
		return nil, f.packError(pack, offset, err)
	}
	return sections, nil
}

func (f Folder) packError(pack string, offset int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fault.Corruptf("offset %d: the object is cut off", offset)
	} else if errors.Is(err, ErrNotFound) {
		err = fault.As(fault.ErrCorrupt, err)
	}
	return fmt.Errorf("%s: %w", f.object(pack), err)
}
