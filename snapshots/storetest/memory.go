// Package storetest is what tests of snapshots need: the suite that every store passes
// (Run), a store in memory, one that fails on demand (Faulty), and a MinIO server. It is
// not for programs.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/wasmill/wasmill/snapshots"
)

// Memory is a store that keeps objects in memory. The zero value is empty.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte // guarded by mu; values never change
}

var _ snapshots.Store = (*Memory)(nil)

// Get implements snapshots.Store.
func (m *Memory) Get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := begin(ctx, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	data, ok := m.objects[name]
	m.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("read %s: %w", name, snapshots.ErrNotFound)
	}
	data = data[min(offset, int64(len(data))):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Put implements snapshots.Store.
func (m *Memory) Put(ctx context.Context, name string, data io.Reader, size int64) error {
	if err := begin(ctx, name); err != nil {
		return err
	}
	b, err := io.ReadAll(data)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if size >= 0 && int64(len(b)) != size {
		return fmt.Errorf("write %s: %d bytes came, %d were announced: %w", name, len(b), size, io.ErrUnexpectedEOF)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.set(name, b)
	return nil
}

func (m *Memory) set(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.objects[name] = data
}

// PutIfAbsent implements snapshots.Store.
func (m *Memory) PutIfAbsent(ctx context.Context, name string, data []byte) error {
	if err := begin(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[name]; ok {
		return fmt.Errorf("create %s: %w", name, snapshots.ErrExists)
	}
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.objects[name] = bytes.Clone(data)
	return nil
}

// List implements snapshots.Store.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[snapshots.Object, error] {
	return func(yield func(snapshots.Object, error) bool) {
		m.mu.Lock()
		objects := maps.Clone(m.objects)
		m.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			if err := ctx.Err(); err != nil {
				yield(snapshots.Object{}, err)
				return
			}
			if strings.HasPrefix(name, prefix) && !yield(snapshots.Object{Name: name, Size: int64(len(objects[name]))}, nil) {
				return
			}
		}
	}
}

// Delete implements snapshots.Store.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}

// Copy implements snapshots.Store.
func (m *Memory) Copy(ctx context.Context, from, to string) error {
	if err := begin(ctx, to); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[from]
	if !ok {
		return fmt.Errorf("copy %s: %w", from, snapshots.ErrNotFound)
	}
	m.objects[to] = data
	return nil
}

// Clone is a second store with the same objects.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{objects: maps.Clone(m.objects)}
}

// Names are the names of all objects below a prefix, sorted.
func (m *Memory) Names(prefix string) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.objects {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Bytes are an object's bytes; nil if there is none. They may not be changed.
func (m *Memory) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.objects[name]
}

// Damage replaces an object by bytes that nobody wrote.
func (m *Memory) Damage(name string, data []byte) { m.set(name, data) }

func begin(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return snapshots.CheckName(name)
}
